"""Worlds: data drawn by program, so that the truth behind every picture is known."""
