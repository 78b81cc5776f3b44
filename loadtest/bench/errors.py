"""Exceptions of the benchmark."""


class BenchError(Exception):
    """An error that stops the benchmark.

    The message is for the user.
    """
