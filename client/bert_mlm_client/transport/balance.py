"""Balance requests over several servers.

This module does no I/O. `calls` picks a server and reports the outcome of each request; the two transports of
`resilient` do the sending.
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
"""Connect timeout if there is another address to try: a host that drops packets never answers."""
UNACKNOWLEDGED_S = 2.0
"""How long sent data may stay unacknowledged if there is another address to try.

Then the connection is lost (TCP_USER_TIMEOUT, on Linux) and its requests fail over. Otherwise a server whose packets
are dropped gets requests until the first of them reaches its deadline. A slow server is not affected: its kernel
acknowledges. Over gRPC the keepalive ping, once a minute, has the same limit.
"""

LOOKUP_S = 30.0
"""Maximum age of a DNS lookup."""
LOOKUP_WHEN_DOWN_S = 1.0
"""Maximum age of a DNS lookup while all servers are down."""


@dataclass(eq=False, slots=True)
class Server(Generic[AnyTransport]):
    """State of one server.

    Attributes:
        transport: the transport to it.
        failures: the number of consecutive failures; 0 while it is healthy.
        probe_at: when an ejected server may be probed, by the balancer's clock.
        is_probed: whether a probe is in flight.
        in_flight: the number of requests in flight.
    """

    transport: AnyTransport
    failures: int = 0
    probe_at: float = 0.0
    is_probed: bool = False
    in_flight: int = 0


class Balancer(Generic[AnyTransport]):
    """Balance requests round robin over healthy servers.

    Thread-safe. A server that cannot be reached is ejected. After a pause, which doubles each time, it is probed with a
    request for the model's status; it returns when a version is available. After a timeout it is probed without a
    pause. If all servers are ejected, all are used: there is nothing to lose.

    Each IP address of a DNS name is a server of its own. Only addresses of the family (IPv4 or IPv6) that the system
    prefers count, since both often lead to the same machines. A name with one address is resolved by the transport.

    Args:
        servables: the model at each address given.
        connect: creates the transport for one of them, without I/O.
        clock: returns monotonic seconds.
        uniform: returns a random number between two bounds.
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
        # Each address and the servers that it resolves to.
        self._places: dict[Servable, tuple[Servable, ...]] = {servable: (servable,) for servable in servables}
        self._servers = {servable: Server(connect(servable)) for servable in self._places}
        self._retired: list[Server[AnyTransport]] = []
        self._is_named = any(servable.is_named for servable in servables)
        self._looked_up_at = -LOOKUP_S
        self._is_looking_up = False
        self.is_closed = False
        self._turn = int(
            uniform(0, len(self._servers))
        )  # random, so that many clients do not all start with the same server

    def choose(self, avoid: Collection[Server[AnyTransport]] = ()) -> Server[AnyTransport]:
        """Return the next server, preferably healthy and not avoided.

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
        """Return whether there is another healthy server."""
        with self._lock:
            return any(not server.failures and server not in avoid for server in self._servers.values())

    def is_busy(self) -> bool:
        """Return whether requests or probes are in flight."""
        # Without the lock: after a fork, the thread that holds it may not exist.
        return any(server.in_flight or server.is_probed for server in (*self._servers.values(), *self._retired))

    def release(self, server: Server[AnyTransport]) -> None:
        """Decrement a server's requests in flight."""
        with self._lock:
            server.in_flight -= 1

    def succeeded(self, server: Server[AnyTransport]) -> None:
        """Record that a server answered."""
        if server.failures:
            with self._lock:
                server.failures = 0

    def failed(self, server: Server[AnyTransport], error: BertMlmError) -> None:
        """Record the error of a request."""
        if isinstance(error, ServerError):  # an answer as well
            self.succeeded(server)
        elif isinstance(error, (UnreachableError, ServerTimeoutError)):
            with self._lock:
                # When a server goes down, its requests fail together; count only the first.
                if not server.failures:
                    self._eject(server, pause=isinstance(error, UnreachableError))

    def probed(self, server: Server[AnyTransport], *, is_available: bool) -> None:
        """Record the result of a probe from `due`."""
        with self._lock:
            server.is_probed = False
            if is_available:
                server.failures = 0
            else:
                self._eject(server, pause=True)

    def due(self) -> list[Server[AnyTransport]]:
        """Return the ejected servers to probe now.

        The caller reports each result to `probed`.
        """
        if len(self._servers) == 1:
            return []
        with self._lock:
            now = self._clock()
            servers = [
                server
                for server in self._servers.values()
                if server.failures and not server.is_probed and now >= server.probe_at
            ]
            for server in servers:
                server.is_probed = True
            return servers

    def retired(self) -> list[AnyTransport]:
        """Return removed servers' idle transports, for closing."""
        if not self._retired:
            return []
        with self._lock:
            idle = [server.transport for server in self._retired if not server.in_flight]
            self._retired = [server for server in self._retired if server.in_flight]
            return idle

    def refresh(self) -> None:
        """Start a DNS lookup if the last one expired."""
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
        """Look up the names and update the servers.

        A name that cannot be looked up keeps its servers.
        """
        places = {servable: self._resolve(servable, known) for servable, known in self._places.items()}
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
        """Close the balancer and return all transports, for closing."""
        with self._lock:
            self.is_closed = True
            return [server.transport for server in (*self._servers.values(), *self._retired)]

    def _resolve(self, servable: Servable, known: tuple[Servable, ...]) -> tuple[Servable, ...]:
        if not servable.is_named:
            return known
        try:
            addresses = self._lookup(servable.host, servable.port)
        except OSError:
            return known
        return tuple(map(servable.at, addresses)) if len(addresses) > 1 else (servable,)

    def _eject(self, server: Server[AnyTransport], *, pause: bool) -> None:
        server.failures += 1
        seconds = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(server.failures - 1, 60)) if pause else 0.0
        # With jitter, so that the clients do not probe all at once.
        server.probe_at = self._clock() + self._uniform(0.5 * seconds, seconds)


def look_up(host: str, port: int) -> list[str]:
    """Return the sorted IP addresses of a name.

    Only addresses of the family that the system prefers (RFC 6724).

    Raises:
        OSError: it cannot be looked up.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    preferred = found[0][0]
    return sorted({str(address[0]) for family, _, _, _, address in found if family == preferred})
