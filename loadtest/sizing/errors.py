"""The error of the sizing commands."""


class SizingError(Exception):
    """A rate, target or data file that cannot be used.

    The message is one sentence for the user.
    """
