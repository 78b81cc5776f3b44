"""How the model behind the gateway fares: asked now and then, so that questions need not wait for it."""

import asyncio
import logging
from time import monotonic

from bert_mlm_client import AsyncFillMask, BertMlmError, ModelNotFoundError, ModelStatus

from deploy.gateway.errors import plain_words
from deploy.gateway.model.loads import LoadLines

logger = logging.getLogger(__name__)

READY_INTERVAL_S = 5.0
WAITING_INTERVAL_S = 0.5
LOOK_S = 2.0
"""How long a look may take at most, since probes of health do not wait longer."""
FRESH_S = 0.4
"""How old what is known may be for who asks to know it now."""


class ModelWatch:
    """What is known of the model.

    Args:
        client: asks the server.
        loads: is shown each status.
        timeout_s: how long the server may take for an answer.

    Attributes:
        status: the versions, None while they are not known.
        problem: why no question can be answered, in full; None if one can.
        reason: the same in words that everybody may read.
    """

    def __init__(self, client: AsyncFillMask, loads: LoadLines, *, timeout_s: float) -> None:
        self._client = client
        self._loads = loads
        self._timeout_s = min(timeout_s, LOOK_S)
        self._looking = asyncio.Lock()
        self._looked = -FRESH_S
        self.status: ModelStatus | None = None
        self.problem: str | None = "the model server has not been asked yet"
        self.reason: str | None = self.problem

    @property
    def ready(self) -> bool:
        """Whether questions can be answered."""
        return self.problem is None

    @property
    def version(self) -> int | None:
        """The newest version that can be asked, which is the one that answers."""
        available = self.status.available if self.status else ()
        return max((version.version for version in available), default=None)

    async def run(self) -> None:
        """Look again and again, more often while the model is not there."""
        while True:
            await self.look()
            await asyncio.sleep(READY_INTERVAL_S if self.ready else WAITING_INTERVAL_S)

    async def look(self) -> None:
        """Ask the server, unless it has just been asked."""
        async with self._looking:
            if monotonic() - self._looked < FRESH_S:
                return
            was_ready, is_first = self.ready, self._looked < 0
            try:
                self.status = await self._client.model_status(timeout=self._timeout_s)
                self._loads.see(self.status)
                if self.status.available:
                    await self._client.tokenizer(timeout=self._timeout_s)  # before the first question needs it
                    self.problem = self.reason = None
                else:
                    self.problem, self.reason = _unavailable(self.status), plain_words(ModelNotFoundError)
            except BertMlmError as error:
                self.status, self.problem, self.reason = None, str(error), plain_words(type(error))
            except Exception as error:  # the watch goes on: what it last saw would be taken for true
                logger.exception("The model server's answer cannot be understood.")
                self.status, self.problem = None, f"{type(error).__name__}: {error}"
                self.reason = plain_words(BertMlmError)
            self._looked = monotonic()
            if self.ready and not was_ready:
                logger.info("Version %s of the model is ready.", self.version)
            elif not self.ready and (was_ready or is_first):
                logger.warning("The model is not ready: %s", self.problem)


def _unavailable(status: ModelStatus) -> str:
    versions = ", ".join(
        f"version {version.version} is {version.state} {version.error_message}".rstrip() for version in status.versions
    )
    return f"no version of {status.model} is available: {versions or 'there is none'}"
