"""Limit the size and the read time of bodies.

The body is read before the request takes a slot, so that a slow client occupies only a socket.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.gateway.errors import RETRY_AFTER_S, ApiError
from deploy.gateway.middleware.decompress import decompress
from deploy.gateway.middleware.disconnect import run_while_connected
from deploy.http import Bodies, BodyTooLargeError, TooManyBodiesError

BODIES = 64
"""The maximum number of bodies of the largest size in memory."""


class BodyLimit:
    """Read and decompress request bodies within limits.

    Large and slow bodies are rejected.

    Args:
        app: the next application.
        max_bytes: the largest body; all bodies in memory may have `BODIES` times that size.
        timeout_s: the timeout for reading it.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._bodies = Bodies(max_bytes=max_bytes, max_held_bytes=BODIES * max_bytes)
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        with self._bodies.reading() as reader:
            try:
                async with asyncio.timeout(self._timeout_s):
                    body = await reader.read(headers, receive)
                if body is not None and (encoding := headers.get(b"content-encoding")):
                    body = decompress(encoding.decode("latin-1"), body, max_bytes=self._bodies.max_bytes)
                    reader.hold(len(body))
            except ApiError as error:
                await error.rejection()(scope, receive, send)
                return
            except (BodyTooLargeError, TooManyBodiesError, TimeoutError) as error:
                await self._rejection(error).rejection()(scope, receive, send)
                return
            if body is not None:
                await run_while_connected(self._app(scope, _Replay(body, receive), send), scope)

    def _rejection(self, error: BodyTooLargeError | TooManyBodiesError | TimeoutError) -> ApiError:
        closing = {"Connection": "close"}
        match error:
            case BodyTooLargeError():
                words = f"the body is larger than {self._bodies.max_bytes} bytes; send fewer sentences at a time"
                return ApiError(413, "BodyTooLargeError", words, closing if error.close else None)
            case TooManyBodiesError():
                words = (
                    f"the bodies of other requests fill all {self._bodies.max_held_bytes} bytes; "
                    f"retry in {RETRY_AFTER_S} s"
                )
                return ApiError(503, "TooManyBodiesError", words, {"Retry-After": str(RETRY_AFTER_S)})
            case TimeoutError():
                words = f"the body did not arrive within {self._timeout_s:g} s; send it without delay"
                return ApiError(408, "BodyTimeoutError", words, closing)


class _Replay:
    """An ASGI ``receive`` that replays a body."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        message, self._message = self._message, None
        return message or await self._receive()
