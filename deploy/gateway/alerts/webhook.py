"""Deliver notices to a webhook in order, with retries."""

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
"""The capacity of the queue; when it is full, the oldest is dropped, as the latest state of an alert matters most."""

TIMEOUT_S = 10.0
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 300.0
EXPIRES_S = 3600.0
"""The age from which a notice is not retried."""

CLOSE_S = 3.0

Outcome = Literal["delivered", "retried", "refused", "expired", "dropped"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

# Chat bots always answer 200, with an error code in the body: 0, or for example the code of a rate limit.
_CODES: Mapping[WebhookFormat, str] = {"feishu": "code", "dingtalk": "errcode", "wecom": "errcode"}
_TOO_MANY = frozenset({11232, 130101, 45009})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: Literal["delivered", "retried", "refused"]
    details: str = ""
    retry_after_s: float = 0.0


class Webhook:
    """Send notices to a URL one by one.

    Connection errors, timeouts, 429 and 5xx are retried after a random time up to 1, 2, 4 … 60 s ("full jitter",
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/) plus Retry-After. Other errors are
    permanent. Retries have the same ``id`` and the same Idempotency-Key.

    Only the host of the URL is logged, since many have a secret in their path.

    Attributes:
        deliveries: the number of notices by outcome; ``retried`` counts attempts.
    """

    def __init__(self, url: str, *, token: str = "", form: WebhookFormat = "json") -> None:
        """Create the webhook without connecting.

        Args:
            url: the URL, http or https with a verified certificate.
            token: the bearer token; empty sends none.
            form: the receiver's format.
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
        """Queue a notice without waiting."""
        if self._queue.full():
            _, oldest = self._queue.get_nowait()
            self._finish("dropped")
            logger.error(
                "Too many notices wait for the webhook at %s; the oldest (%s) is lost.", self._host, oldest.alert
            )
        self._queue.put_nowait((monotonic() + EXPIRES_S, notice))
        self._undelivered += 1

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver within the block.

        At its end, retry the rest once for a short time.
        """
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
            logger.error("%d notices were not delivered to %s before the stop.", self._undelivered, self._host)

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
        # Not stamina 26.1: only cancelling the task would end its pause at a stop, which loses the notice or, during a
        # request, sends it twice. Its hook for Retry-After does not know the attempt, on which the back-off depends.
        for attempt in itertools.count():
            answer = await self._post(client, notice)
            if answer.outcome != "retried":
                break
            if self._closing.is_set() or monotonic() > expires:
                logger.error("%s did not accept the alert %s: %s.", self._host, notice.alert, answer.details)
                return "dropped" if self._closing.is_set() else "expired"
            self.deliveries["retried"] += 1
            if not self._is_failing:
                logger.warning("The webhook at %s failed (%s); retrying.", self._host, answer.details)
            self._is_failing = True
            await self._wait(attempt, answer.retry_after_s)
        if answer.outcome == "refused":
            words = (
                "The webhook at %s refuses the alert %s (%s); check GATEWAY_ALERT_WEBHOOK, its token and its format."
            )
            logger.error(words, self._host, notice.alert, answer.details)
        elif self._is_failing:
            logger.info("The webhook at %s accepts alerts again.", self._host)
        self._is_failing = False
        return answer.outcome

    async def _post(self, client: httpx2.AsyncClient, notice: Notice) -> _Answer:
        # https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/: a string in quotation marks.
        headers = {"Idempotency-Key": f'"{notice.id}"'}
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await client.post(self._url, json=notice.body(self._form), headers=headers)
        except httpx2.ConnectError as error:  # the message contains only the host
            return _Answer("retried", f"no connection: {error}")
        except (httpx2.RequestError, TimeoutError) as error:
            return _Answer("retried", type(error).__name__)
        return _read(response, self._form)

    async def _wait(self, attempt: int, at_least_s: float) -> None:
        """Wait for the next attempt or the stop."""
        longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempt, 10))
        jitter_s = random.uniform(0, longest_s)  # noqa: S311  jitter is not security-relevant
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
    """Return a chat bot's error code.

    0 is success, or an answer without a code.
    """
    if form not in _CODES:
        return 0
    try:
        code = response.json()[_CODES[form]]
    except (ValueError, LookupError, TypeError):
        return 0
    return code if isinstance(code, int) else 0


def _retry_after_s(value: str) -> float:
    """Return the seconds of a Retry-After header, 0 if invalid.

    The value is a number of seconds or a date (RFC 9110, section 10.2.3).
    """
    if value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
