"""Plan the attempts of a call, without I/O.

A call is a generator: it yields the next step, receives the answer or the error of an `Ask`, and returns the answer.
The blocking and the asyncio transport of `resilient` both run it, so that the retry logic exists once.
"""

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic

from bert_mlm_client.errors import BertMlmError, UnreachableError
from bert_mlm_client.transport.balance import AnyTransport, Balancer, Server
from bert_mlm_client.transport.retry import Budget, Retry

_SHORTEST_S = 0.001  # minimum timeout of an attempt whose pause used up the deadline


@dataclass(frozen=True, slots=True)
class Ask(Generic[AnyTransport]):
    """Send the request and return its answer or error."""

    transport: AnyTransport
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Probe(Generic[AnyTransport]):
    """Probe an ejected server in the background."""

    server: Server[AnyTransport]


@dataclass(frozen=True, slots=True)
class Close(Generic[AnyTransport]):
    """Close a transport that is no longer used."""

    transport: AnyTransport


Step = Ask[AnyTransport] | Pause | Probe[AnyTransport] | Close[AnyTransport]
Call = Generator[Step[AnyTransport], Any, Any]


def call(
    balancer: Balancer[AnyTransport],
    retry: Retry | None,
    budget: Budget,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Call[AnyTransport]:
    """Send a request, with retries and failover within the timeout.

    Raises:
        BertMlmError: the error of the last attempt, with the number of attempts.
        UsageError: the client is closed, possibly since the last attempt.
    """
    balancer.refresh()
    yield from map(Close, balancer.retired())
    yield from map(Probe, balancer.due())
    deadline = clock() + timeout
    left = timeout
    asked: list[Server[AnyTransport]] = []
    while True:
        server = balancer.choose(asked)
        asked.append(server)
        try:
            answer = yield Ask(server.transport, left)
        except BertMlmError as error:
            balancer.failed(server, error)
            error.attempts = len(asked)
            if retry is None or not retry.allows(error, len(asked)):
                raise
            fails_over = isinstance(error, UnreachableError) and balancer.has_other(asked)
            pause = 0.0 if fails_over else retry.pause_s(error, len(asked), uniform)
            is_final = isinstance(error, UnreachableError) and error.is_final
            if clock() + pause >= deadline or not (fails_over or (not is_final and budget.take())):
                raise
        else:
            balancer.succeeded(server)
            budget.earn()
            return answer
        finally:
            balancer.release(server)
        if pause:
            yield Pause(pause)
        left = max(_SHORTEST_S, deadline - clock())
