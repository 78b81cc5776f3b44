"""Define requests, answers and the transport interface."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bert_mlm_client.results import ModelStatus
from bert_mlm_client.wire.tensors import Array


class Answer(dict[str, Array]):
    """Outputs of a model by name.

    Attributes:
        version: the version that answered; None over REST, which does not report it.
    """

    __slots__ = ("version",)

    def __init__(self, outputs: Mapping[str, Array], version: int | None = None) -> None:
        super().__init__(outputs)
        self.version = version


@dataclass(frozen=True, slots=True)
class Request:
    """Request of Predict.

    Attributes:
        signature: the signature's name.
        inputs: its inputs by name.
        outputs: the requested outputs, all of which the answer contains.
    """

    signature: str
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]


class Transport(Protocol):
    """Connect to a model.

    Thread-safe.
    """

    def predict(self, request: Request, *, timeout: float) -> Answer:
        """Send a request and return the answer within the timeout.

        Raises:
            BertMlmError: any but InputError and VocabularyError.
        """

    def status(self, *, timeout: float) -> ModelStatus:
        """Return the status of the model's versions.

        Raises:
            BertMlmError: as for ``predict``.
        """

    def close(self) -> None:
        """Close the connection."""


class AsyncTransport(Protocol):
    """Connect to a model from asyncio."""

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  a deadline travels with the call
        """Send a request and return the answer (see `Transport.predict`)."""

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  likewise
        """Return the versions' status (see `Transport.status`)."""

    async def close(self) -> None:
        """Close the connection."""
