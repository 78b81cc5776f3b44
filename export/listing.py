"""List the files of a checkpoint before any is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, of a model on the hub, or of its copy in the local cache.

    Attributes:
        model: what the user asked for.
        revision: the hub's commit, or None for a folder.
        published: the digest that each file was published with, SHA-256 or git's SHA-1; None where there is none.
        fetch: returns the path of a file, which it downloads where needed.
    """

    model: str
    revision: str | None
    published: Mapping[str, str | None]
    fetch: Callable[[str], Path]


def list_folder(model: str, folder: Path) -> Listing:
    """Return the files of a folder."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return Listing(model, None, dict.fromkeys(names), folder.joinpath)
