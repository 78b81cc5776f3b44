"""Replay recorded answers, to measure the client's own time.

    python -m loadtest.instant_server < answers.json

``answers.json`` has for each signature its answer over ``grpc`` and over ``rest``, in base64. The ports of both are
printed as JSON when they listen. Only the name of the signature is read from a request.
"""

from __future__ import annotations  # grpc's classes take their type arguments from the stubs alone

import asyncio
import base64
import json
import sys
from collections.abc import Mapping
from typing import cast

import grpc
import uvloop

from loadtest.questions import PREDICT

Answers = Mapping[str, bytes]


class _Http(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and Content-Length, as the client uses it."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        [length] = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        if len(body) < int(length):
            return
        self._received = b""
        answer = self._answers[_signature(body, self._answers)]
        header = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        self._transport.write(header.encode() + answer)


def _signature(request: bytes, answers: Answers) -> str:
    return next(name for name in answers if name.encode() in request)


async def serve(grpc_answers: Answers, rest_answers: Answers) -> None:
    """Listen on two free ports, print them, and serve forever."""

    async def predict(raw: bytes, _: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return grpc_answers[_signature(raw, grpc_answers)]

    _, service, method = PREDICT.split("/")
    handler = grpc.unary_unary_rpc_method_handler(predict)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: handler})])
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    http = await asyncio.get_running_loop().create_server(lambda: _Http(rest_answers), "127.0.0.1", 0)
    print(json.dumps({"grpc": grpc_port, "rest": http.sockets[0].getsockname()[1]}), flush=True)
    await http.serve_forever()


def main() -> None:
    """Serve the answers on standard input."""
    recorded = json.load(sys.stdin)
    grpc_answers, rest_answers = (
        {name: base64.b64decode(answer) for name, answer in recorded[protocol].items()} for protocol in ("grpc", "rest")
    )
    uvloop.run(serve(grpc_answers, rest_answers))


if __name__ == "__main__":
    main()
