"""``python -m leafwing``, and where the command begins: Ctrl-C while it is read in ends it without a traceback."""

import signal


def main() -> None:
    """Read in the command and run it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from leafwing.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
