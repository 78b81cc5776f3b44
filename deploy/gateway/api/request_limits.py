"""What one request may ask for: so many sentences and candidates, an answer that fits, and so much time."""

import asyncio
from collections.abc import Awaitable, Iterable, Sized
from dataclasses import dataclass
from typing import TypeVar

from deploy.gateway.errors import ApiError
from deploy.gateway.settings import Settings

Answer = TypeVar("Answer")

_MASK = "[MASK]"
_ENTRY_BYTES = 100
"""What a candidate takes in an answer besides its sentence, and about what a weight does."""
_CHARACTER_BYTES = 3
_FEWER = "ask for fewer candidates, sentences or masks at a time"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may ask for.

    Attributes:
        sentences: the most sentences or pairs.
        candidates: the most candidates for a mask, and the most words to compare.
        answer_bytes: about how large its answer may be. Sentences, masks and candidates multiply: a body of 100 kB can
            ask for gigabytes.
        seconds: how long its answer may take.
    """

    sentences: int
    candidates: int
    answer_bytes: int
    seconds: float

    @classmethod
    def of(cls, settings: Settings) -> "RequestLimits":
        """Return what the settings allow."""
        return cls(settings.max_batch, settings.max_top_k, settings.max_answer_bytes, settings.answer_timeout_s)

    def check(self, sentences: Sized, **counts: int) -> None:
        """Check how much is asked.

        Args:
            sentences: the sentences or pairs.
            counts: how many candidates are wanted or compared, by the field that says so.

        Raises:
            ApiError: it is too much.
        """
        if len(sentences) > self.sentences:
            words = (
                f"inputs has {len(sentences)} entries, this gateway takes {self.sentences} at a time; ask several times"
            )
            raise ApiError(413, "BatchTooLargeError", words)
        for name, count in counts.items():
            if count > self.candidates:
                raise ApiError(400, "InputError", f"{name} is {count}, this gateway takes {self.candidates} at most")

    def check_answer(self, sizes: Iterable[int]) -> None:
        """Check how large the answer would be, given the size of each sentence's part.

        Raises:
            ApiError: it is too large.
        """
        size = sum(sizes)
        if size > self.answer_bytes:
            words = (
                f"the answer would take about {size} bytes, this gateway gives {self.answer_bytes} at most; {_FEWER}"
            )
            raise ApiError(413, "AnswerTooLargeError", words)

    async def within_time(self, asking: Awaitable[Answer]) -> Answer:
        """Return what is asked, unless it takes too long.

        Raises:
            ApiError: it does.
        """
        try:
            async with asyncio.timeout(self.seconds) as limit:
                return await asking
        except TimeoutError:
            if not limit.expired():
                raise  # the client's own, of one request to the server
        raise ApiError(504, "AnswerTimeoutError", f"the answer was not there within {self.seconds:g} s; {_FEWER}")


def candidates_size(text: str, count: int) -> int:
    """Return about how many bytes so many candidates take, each with the sentence."""
    return count * (_ENTRY_BYTES + _CHARACTER_BYTES * len(text))


def masks_size(text: str, count: int) -> int:
    """Return about how many bytes so many candidates for each mask take."""
    return candidates_size(text, count * text.count(_MASK))


def weights_size(text: str) -> int:
    """Return about how many bytes a weight for each character takes, for each mask."""
    return text.count(_MASK) * len(text) * _ENTRY_BYTES
