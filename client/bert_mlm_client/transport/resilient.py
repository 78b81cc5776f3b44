"""Send requests with retries and failover."""

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
"""Timeout of a probe."""


class _Servers(ABC, Generic[AnyTransport]):
    """Hold the servers for both transports.

    A forked process opens its own connections and leaves its parent's open: on a shared socket, bytes that one process
    reads are lost to the other.
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
                    "gRPC cannot be used after this fork, because the parent had requests in flight or used asyncio; "
                    "use clients in the forked processes only, one each, or use http://"
                )
                raise UsageError(msg)
            self._open()
        return call(self._balancer, self._retry, self._budget, timeout)

    def _is_busy(self) -> bool:
        return self._balancer.is_busy()

    def _close(self) -> list[AnyTransport]:
        """Return this process's transports, for the caller to close."""
        if self._process != os.getpid():
            self._open()
        return self._balancer.close()

    def _connect_s(self, servable: Servable) -> float | None:
        """Return the connect timeout if there are other servers."""
        return CONNECT_S if len(self._servables) > 1 or servable.peer is not None else None


class ResilientTransport(_Servers[Transport]):
    """Send requests to one server or several.

    See `Balancer` and `Retry`.
    """

    def predict(self, request: Request, *, timeout: float) -> Answer:
        """Send a request with retries (see `Transport.predict`)."""
        return self._run(lambda transport, seconds: transport.predict(request, timeout=seconds), timeout)

    def status(self, *, timeout: float) -> ModelStatus:
        """Return the status with retries (see `Transport.status`)."""
        return self._run(lambda transport, seconds: transport.status(timeout=seconds), timeout)

    def close(self) -> None:
        """Close every connection."""
        for transport in self._close():
            transport.close()

    def _run(self, ask: Callable[[Transport, float], Result], timeout: float) -> Result:
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
        with suppress(Exception):  # any error is a failed probe, also that of a closed client
            is_available = bool(server.transport.status(timeout=PROBE_S).available)
        self._balancer.probed(server, is_available=is_available)


class AsyncResilientTransport(_Servers[AsyncTransport]):
    """Send requests to one server or several from asyncio.

    See `Balancer` and `Retry`.
    """

    def _open(self) -> None:
        super()._open()
        self._probes: set[asyncio.Task[None]] = set()
        self._is_used = False

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  a deadline travels with the call
        """Send a request with retries (see `Transport.predict`)."""
        return await self._run(lambda transport, seconds: transport.predict(request, timeout=seconds), timeout)

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  likewise
        """Return the status with retries (see `Transport.status`)."""
        return await self._run(lambda transport, seconds: transport.status(timeout=seconds), timeout)

    async def close(self) -> None:
        """Close every connection."""
        transports = self._close()
        for probe in self._probes:
            probe.cancel()
        for transport in transports:
            await transport.close()

    async def _run(self, ask: Callable[[AsyncTransport, float], Awaitable[Result]], timeout: float) -> Result:  # noqa: ASYNC109  likewise
        async def perform(step: Step[AsyncTransport]) -> Result | None:
            match step:
                case Ask(transport, seconds):
                    return await ask(transport, seconds)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Probe(server):
                    # In an empty context: the probe does not belong to the caller's trace.
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
        return self._is_used  # gRPC keeps a thread running from the first use until the client is closed

    async def _probe(self, server: Server[AsyncTransport]) -> None:
        is_available = False
        with suppress(Exception):  # any error is a failed probe
            is_available = bool((await server.transport.status(timeout=PROBE_S)).available)
        self._balancer.probed(server, is_available=is_available)
