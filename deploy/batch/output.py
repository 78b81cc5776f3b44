"""Write an output file per chunk, and a checkpoint.

::

    DIR/part-000017.jsonl                                                     the answers of chunk 17
    DIR/_SUCCESS                                                              all chunks are answered
    DIR/_checkpoint/run.json                                                  the input and options
    DIR/_checkpoint/part-000017.rows-1024.failed-3.bytes-187342               part 17 is committed

A part is written before its checkpoint. A worker that is given up for lost may still write the same part: its content
is the same. Therefore every row is in the output once, however often a worker, a node or the driver is killed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from deploy.batch.errors import BatchError
from deploy.batch.storage import Storage

CHECKPOINT = "_checkpoint"
SUCCESS = "_SUCCESS"

_RUN = "run.json"
_COMMITTED = re.compile(r"part-(\d{6,})\.rows-(\d+)\.failed-(\d+)\.bytes-(\d+)")


@dataclass(frozen=True, slots=True)
class Committed:
    """Committed part.

    Attributes:
        number: the chunk's number.
        rows: its rows.
        failed: the number of errors among them.
        size: the size of the part in bytes.
    """

    number: int
    rows: int
    failed: int
    size: int

    @property
    def name(self) -> str:
        """Return the name of its file in the checkpoint."""
        return f"part-{self.number:06d}.rows-{self.rows}.failed-{self.failed}.bytes-{self.size}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Parse the name of a file in the checkpoint."""
        found = _COMMITTED.fullmatch(name)
        return cls(*map(int, found.groups())) if found else None


class Output:
    """Output folder of a run.

    Args:
        url: the folder.

    Raises:
        BatchError: the folder cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._storage, self.url = Storage.of(url)
        self._checkpoint = f"{self.url}/{CHECKPOINT}"

    def begin(self, recipe: Mapping[str, Any]) -> dict[int, Committed]:
        """Start or resume a run.

        Args:
            recipe: the input and options that the answers depend on, as JSON.

        Returns:
            The committed parts by their number.

        Raises:
            BatchError: the folder has other files, or the output of another recipe.
        """
        path = f"{self._checkpoint}/{_RUN}"
        if self._storage.is_file(path):
            committed = self._committed()
            before = json.loads(self._storage.read(path))
            if before != recipe:
                if committed:
                    self._reject(before, recipe)
                # A run that was stopped before its first answers, for example with wrong options.
                self._write(path, _to_json(recipe))
            return committed
        if listed := sorted(self._storage.sizes(self.url).keys() - {CHECKPOINT}):
            msg = (
                f"{self.url} has files but no checkpoint, for example {listed[0]}; choose an empty folder, or the "
                f"output of an earlier run with its {CHECKPOINT}"
            )
            raise BatchError(msg)
        self._storage.make_folder(self._checkpoint)
        self._write(path, _to_json(recipe))
        return {}

    def commit(self, number: int, lines: list[bytes], failed: int) -> Committed:
        """Write the part of a chunk and its checkpoint."""
        content = b"".join(lines)
        committed = Committed(number, len(lines), failed, len(content))
        self._write(f"{self.url}/{_part(number)}", content)
        self._write(f"{self._checkpoint}/{committed.name}", b"")
        return committed

    def complete(self) -> None:
        """Mark the output as complete."""
        self._write(f"{self.url}/{SUCCESS}", b"")

    def _committed(self) -> dict[int, Committed]:
        """Return the whole committed parts and remove unfinished files."""
        sizes = self._storage.sizes(self.url)
        found = {}
        for name in self._storage.sizes(self._checkpoint):
            if name.endswith(".tmp"):
                self._storage.remove(f"{self._checkpoint}/{name}")
            elif (one := Committed.parse(name)) and sizes.get(_part(one.number)) == one.size:
                found[one.number] = one
        return found

    def _reject(self, before: Mapping[str, Any], recipe: Mapping[str, Any]) -> NoReturn:
        names = [*recipe, *(before.keys() - recipe.keys())]
        name = next(one for one in names if before.get(one, ...) != recipe.get(one, ...))
        what = f"{name.replace('_', ' ')} {_short(before.get(name))}, now {_short(recipe.get(name))}"
        msg = f"{self.url} is the output of another run ({what}); choose another folder"
        raise BatchError(msg)

    def _write(self, url: str, content: bytes) -> None:
        self._storage.write(url, content, scratch=self._checkpoint)


def _part(number: int) -> str:
    return f"part-{number:06d}.jsonl"


def _to_json(recipe: Mapping[str, Any]) -> bytes:
    return (json.dumps(recipe, ensure_ascii=False, indent=1) + "\n").encode()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
