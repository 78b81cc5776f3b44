"""List the files of a checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, hub model or cached copy.

    Attributes:
        model: the folder or hub name given by the user.
        revision: the hub's commit, or None for a folder.
        published: the published digest of each file (SHA-256 or Git's SHA-1), or None if unknown.
        fetch: returns the path of a file and downloads it if needed.
    """

    model: str
    revision: str | None
    published: Mapping[str, str | None]
    fetch: Callable[[str], Path]


def list_folder(model: str, folder: Path) -> Listing:
    """Return the files of a folder."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return Listing(model, None, dict.fromkeys(names), folder.joinpath)
