"""The file that answers go to: what it had before stays until there is something to put in its place."""

import os
from pathlib import Path

from bert_mlm_client.cli.resume import Done, Recipe, beside, compare, cut
from bert_mlm_client.errors import InputError


class Output:
    """A file that is written a line at a time.

    Args:
        path: the file.
        recipe: what it is made with, or None if it cannot be resumed.
        resume: whether to go on where it ends.

    Attributes:
        done: how far it had come.
        begun: whether it has lines of this run, or of the one that it goes on with.

    Raises:
        InputError: it was made with something else, or was begun and nobody said that it shall go on.
        OSError: it cannot be opened or read.
    """

    def __init__(self, path: Path, recipe: Recipe | None, *, resume: bool) -> None:
        if resume and recipe is None:
            msg = "--resume needs an input and an output that are plain files"
            raise InputError(msg)
        self.path, self.recipe = path, recipe
        self._made_here = not os.path.lexists(path)
        self._file = path.open("ab")
        self._sidecar = beside(path)
        self.done = Done()
        if path.is_file() and path.stat().st_size > 0:
            if resume and recipe is not None:
                compare(path, recipe)
                self.done = cut(path)
            elif self._sidecar.exists():
                msg = f"{path} is not complete: go on with --resume, or remove {self._sidecar} to begin anew"
                raise InputError(msg)
        self.begun = self.done.lines > 0

    def write(self, line: bytes) -> None:
        """Write a line at once: whatever ends this process tears one at most."""
        self._begin()
        self._file.write(line)
        self._file.flush()

    def complete(self) -> None:
        """Say that nothing is missing."""
        self._begin()
        self._sidecar.unlink(missing_ok=True)

    def give_up(self) -> None:
        """Say that the file has nothing that beginning anew would lose."""
        self._sidecar.unlink(missing_ok=True)
        if self._made_here and not self.begun:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _begin(self) -> None:
        """Empty the file. A kill between two steps leaves all that it had and nothing beside it, or nothing."""
        if self.begun:
            return
        if self.recipe is not None:
            unfinished = self._sidecar.with_name(f"{self._sidecar.name}.tmp")
            self.recipe.save(unfinished)
            os.truncate(self.path, 0)
            unfinished.replace(self._sidecar)
        elif self.path.is_file():
            os.truncate(self.path, 0)
        self.begun = True
