"""The main job in one call, and experiments that show why the rules are as they are."""
