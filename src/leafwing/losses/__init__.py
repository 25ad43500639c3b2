"""What the players minimise: functions of logits (adversarial) and of D and its inputs (penalties)."""
