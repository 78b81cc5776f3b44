"""Forward TCP connections to a server with simulated outages."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

_CHUNK = 65_536


class Gate:
    """TCP proxy on 127.0.0.1 that can be closed.

    While it is closed, connections are refused, as by a server that is down; open ones end in the middle.
    """

    def __init__(self, host: str, port: int) -> None:
        """Prepare the gate without opening it.

        ``run`` opens it.

        Args:
            host: the server's host.
            port: the server's port.
        """
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @contextmanager
    def run(self) -> Iterator[None]:
        """Open the gate during the block."""
        thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)
        thread.start()
        try:
            self.open()
            yield
        finally:
            self.close()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def open(self) -> None:
        """Accept connections.

        Later calls use the port of the first.
        """
        self._wait(self._open())

    def close(self) -> None:
        """Refuse connections and end those that are open."""
        self._wait(self._close())

    def _wait(self, step: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None  # noqa: S101 - the server runs this in a task
        self._connections.add(connection)
        writers = {writer}
        self._writers.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
            writers.add(server_writer)
            self._writers.add(server_writer)
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer), return_exceptions=True)
        except OSError:
            pass  # the client sees that the connection ends
        finally:
            for one in writers:
                one.close()
            self._writers -= writers
            self._connections.discard(connection)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(_CHUNK):
            writer.write(part)
            await writer.drain()
    finally:
        writer.close()
