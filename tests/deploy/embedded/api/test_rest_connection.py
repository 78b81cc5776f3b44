"""Test slow clients against a server with short timeouts."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.embedded.api.rest_connection import RestConnection
from deploy.embedded.api.servers import RestServer

ANSWER = b"x" * 20_000_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer /large with a large body, and other paths with ``ok``."""
    event = await receive()
    while event.get("more_body"):
        event = await receive()
    body = ANSWER if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(RestConnection, "patience_s", 0.5)
    monkeypatch.setattr(RestConnection, "bytes_per_s", 1000)
    monkeypatch.setattr(RestConnection, "max_connections", 3)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number = listener.getsockname()[1]
    api: Any = app
    server = RestServer(api, "127.0.0.1", number)
    await server.start()
    yield number
    await server.stop(1)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes the connection."""
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\na"],
    ids=["none", "head", "body"],
)
async def test_a_request_that_does_not_arrive_is_not_waited_for(port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    assert await closed(reader) == b""
    writer.close()


async def test_a_request_that_arrives_steadily_is_waited_for(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\nConnection: close\r\n\r\n")
    for _ in range(20):  # 2 seconds, at three times the least rate
        writer.write(b"x" * 300)
        await asyncio.sleep(0.1)
    assert (await closed(reader)).endswith(b"ok")
    writer.close()


async def test_an_answer_that_is_not_read_is_dropped(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readexactly(100)
    await asyncio.sleep(4)  # the test waits for the timeout
    assert len(await closed(reader)) < len(ANSWER)
    writer.close()


async def test_one_connection_too_many_is_told_so(port: int) -> None:
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
    answer = await closed(pairs[3][0])
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b'{ "error": "Too many connections are open." }')
    pairs[0][1].write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await closed(pairs[0][0])).endswith(b"ok")
    for _, writer in pairs:
        writer.close()


async def test_http_1_0_is_answered_and_closed(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await closed(reader)).startswith(b"HTTP/1.1 200 ")
    writer.close()
