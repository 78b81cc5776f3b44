"""The transports behind addresses: one server or several, asked again where that may help."""

import asyncio
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Generic, TypeVar

from bert_mlm_client.drive import drive, drive_async
from bert_mlm_client.errors import UsageError
from bert_mlm_client.results import ModelStatus
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.transport.balance import CONNECT_S, AnyTransport, Balancer, Server
from bert_mlm_client.transport.base import Answer, AsyncTransport, Request, Transport
from bert_mlm_client.transport.calls import Ask, Call, Close, Pause, Probe, Step, call
from bert_mlm_client.transport.retry import Budget, Retry

Result = TypeVar("Result")

PROBE_S = 2.0
"""How long a server that was set aside may take to tell the model's status."""


class _Servers(ABC, Generic[AnyTransport]):
    """What both transports have: servers, in the process that asks them.

    A forked process opens its own connections. Its parent's are left as they are: what either reads of a socket that
    both have, the other lacks.
    """

    def __init__(self, servables: Sequence[Servable], retry: Retry | None) -> None:
        self._servables = servables
        self._retry = retry
        self._open()

    def _open(self) -> None:
        self._balancer = Balancer(self._servables, self._connect)
        self._budget = Budget(self._retry or Retry())
        self._process = os.getpid()

    @abstractmethod
    def _connect(self, servable: Servable) -> AnyTransport:
        """Open the transport to one server."""

    def _call(self, timeout: float) -> Call[AnyTransport]:
        if self._process != os.getpid() and not self._balancer.is_closed:
            if self._is_busy() and any(servable.scheme.startswith("grpc") for servable in self._servables):
                msg = (
                    "gRPC does not survive this fork, whose parent was asking, or had asked with asyncio; ask in the "
                    "forked processes alone, each with a client of its own, or use http://"
                )
                raise UsageError(msg)
            self._open()
        return call(self._balancer, self._retry, self._budget, timeout)

    def _is_busy(self) -> bool:
        return self._balancer.is_busy()

    def _close(self) -> list[AnyTransport]:
        """Return the transports to close: in a forked process none of its parent's."""
        if self._process != os.getpid():
            self._open()
        return self._balancer.close()

    def _connect_s(self, servable: Servable) -> float | None:
        """Return how long to wait for a connection to a server that others stand in for."""
        return CONNECT_S if len(self._servables) > 1 or servable.peer is not None else None


class ResilientTransport(_Servers[Transport]):
    """One server or several; see `Balancer` and `Retry`."""

    def predict(self, request: Request, *, timeout: float) -> Answer:
        """Ask one server after the other; see `Transport.predict`."""
        return self._carry(lambda transport, seconds: transport.predict(request, timeout=seconds), timeout)

    def status(self, *, timeout: float) -> ModelStatus:
        """Ask one server after the other; see `Transport.status`."""
        return self._carry(lambda transport, seconds: transport.status(timeout=seconds), timeout)

    def close(self) -> None:
        """Close every connection."""
        for transport in self._close():
            transport.close()

    def _carry(self, ask: Callable[[Transport, float], Result], timeout: float) -> Result:
        def perform(step: Step[Transport]) -> Result | None:
            match step:
                case Ask(transport, seconds):
                    return ask(transport, seconds)
                case Pause(seconds):
                    time.sleep(seconds)
                case Probe(server):
                    threading.Thread(target=self._probe, args=[server], name="bert-mlm-probe", daemon=True).start()
                case Close(transport):
                    transport.close()
            return None

        result: Result = drive(self._call(timeout), perform)
        return result

    def _connect(self, servable: Servable) -> Transport:
        if servable.scheme.startswith("grpc"):
            from bert_mlm_client.transport.grpc import GrpcTransport

            return GrpcTransport(servable, self._connect_s(servable))
        from bert_mlm_client.transport.rest import RestTransport

        return RestTransport(servable, self._connect_s(servable))

    def _probe(self, server: Server[Transport]) -> None:
        is_available = False
        with suppress(Exception):  # whatever it is, the client being closed included: there was no good answer
            is_available = bool(server.transport.status(timeout=PROBE_S).available)
        self._balancer.probed(server, is_available=is_available)


class AsyncResilientTransport(_Servers[AsyncTransport]):
    """One server or several, for asyncio; see `Balancer` and `Retry`."""

    def _open(self) -> None:
        super()._open()
        self._probes: set[asyncio.Task[None]] = set()
        self._is_used = False

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  a deadline travels with the call
        """Ask one server after the other; see `Transport.predict`."""
        return await self._carry(lambda transport, seconds: transport.predict(request, timeout=seconds), timeout)

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  likewise
        """Ask one server after the other; see `Transport.status`."""
        return await self._carry(lambda transport, seconds: transport.status(timeout=seconds), timeout)

    async def close(self) -> None:
        """Close every connection."""
        transports = self._close()
        for probe in self._probes:
            probe.cancel()
        for transport in transports:
            await transport.close()

    async def _carry(self, ask: Callable[[AsyncTransport, float], Awaitable[Result]], timeout: float) -> Result:  # noqa: ASYNC109  likewise
        async def perform(step: Step[AsyncTransport]) -> Result | None:
            match step:
                case Ask(transport, seconds):
                    return await ask(transport, seconds)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Probe(server):
                    # A context of its own: the probe is no part of the caller's trace.
                    probe = asyncio.create_task(self._probe(server), context=Context())
                    self._probes.add(probe)
                    probe.add_done_callback(self._probes.discard)
                case Close(transport):
                    await transport.close()
            return None

        steps = self._call(timeout)
        self._is_used = True
        result: Result = await drive_async(steps, perform)
        return result

    def _connect(self, servable: Servable) -> AsyncTransport:
        if servable.scheme.startswith("grpc"):
            from bert_mlm_client.transport.grpc import AsyncGrpcTransport

            return AsyncGrpcTransport(servable, self._connect_s(servable))
        from bert_mlm_client.transport.rest import AsyncRestTransport

        return AsyncRestTransport(servable, self._connect_s(servable))

    def _is_busy(self) -> bool:
        return self._is_used  # from then on a thread of gRPC's is at work until the client is closed

    async def _probe(self, server: Server[AsyncTransport]) -> None:
        is_available = False
        with suppress(Exception):  # whatever it is, there was no good answer
            is_available = bool((await server.transport.status(timeout=PROBE_S)).available)
        self._balancer.probed(server, is_available=is_available)
