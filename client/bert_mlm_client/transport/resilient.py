"""The transports behind addresses: one server or several, asked again where that may help."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import TypeVar

from bert_mlm_client.errors import BertMlmError
from bert_mlm_client.results import ModelStatus
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.transport.balance import Balancer, Server
from bert_mlm_client.transport.base import Answer, AsyncTransport, Request, Transport
from bert_mlm_client.transport.calls import Ask, Close, Pause, Probe, call
from bert_mlm_client.transport.retry import Budget, Retry

Result = TypeVar("Result")

PROBE_S = 2.0
"""How long a server that was set aside may take to tell the model's status."""


class ResilientTransport:
    """One server or several; see `Balancer` and `Retry`."""

    def __init__(self, servables: Sequence[Servable], retry: Retry | None) -> None:
        self._balancer = Balancer(servables, _connect)
        self._retry = retry
        self._budget = Budget(retry or Retry())

    def predict(self, request: Request, *, timeout: float) -> Answer:
        """Ask one server after the other; see `Transport.predict`."""
        return self._carry(lambda transport, seconds: transport.predict(request, timeout=seconds), timeout)

    def status(self, *, timeout: float) -> ModelStatus:
        """Ask one server after the other; see `Transport.status`."""
        return self._carry(lambda transport, seconds: transport.status(timeout=seconds), timeout)

    def close(self) -> None:
        """Close every connection."""
        for transport in self._balancer.close():
            transport.close()

    def _carry(self, ask: Callable[[Transport, float], Result], timeout: float) -> Result:
        steps = call(self._balancer, self._retry, self._budget, timeout)
        try:
            step = next(steps)
            while True:
                match step:
                    case Ask(transport, seconds):
                        try:
                            answer = ask(transport, seconds)
                        except BertMlmError as error:
                            step = steps.throw(error)
                        else:
                            step = steps.send(answer)
                        continue
                    case Pause(seconds):
                        time.sleep(seconds)
                    case Probe(server):
                        threading.Thread(target=self._probe, args=[server], name="bert-mlm-probe", daemon=True).start()
                    case Close(transport):
                        transport.close()
                step = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        finally:
            steps.close()

    def _probe(self, server: Server[Transport]) -> None:
        is_available = False
        with suppress(Exception):  # whatever it is, the client being closed included: there was no good answer
            is_available = bool(server.transport.status(timeout=PROBE_S).available)
        self._balancer.probed(server, is_available=is_available)


class AsyncResilientTransport:
    """One server or several, for asyncio; see `Balancer` and `Retry`."""

    def __init__(self, servables: Sequence[Servable], retry: Retry | None) -> None:
        self._balancer = Balancer(servables, _connect_async)
        self._retry = retry
        self._budget = Budget(retry or Retry())
        self._probes: set[asyncio.Task[None]] = set()

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  a deadline travels with the call
        """Ask one server after the other; see `Transport.predict`."""
        return await self._carry(lambda transport, seconds: transport.predict(request, timeout=seconds), timeout)

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  likewise
        """Ask one server after the other; see `Transport.status`."""
        return await self._carry(lambda transport, seconds: transport.status(timeout=seconds), timeout)

    async def close(self) -> None:
        """Close every connection."""
        for probe in self._probes:
            probe.cancel()
        for transport in self._balancer.close():
            await transport.close()

    async def _carry(self, ask: Callable[[AsyncTransport, float], Awaitable[Result]], seconds: float) -> Result:
        steps = call(self._balancer, self._retry, self._budget, seconds)
        try:
            step = next(steps)
            while True:
                match step:
                    case Ask(transport, seconds):
                        try:
                            answer = await ask(transport, seconds)
                        except BertMlmError as error:
                            step = steps.throw(error)
                        else:
                            step = steps.send(answer)
                        continue
                    case Pause(seconds):
                        await asyncio.sleep(seconds)
                    case Probe(server):
                        probe = asyncio.create_task(
                            self._probe(server), context=Context()
                        )  # no part of the caller's trace
                        self._probes.add(probe)
                        probe.add_done_callback(self._probes.discard)
                    case Close(transport):
                        await transport.close()
                step = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        finally:
            steps.close()

    async def _probe(self, server: Server[AsyncTransport]) -> None:
        is_available = False
        with suppress(Exception):  # whatever it is, there was no good answer
            is_available = bool((await server.transport.status(timeout=PROBE_S)).available)
        self._balancer.probed(server, is_available=is_available)


def _connect(servable: Servable) -> Transport:
    """Return the blocking transport for the address's scheme; it connects at its first request."""
    if servable.scheme.startswith("grpc"):
        from bert_mlm_client.transport.grpc import GrpcTransport

        return GrpcTransport(servable)
    from bert_mlm_client.transport.rest import RestTransport

    return RestTransport(servable)


def _connect_async(servable: Servable) -> AsyncTransport:
    """Return the asyncio transport for the address's scheme; it connects at its first request."""
    if servable.scheme.startswith("grpc"):
        from bert_mlm_client.transport.grpc import AsyncGrpcTransport

        return AsyncGrpcTransport(servable)
    from bert_mlm_client.transport.rest import AsyncRestTransport

    return AsyncRestTransport(servable)
