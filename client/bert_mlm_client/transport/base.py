"""What a transport carries: one request to one signature of one model, and its answer as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bert_mlm_client.results import ModelStatus
from bert_mlm_client.wire.tensors import Array


class Answer(dict[str, Array]):
    """A model's outputs by name.

    Attributes:
        version: which version answered; None where the protocol does not tell, as REST does not.
    """

    __slots__ = ("version",)

    def __init__(self, outputs: Mapping[str, Array], version: int | None = None) -> None:
        super().__init__(outputs)
        self.version = version


@dataclass(frozen=True, slots=True)
class Request:
    """One call of Predict.

    Attributes:
        signature: the signature's name.
        inputs: its inputs by name.
        outputs: the outputs that are wanted; the answer has them all.
    """

    signature: str
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]


class Transport(Protocol):
    """A connection to a model. Threads may share it."""

    def predict(self, request: Request, *, timeout: float) -> Answer:
        """Ask and wait for the answer, ``timeout`` seconds at most.

        Raises:
            BertMlmError: any but InputError and VocabularyError.
        """

    def status(self, *, timeout: float) -> ModelStatus:
        """Ask which versions of the model there are and how they fare.

        Raises:
            BertMlmError: as for ``predict``.
        """

    def close(self) -> None:
        """Let go of the connection."""


class AsyncTransport(Protocol):
    """A connection to a model, for asyncio."""

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  a deadline travels with the call
        """Ask and wait for the answer; see `Transport.predict`."""

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  likewise
        """Ask how the model's versions fare; see `Transport.status`."""

    async def close(self) -> None:
        """Let go of the connection."""
