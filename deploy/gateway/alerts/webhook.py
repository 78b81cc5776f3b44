"""Deliver notices to a webhook: in order, again where that can help, and never in the way of a request."""

import asyncio
import itertools
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Literal, get_args

import httpx2

from deploy.gateway.alerts.notice import Notice
from deploy.gateway.settings import WebhookFormat

CAPACITY = 100
"""How many notices may wait; one more drops the oldest, since the latest state of an alert is what counts."""

TIMEOUT_S = 10.0
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 300.0
EXPIRES_S = 3600.0
"""How old a notice may become before it is no longer tried again."""

CLOSE_S = 3.0

Outcome = Literal["delivered", "retried", "refused", "expired", "dropped"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

# Group robots answer 200 whatever happens, with a number in the body: 0, or what was wrong, such as too many messages.
_CODES: Mapping[WebhookFormat, str] = {"feishu": "code", "dingtalk": "errcode", "wecom": "errcode"}
_TOO_MANY = frozenset({11232, 130101, 45009})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: Literal["delivered", "retried", "refused"]
    details: str = ""
    retry_after_s: float = 0.0


class Webhook:
    """Send notices to an address, one after the other.

    What could not be sent is sent again after a random time up to 1, 2, 4 … 60 s ("full jitter",
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), at least as late as Retry-After asks:
    where there was no connection or no answer in time, and after 429 and 5xx. Other answers will not change. Repeated
    notices have the same ``id`` and the same Idempotency-Key.

    Nothing of the address but its host is ever told, since many have a secret in their path.

    Attributes:
        deliveries: how many notices, or for ``retried`` attempts, ended how.
    """

    def __init__(self, url: str, *, token: str = "", form: WebhookFormat = "json") -> None:
        """Connect to nothing yet.

        Args:
            url: the address, http or https, whose certificate is verified.
            token: sent as a bearer token, if there is one.
            form: what the receiver takes.
        """
        self.deliveries: Counter[Outcome] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._url = httpx2.URL(url)
        self._form = form
        self._headers = {"User-Agent": "bert-mlm-gateway"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._queue: asyncio.Queue[tuple[float, Notice]] = asyncio.Queue(CAPACITY)
        self._undelivered = 0
        self._closing = asyncio.Event()
        self._is_failing = False

    def send(self, notice: Notice) -> None:
        """Accept a notice; return at once."""
        if self._queue.full():
            _, oldest = self._queue.get_nowait()
            self._finish("dropped")
            logger.error(
                "Too many alerts wait for the webhook at %s; the oldest (%s) is lost.", self._host, oldest.alert
            )
        self._queue.put_nowait((monotonic() + EXPIRES_S, notice))
        self._undelivered += 1

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver within the block; at its end, try what is left once more, for a short time."""
        async with httpx2.AsyncClient(headers=self._headers, timeout=TIMEOUT_S) as client:
            task = asyncio.create_task(self._run(client))
            try:
                yield
            finally:
                self._closing.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_S):
                        await self._queue.join()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if self._undelivered:
            self.deliveries["dropped"] += self._undelivered
            logger.error("%d alerts were not delivered to %s before the end.", self._undelivered, self._host)

    @property
    def _host(self) -> str:
        return self._url.host

    async def _run(self, client: httpx2.AsyncClient) -> None:
        while True:
            expires, notice = await self._queue.get()
            self._finish(await self._deliver(client, notice, expires))

    def _finish(self, outcome: Outcome) -> None:
        self.deliveries[outcome] += 1
        self._undelivered -= 1
        self._queue.task_done()

    async def _deliver(self, client: httpx2.AsyncClient, notice: Notice, expires: float) -> Outcome:
        for attempt in itertools.count():
            answer = await self._post(client, notice)
            if answer.outcome != "retried":
                break
            if self._closing.is_set() or monotonic() > expires:
                logger.error("%s did not take the alert %s: %s.", self._host, notice.alert, answer.details)
                return "dropped" if self._closing.is_set() else "expired"
            self.deliveries["retried"] += 1
            if not self._is_failing:
                logger.warning("The webhook at %s takes no alerts (%s); it is tried again.", self._host, answer.details)
            self._is_failing = True
            await self._wait(attempt, answer.retry_after_s)
        if answer.outcome == "refused":
            words = (
                "The webhook at %s refuses the alert %s (%s); check GATEWAY_ALERT_WEBHOOK, its token and its format."
            )
            logger.error(words, self._host, notice.alert, answer.details)
        elif self._is_failing:
            logger.info("The webhook at %s takes alerts again.", self._host)
        self._is_failing = False
        return answer.outcome

    async def _post(self, client: httpx2.AsyncClient, notice: Notice) -> _Answer:
        # https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/: a string in quotation marks.
        headers = {"Idempotency-Key": f'"{notice.id}"'}
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await client.post(self._url, json=notice.body(self._form), headers=headers)
        except httpx2.ConnectError as error:  # in the words of system and TLS, which know only the host
            return _Answer("retried", f"no connection: {error}")
        except (httpx2.RequestError, TimeoutError) as error:
            return _Answer("retried", type(error).__name__)
        return _read(response, self._form)

    async def _wait(self, attempt: int, at_least_s: float) -> None:
        """Wait until the next attempt, or the end."""
        longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempt, 10))
        jitter_s = random.uniform(0, longest_s)  # noqa: S311  spreads attempts, and hides nothing
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), min(at_least_s, LONGEST_RETRY_AFTER_S) + jitter_s)


def _read(response: httpx2.Response, form: WebhookFormat) -> _Answer:
    status = response.status_code
    if status == 429 or status >= 500:
        return _Answer("retried", f"HTTP {status}", _retry_after_s(response.headers.get("Retry-After", "")))
    if not response.is_success:
        return _Answer("refused", f"HTTP {status}")
    code = _code(response, form)
    if code == 0:
        return _Answer("delivered")
    return _Answer("retried" if code in _TOO_MANY else "refused", f"{_CODES[form]} {code}")


def _code(response: httpx2.Response, form: WebhookFormat) -> int:
    """Return a robot's own number for how it went; 0 is well, and so is an answer without one."""
    if form not in _CODES:
        return 0
    try:
        code = response.json()[_CODES[form]]
    except (ValueError, LookupError, TypeError):
        return 0
    return code if isinstance(code, int) else 0


def _retry_after_s(value: str) -> float:
    """Return the seconds of a Retry-After header, a number or a date (RFC 9110, section 10.2.3); 0 for neither."""
    if value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
