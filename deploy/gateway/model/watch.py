"""Poll the status of the model.

Questions use the latest status.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

from bert_mlm_client import BertMlmError, ModelNotFoundError, ModelStatus, Tokenizer

from deploy.gateway.errors import public_message
from deploy.gateway.model.loads import LoadLines

logger = logging.getLogger(__name__)

READY_INTERVAL_S = 5.0
WAITING_INTERVAL_S = 0.5
POLL_TIMEOUT_S = 2.0
"""The timeout of a poll, since health probes do not wait longer."""
CACHE_S = 0.4
"""The age below which a status is not polled again."""


class Client(Protocol):
    """The client of a model."""

    async def model_status(self, *, timeout: float | None = None) -> ModelStatus:  # noqa: ASYNC109  the client's argument
        """Return the status of the model's versions."""

    async def tokenizer(self, *, timeout: float | None = None) -> Tokenizer:  # noqa: ASYNC109  the client's argument
        """Return the tokenizer of the served version."""


class ModelWatch:
    """The latest status of a model.

    Args:
        client: the client of the model.
        loads: observes each status.
        timeout_s: the timeout of a poll.
        fetch: fetches what questions need, before the first; None fetches the tokenizer.
        role: the model's name in messages.

    Attributes:
        status: the versions; None if unknown.
        problem: why questions cannot be answered; None if they can.
        reason: the same without addresses and paths.
    """

    def __init__(
        self,
        client: Client,
        loads: LoadLines,
        *,
        timeout_s: float,
        fetch: Callable[..., Awaitable[object]] | None = None,
        role: str = "model",
    ) -> None:
        self._client = client
        self._fetch = fetch
        self._role = role
        self._loads = loads
        self._timeout_s = min(timeout_s, POLL_TIMEOUT_S)
        self._polling = asyncio.Lock()
        self._polled = -CACHE_S
        self.status: ModelStatus | None = None
        self.problem: str | None = "the model server has not been asked yet"
        self.reason: str | None = self.problem

    @property
    def ready(self) -> bool:
        """Whether questions can be answered."""
        return self.problem is None

    @property
    def version(self) -> int | None:
        """The newest available version.

        It answers the questions.
        """
        available = self.status.available if self.status else ()
        return max((version.version for version in available), default=None)

    async def run(self) -> None:
        """Poll until cancelled.

        The interval is shorter while the model is not ready.
        """
        while True:
            await self.poll()
            await asyncio.sleep(READY_INTERVAL_S if self.ready else WAITING_INTERVAL_S)

    async def poll(self) -> None:
        """Update the status unless it is fresh."""
        async with self._polling:
            if monotonic() - self._polled < CACHE_S:
                return
            was_ready, is_first = self.ready, self._polled < 0
            try:
                self.status = await self._client.model_status(timeout=self._timeout_s)
                self._loads.observe(self.status)
                if self.status.available:
                    await (self._fetch or self._client.tokenizer)(timeout=self._timeout_s)
                    self.problem = self.reason = None
                else:
                    self.problem, self.reason = _unavailable(self.status), public_message(ModelNotFoundError)
            except BertMlmError as error:
                self.status, self.problem, self.reason = None, str(error), public_message(type(error))
            except Exception as error:  # polling continues: a stale status would be taken for current
                logger.exception("Could not process the model server's status.")
                self.status, self.problem = None, f"{type(error).__name__}: {error}"
                self.reason = public_message(BertMlmError)
            self._polled = monotonic()
            if self.ready and not was_ready:
                logger.info("Version %s of the %s is ready.", self.version, self._role)
            elif not self.ready and (was_ready or is_first):
                logger.warning("The %s is not ready: %s", self._role, self.problem)


def _unavailable(status: ModelStatus) -> str:
    versions = ", ".join(
        f"version {version.version} is {version.state} {version.error_message}".rstrip() for version in status.versions
    )
    return f"no version of {status.model} is available: {versions or 'it has no versions'}"
