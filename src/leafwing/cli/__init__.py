"""The command ``leafwing``: one small file a command; each parses, calls the API and prints."""
