"""The homework that the lecture points to (R94): its archive of 1,000 pictures, and what its thresholds are."""
