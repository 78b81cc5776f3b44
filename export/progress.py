"""Show the progress of a long step."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")


class Track(Protocol):
    """Iterate over a step's items and show the progress."""

    def __call__(self, items: Sequence[Item], step: str) -> Iterable[Item]:
        """Return the items."""


def untracked(items: Sequence[Item], step: str) -> Iterable[Item]:  # noqa: ARG001 - Track's
    """Return the items without showing progress."""
    return items


def progress_bar(items: Sequence[Item], step: str) -> Iterable[Item]:
    """Show a progress bar if standard output is a terminal."""
    console = Console()
    if not console.is_terminal:
        yield from items
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        yield from progress.track(items, description=step)
