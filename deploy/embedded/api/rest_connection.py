"""Manage a connection of the REST API.

It drains on stop and cancels its request on disconnect.
"""

import asyncio
import json
from typing import Any

from deploy.http import Connection, Headers

_JSON: Headers = ((b"content-type", b"application/json"),)


class RestConnection(Connection):
    """A client's connection."""

    _task: asyncio.Task[None] | None = None
    _draining = False

    def error(self, _status: int, words: str) -> tuple[Headers, bytes]:
        """Format an error as TensorFlow Serving does."""
        return _JSON, b'{ "error": %b }' % json.dumps(words).encode()

    def on_headers_complete(self) -> None:
        """Start the request.

        While draining, the connection closes after it.
        """
        super().on_headers_complete()
        if self._draining:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._task = self.loop.create_task(cycle.run_asgi(app))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request of a disconnected client."""
        super().connection_lost(exc)
        if self._task is not None and not self.cycle.response_started:
            self._task.cancel()

    def drain(self) -> None:
        """Close after the pending requests are answered."""
        self._draining = True
        if self.cycle is not None:
            self.cycle.keep_alive = False
        for cycle, _ in self.pipeline:
            cycle.keep_alive = False

    @property
    def idle(self) -> bool:
        """Whether no request is pending or being received."""
        waiting = self.cycle is None or self.cycle.response_complete
        return waiting and not (self._reading and self._received)
