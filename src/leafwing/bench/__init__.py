"""The bench: rounds, samples and data against the machine's ceiling and against the textbook loop, in one run."""
