"""Define the exit statuses."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit status of the command.

    argparse itself exits with 2 after wrong usage.
    """

    SUCCEEDED = 0
    FAILED = 1
    SOME_FAILED = 3
    """Some lines of the input could not be answered."""
    INTERRUPTED = 130
    """Ctrl-C: 128 plus SIGINT's number, the shell convention."""
