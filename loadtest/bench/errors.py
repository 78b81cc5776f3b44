"""Exceptions of the benchmark."""


class BenchError(Exception):
    """An error that stops the benchmark, with a message for the user."""
