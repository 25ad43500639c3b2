"""Recipes as TOML files; the first lines of each say what to expect."""
