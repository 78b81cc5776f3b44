"""Show how far a long step has come."""

import sys
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


class Track(Protocol):
    """Passes the items of a step through and shows how many are done."""

    def __call__(self, items: Sequence[Item], step: str) -> Iterable[Item]:
        """Return the items."""


def untracked(items: Sequence[Item], step: str) -> Iterable[Item]:  # noqa: ARG001 - Track's
    """Return the items and show nothing."""
    return items


def progress_bar(items: Sequence[Item], step: str) -> Iterable[Item]:
    """Show a bar with the time left, where standard output is a terminal."""
    bar = "{desc}: {percentage:3.0f} % |{bar:30}| {remaining} left"
    bars: Iterable[Item] = tqdm(items, desc=step, file=sys.stdout, disable=None, leave=False, bar_format=bar)
    return bars
