"""What the command tells the shell at its end."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """How the command ended. 2 is wrong usage, which argparse says by itself."""

    SUCCEEDED = 0
    FAILED = 1
    SOME_FAILED = 3
    """Some lines of the input could not be answered."""
    INTERRUPTED = 130
    """Ctrl-C: 128 and SIGINT's number, as shells count."""
