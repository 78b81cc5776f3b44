"""Write the output file.

Earlier content stays until the first answer replaces it.
"""

import os
from pathlib import Path

from bert_mlm_client.cli.resume import Done, Recipe, check_recipe, sidecar_path, truncate_partial_line
from bert_mlm_client.errors import InputError


class Output:
    """Write an output file a line at a time.

    Args:
        path: the file.
        recipe: its input and options, or None if it cannot be resumed.
        resume: whether to continue where it ends.

    Attributes:
        done: its progress when it was opened.
        begun: whether it has lines of this run, or of the run that is resumed.

    Raises:
        InputError: its input or options differ, or it is incomplete and ``resume`` is False.
        OSError: it cannot be opened or read.
    """

    def __init__(self, path: Path, recipe: Recipe | None, *, resume: bool) -> None:
        if resume and recipe is None:
            msg = "--resume needs regular files as input and output"
            raise InputError(msg)
        self.path, self.recipe = path, recipe
        self._is_new = not os.path.lexists(path)
        self._file = path.open("ab")
        self._sidecar = sidecar_path(path)
        try:
            self.done = self._earlier_progress(resume=resume)
        except BaseException:
            self._file.close()
            raise
        self.begun = self.done.lines > 0

    def write(self, line: bytes) -> None:
        """Write and flush a line."""
        # Flushed, so that a kill truncates at most one line.
        self._begin()
        self._file.write(line)
        self._file.flush()

    def complete(self) -> None:
        """Mark the output as complete."""
        self._begin()
        self._sidecar.unlink(missing_ok=True)

    def discard(self) -> None:
        """Discard an output without answers worth keeping."""
        self._sidecar.unlink(missing_ok=True)
        if self._is_new and not self.begun:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _earlier_progress(self, *, resume: bool) -> Done:
        if not self.path.is_file() or self.path.stat().st_size == 0:
            return Done()
        if resume and self.recipe is not None:
            check_recipe(self.path, self.recipe)
            return truncate_partial_line(self.path)
        if self._sidecar.exists():
            msg = f"{self.path} is not complete: continue with --resume, or remove {self._sidecar} to start over"
            raise InputError(msg)
        return Done()

    def _begin(self) -> None:
        """Truncate the file before the first line.

        In this order a kill between two steps leaves the old content without a sidecar, or an empty file.
        """
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
