"""``python -m leafwing``."""

from leafwing.cli.main import main

if __name__ == "__main__":
    main()
