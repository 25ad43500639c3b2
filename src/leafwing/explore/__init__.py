"""See what a generator learned: draw from it, walk between its pictures."""
