"""Find duplicate ids with 8 bytes of memory per id."""

from array import array
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from deploy.batch.errors import BatchError
from deploy.batch.layout import Id


class DuplicateFinder:
    """Collect digests of ids and check their types.

    Two different ids may have the same digest, so ids with equal digests are compared in a second pass.
    """

    def __init__(self) -> None:
        self._digests = array("Q")
        self._type: tuple[type, str] | None = None

    def add(self, place: str, row_id: Id) -> None:
        """Add the id of a row.

        Raises:
            BatchError: earlier ids have another type.
        """
        kind, first = self._type = self._type or (type(row_id), place)
        if type(row_id) is not kind:
            names = {int: "an integer", str: "a string"}
            msg = (
                f"the id in {first} is {names[kind]} and the id in {place} is {names[type(row_id)]}; "
                "use one type in all files"
            )
            raise BatchError(msg)
        self._digests.append(_digest(row_id))

    def suspects(self) -> frozenset[int]:
        """Return the digests that occur more than once."""
        digests = np.sort(np.frombuffer(self._digests, np.uint64)) if self._digests else np.empty(0, np.uint64)
        return frozenset(digests[1:][digests[1:] == digests[:-1]].tolist())


def check_suspects(suspects: frozenset[int], ids: Iterable[tuple[str, Id]]) -> None:
    """Compare the ids with equal digests.

    Raises:
        BatchError: an id occurs twice.
    """
    places: dict[Id, str] = {}
    for place, row_id in ids:
        if _digest(row_id) not in suspects:
            continue
        if row_id in places:
            msg = f"the id {row_id!r:.60} is in {places[row_id]} and in {place}; make the ids unique"
            raise BatchError(msg)
        places[row_id] = place


def _digest(row_id: Id) -> int:
    return int.from_bytes(blake2b(str(row_id).encode("utf-8", "surrogatepass"), digest_size=8).digest())
