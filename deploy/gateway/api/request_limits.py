"""Limit the size, answer and time of a request."""

import asyncio
from collections.abc import Awaitable, Iterable, Sized
from dataclasses import dataclass
from typing import TypeVar

from deploy.gateway.errors import ApiError
from deploy.gateway.settings import Settings

Answer = TypeVar("Answer")

_MASK = "[MASK]"
_ENTRY_BYTES = 100
"""The size of a candidate without its sentence, and about the size of a weight."""
_CHARACTER_BYTES = 3
_FEWER = "ask for fewer candidates, sentences, masks or characters per request"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of one request.

    Attributes:
        sentences: the maximum number of sentences or pairs.
        characters: the maximum number of characters to proofread, each of which is a row for the model.
        candidates: the maximum number of candidates for a mask, and of words to compare.
        answer_bytes: the approximate maximum size of the answer. Sentences, masks and candidates multiply, so a body of
            100 kB can ask for gigabytes.
        seconds: the timeout of the answer.
    """

    sentences: int
    characters: int
    candidates: int
    answer_bytes: int
    seconds: float

    @classmethod
    def of(cls, settings: Settings) -> "RequestLimits":
        """Return the limits of the settings."""
        return cls(
            sentences=settings.max_batch,
            characters=settings.max_proofread_characters,
            candidates=settings.max_top_k,
            answer_bytes=settings.max_answer_bytes,
            seconds=settings.answer_timeout_s,
        )

    def check(self, sentences: Sized, **counts: int) -> None:
        """Check the number of sentences and candidates.

        Args:
            sentences: the sentences or pairs.
            counts: the numbers of candidates by field name.

        Raises:
            ApiError: a number exceeds its limit.
        """
        # page/limits.js reads the limits from both texts.
        if len(sentences) > self.sentences:
            words = f"inputs has {len(sentences)} entries, this gateway takes {self.sentences} at a time; split them"
            raise ApiError(413, "BatchTooLargeError", words)
        for name, count in counts.items():
            if count > self.candidates:
                raise ApiError(400, "InputError", f"{name} is {count}, this gateway takes {self.candidates} at most")

    def check_characters(self, texts: Iterable[str]) -> None:
        """Check the number of characters to proofread.

        Raises:
            ApiError: the number exceeds the limit.
        """
        # page/proofread.js reads the limit from this text.
        count = sum(map(len, texts))
        if count > self.characters:
            words = f"inputs has {count} characters, this gateway proofreads {self.characters} at a time; split them"
            raise ApiError(413, "TooManyCharactersError", words)

    def check_answer(self, sizes: Iterable[int]) -> None:
        """Check the size of the answer.

        It is the sum of each sentence's part.

        Raises:
            ApiError: the size exceeds the limit.
        """
        size = sum(sizes)
        if size > self.answer_bytes:
            words = f"the answer would have about {size} bytes, the limit is {self.answer_bytes}; {_FEWER}"
            raise ApiError(413, "AnswerTooLargeError", words)

    async def within_time(self, asking: Awaitable[Answer]) -> Answer:
        """Await the answer with a timeout.

        Raises:
            ApiError: the answer timed out.
        """
        try:
            async with asyncio.timeout(self.seconds) as limit:
                return await asking
        except TimeoutError:
            if not limit.expired():
                raise  # the client's timeout of one request to the server
        raise ApiError(504, "AnswerTimeoutError", f"the answer took longer than {self.seconds:g} s; {_FEWER}")


def candidates_size(text: str, count: int) -> int:
    """Estimate the bytes of candidates with their sentences."""
    return count * (_ENTRY_BYTES + _CHARACTER_BYTES * len(text))


def masks_size(text: str, count: int) -> int:
    """Estimate the bytes of candidates for each mask."""
    return candidates_size(text, count * text.count(_MASK))


def weights_size(text: str) -> int:
    """Estimate the bytes of weights by character and mask."""
    return text.count(_MASK) * len(text) * _ENTRY_BYTES


def suspects_size(text: str, count: int) -> int:
    """Estimate the bytes of scores and suggestions for each character."""
    return len(text) * (1 + count) * _ENTRY_BYTES


def labels_size(count: int) -> int:
    """Estimate the bytes of a text's labels."""
    return count * _ENTRY_BYTES
