"""One call from its first attempt to its last, without doing it.

A call is a generator: it yields what is to be done next, is sent the answer of an `Ask` or has its error thrown in, and
returns the answer. So it is written once, and both transports of `resilient` carry it out.
"""

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic

from bert_mlm_client.errors import BertMlmError, UnreachableError
from bert_mlm_client.transport.balance import AnyTransport, Balancer, Server
from bert_mlm_client.transport.retry import Budget, Retry

_SHORTEST_S = 0.001  # what an attempt has left to which its pause leaves nothing


@dataclass(frozen=True, slots=True)
class Ask(Generic[AnyTransport]):
    """Send the request, wait this many seconds at most, and send its answer or throw its error back."""

    transport: AnyTransport
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Probe(Generic[AnyTransport]):
    """Find out in the background whether a server that was set aside answers, and tell the balancer."""

    server: Server[AnyTransport]


@dataclass(frozen=True, slots=True)
class Close(Generic[AnyTransport]):
    """Close a transport that has nothing to do any more."""

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
    """Ask one server, and after some errors it or another again, ``timeout`` seconds at most in all.

    Raises:
        BertMlmError: the last attempt's error, with how many there were.
        UsageError: the client is closed, perhaps since the last attempt.
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
            goes_on = isinstance(error, UnreachableError) and balancer.has_other(asked)
            pause = 0.0 if goes_on else retry.pause_s(error, len(asked), uniform)
            is_final = isinstance(error, UnreachableError) and error.is_final
            if clock() + pause >= deadline or not (goes_on or (not is_final and budget.take())):
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
