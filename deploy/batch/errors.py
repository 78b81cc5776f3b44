"""Define the error that ends a run."""


class BatchError(Exception):
    """A run that cannot start or continue.

    The message is for the user.
    """
