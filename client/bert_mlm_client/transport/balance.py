"""Several servers behind one client: whose turn it is, who is set aside, and who may come back.

Nothing is sent here. `calls` asks whose turn it is and tells how the request fared; the two transports of `resilient`
do the sending.
"""

import random
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bert_mlm_client.errors import BertMlmError, ServerError, ServerTimeoutError, UnreachableError
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.transport.failures import closed

AnyTransport = TypeVar("AnyTransport")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
CONNECT_S = 1.0
"""How long to wait for a connection where there is another address to ask: a host that drops packets says nothing."""
LOOKUP_S = 30.0
"""How old the addresses of a name may get."""
LOOKUP_WHEN_DOWN_S = 1.0
"""How old they may get while none of them answers."""


@dataclass(eq=False, slots=True)
class Server(Generic[AnyTransport]):
    """One server and how it fares.

    Attributes:
        transport: asks it.
        failures: how often in a row it could not be reached; 0 for one that takes its turns.
        rests_until: when one that is set aside may be tried, by the balancer's clock.
        is_probed: whether it is being tried.
        in_flight: how many requests it has.
    """

    transport: AnyTransport
    failures: int = 0
    rests_until: float = 0.0
    is_probed: bool = False
    in_flight: int = 0


class Balancer(Generic[AnyTransport]):
    """Round robin over the servers that answer. Threads may share it.

    A server that cannot be reached is set aside. After a pause, which doubles each time, it is asked for the model's
    status; when a version is available, it takes its turns again. One that let a request wait too long is asked so at
    once. When all are set aside, all take turns, for there is nothing to lose.

    A name that stands for several IP addresses is so many servers: those of the family (IPv4 or IPv6) that the system
    prefers, since both often lead to the same machines. A name with one such address is left to the transport.

    Args:
        servables: the model at each address given.
        connect: makes the transport for one of them, without sending anything.
        clock: returns seconds that never go back.
        uniform: returns a random number between two.
        lookup: returns the IP addresses of a host and port, or raises OSError.
    """

    def __init__(
        self,
        servables: Sequence[Servable],
        connect: Callable[[Servable], AnyTransport],
        *,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        lookup: Callable[[str, int], Sequence[str]] | None = None,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._uniform = uniform
        self._lookup = lookup or look_up
        self._lock = threading.Lock()
        # Each address and the servers it stands for.
        self._places: dict[Servable, tuple[Servable, ...]] = {servable: (servable,) for servable in servables}
        self._servers = {servable: Server(connect(servable)) for servable in self._places}
        self._retired: list[Server[AnyTransport]] = []
        self._is_named = any(servable.is_named for servable in servables)
        self._looked_up_at = -LOOKUP_S
        self._is_looking_up = False
        self.is_closed = False
        self._turn = int(uniform(0, len(self._servers)))  # many clients should not all begin with the same server

    def choose(self, avoid: Collection[Server[AnyTransport]] = ()) -> Server[AnyTransport]:
        """Return the server whose turn it is, preferably one that answers and is not to be avoided.

        Raises:
            UsageError: the client is closed.
        """
        with self._lock:
            if self.is_closed:
                raise closed()
            servers = list(self._servers.values())
            if len(servers) > 1:
                others = [server for server in servers if server not in avoid] or servers
                servers = [server for server in others if not server.failures] or others
            server = servers[self._turn % len(servers)]
            self._turn += 1
            server.in_flight += 1
            return server

    def has_other(self, avoid: Collection[Server[AnyTransport]]) -> bool:
        """Tell whether there is a server that answers beside these."""
        with self._lock:
            return any(not server.failures and server not in avoid for server in self._servers.values())

    def is_busy(self) -> bool:
        """Tell whether requests are under way, without waiting for anybody: after a fork, nobody may be there."""
        return any(server.in_flight or server.is_probed for server in (*self._servers.values(), *self._retired))

    def release(self, server: Server[AnyTransport]) -> None:
        """Take note that a chosen server has one request less."""
        with self._lock:
            server.in_flight -= 1

    def succeeded(self, server: Server[AnyTransport]) -> None:
        """Take note that a server answered."""
        if server.failures:
            with self._lock:
                server.failures = 0

    def failed(self, server: Server[AnyTransport], error: BertMlmError) -> None:
        """Take note of what a request to a server ended with."""
        if isinstance(error, ServerError):  # an answer, too
            self.succeeded(server)
        elif isinstance(error, (UnreachableError, ServerTimeoutError)):
            with self._lock:
                # Of the requests that fail together when a server goes down, only the first says something new.
                if not server.failures:
                    self._set_aside(server, pause=isinstance(error, UnreachableError))

    def probed(self, server: Server[AnyTransport], *, is_available: bool) -> None:
        """Take note of what `due` led to."""
        with self._lock:
            server.is_probed = False
            if is_available:
                server.failures = 0
            else:
                self._set_aside(server, pause=True)

    def due(self) -> list[Server[AnyTransport]]:
        """Return the servers that were set aside and whose pause is over; each must be probed, and `probed` told."""
        if len(self._servers) == 1:
            return []
        with self._lock:
            now = self._clock()
            servers = [
                server
                for server in self._servers.values()
                if server.failures and not server.is_probed and now >= server.rests_until
            ]
            for server in servers:
                server.is_probed = True
            return servers

    def retired(self) -> list[AnyTransport]:
        """Return the transports, now the caller's to close, of servers that a name no longer stands for."""
        if not self._retired:
            return []
        with self._lock:
            idle = [server.transport for server in self._retired if not server.in_flight]
            self._retired = [server for server in self._retired if server.in_flight]
            return idle

    def refresh(self) -> None:
        """Look the names up again, in a thread of its own, if it is time."""
        if not self._is_named:
            return
        with self._lock:
            is_down = all(server.failures for server in self._servers.values())
            now = self._clock()
            is_fresh = now - self._looked_up_at < (LOOKUP_WHEN_DOWN_S if is_down else LOOKUP_S)
            if is_fresh or self._is_looking_up:
                return
            self._looked_up_at = now
            self._is_looking_up = True
        threading.Thread(target=self.look_up, name="bert-mlm-lookup", daemon=True).start()

    def look_up(self) -> None:
        """Look the names up and take on the servers they stand for now; what cannot be looked up stays as it was."""
        places = {servable: self._stands_for(servable, known) for servable, known in self._places.items()}
        if self.is_closed:
            return
        old = self._servers
        new = {
            servable: old[servable] if servable in old else Server(self._connect(servable))
            for several in places.values()
            for servable in several
        }
        with self._lock:
            self._is_looking_up = False
            self._places, self._servers = places, new
            self._retired += [server for servable, server in old.items() if servable not in new]

    def close(self) -> list[AnyTransport]:
        """Return all transports, now the caller's to close."""
        with self._lock:
            self.is_closed = True
            return [server.transport for server in (*self._servers.values(), *self._retired)]

    def _stands_for(self, servable: Servable, known: tuple[Servable, ...]) -> tuple[Servable, ...]:
        if not servable.is_named:
            return known
        try:
            addresses = self._lookup(servable.host, servable.port)
        except OSError:
            return known
        return tuple(map(servable.at, addresses)) if len(addresses) > 1 else (servable,)

    def _set_aside(self, server: Server[AnyTransport], *, pause: bool) -> None:
        server.failures += 1
        seconds = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(server.failures - 1, 60)) if pause else 0.0
        # A part of it is random, so that not all clients come back together.
        server.rests_until = self._clock() + self._uniform(0.5 * seconds, seconds)


def look_up(host: str, port: int) -> list[str]:
    """Return the IP addresses of a name, in a stable order: those of the family that the system prefers (RFC 6724).

    Raises:
        OSError: it cannot be looked up.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    preferred = found[0][0]
    return sorted({str(address[0]) for family, _, _, _, address in found if family == preferred})
