"""Close a connection while the client still sends.

Data that arrives at a closed socket resets the connection, and the client may lose an answer that it has not read:
"the server should … half-close … and continue to read" (RFC 9112, section 9.6).
"""

import asyncio
from collections.abc import Callable
from typing import Any


class LingeringTransport:
    """A transport that half-closes while the client still sends.

    A second close is final.

    Attributes:
        lingering: whether it is half-closed; received data must be discarded.
    """

    def __init__(self, transport: asyncio.Transport, client_sends: Callable[[], bool]) -> None:
        self._transport = transport
        self._client_sends = client_sends
        self.lingering = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Flush, and close or half-close."""
        if self.lingering or not self._client_sends() or not self._transport.can_write_eof():
            self._transport.close()
        elif not self._transport.is_closing():
            self.lingering = True
            self._transport.write_eof()

    def is_closing(self) -> bool:
        """Return whether nothing can be sent any more."""
        return self.lingering or self._transport.is_closing()
