"""Group rows of token ids into requests."""

from collections.abc import Sequence

__all__ = ["MAX_PADDING", "MAX_ROWS", "MIN_LENGTH", "batches"]

MAX_ROWS = 64
"""Maximum number of rows of a request: more use memory without a gain in speed."""

MAX_PADDING = 0.25
"""Maximum share of padding in a request. The server skips padding in matrix products, but not in attention."""

MIN_LENGTH = 16
"""Minimum length used for grouping; padding a short row is cheaper than another request."""


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Group rows of similar length into few requests.

    Args:
        lengths: the length of each row.

    Returns:
        The rows' indices, longest first, at most MAX_ROWS in a group. Padding is at most MAX_PADDING of a group, with
        MIN_LENGTH as the minimum length of a row.
    """
    counted = [max(length, MIN_LENGTH) for length in lengths]
    groups: list[list[int]] = []
    width = filled = 0
    for index in sorted(range(len(counted)), key=counted.__getitem__, reverse=True):
        filled += counted[index]
        if groups and len(groups[-1]) < MAX_ROWS and filled >= (1 - MAX_PADDING) * width * (len(groups[-1]) + 1):
            groups[-1].append(index)
        else:
            groups.append([index])
            width = filled = counted[index]
    return groups
