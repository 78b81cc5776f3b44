"""What the benchmark raises."""


class BenchError(Exception):
    """The benchmark cannot go on. The message is shown to the user as it is."""
