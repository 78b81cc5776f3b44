"""Test slow and malformed clients over sockets."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPResponse

import pytest

from deploy.http import MAX_HEAD_BYTES
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model, Start, wait_until

GET = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n"


@pytest.fixture
def impatient(start: Start, scripted_url: str) -> Gateway:
    """Return a gateway with a short client timeout."""
    return start(scripted_url, "--client-timeout-s=0.3")


def parsed(answer: bytes) -> tuple[int, dict[str, str], dict[str, str]]:
    """Return status, headers and document of the only answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    return int(first.split()[1]), headers, json.loads(body)


@pytest.fixture
def connection(impatient: Gateway) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as connected:
        yield connected


def status_of_next(connection: socket.socket) -> int:
    """Read one answer to its end and return its status."""
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def rest(connection: socket.socket) -> bytes:
    """Read until the gateway closes the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_head_that_does_not_end_is_408_and_the_connection_ends(impatient: Gateway) -> None:
    status, headers, document = parsed(impatient.exchange(GET))
    assert (status, document["error_type"]) == (408, "HeadTimeoutError")
    assert "within 0.3 s" in document["error"]
    assert (headers["connection"], headers["content-type"]) == ("close", "application/json")
    assert headers["x-content-type-options"] == "nosniff"


def test_the_head_of_a_later_request_has_the_same_time(connection: socket.socket) -> None:
    connection.sendall(GET + b"\r\n")
    assert status_of_next(connection) in {200, 503}
    connection.sendall(GET)
    assert rest(connection).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_a_connection_that_asks_nothing_ends_without_a_word(impatient: Gateway, sent: bytes) -> None:
    assert impatient.exchange(sent) == b""


def test_blank_lines_do_not_keep_a_connection_that_has_its_answer(connection: socket.socket) -> None:
    connection.sendall(GET + b"\r\n")
    assert status_of_next(connection) in {200, 503}
    connection.sendall(b"\r\n")
    assert rest(connection) == b""


def test_the_rest_of_a_rejected_body_must_arrive_soon(connection: socket.socket) -> None:
    connection.sendall(GET + b"Content-Length: 100\r\n\r\n")
    assert status_of_next(connection) in {200, 503}
    connection.sendall(b"x")
    assert rest(connection) == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * MAX_HEAD_BYTES,
        GET + b"X-Long: " + b"x" * MAX_HEAD_BYTES,
        GET + b"X-Short: x\r\n" * MAX_HEAD_BYTES,
    ],
    ids=["address", "header", "headers"],
)
def test_a_head_without_end_is_431(gateway: Gateway, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(GET + b"\r\n")  # the connection's first request is in order
        assert status_of_next(connection) == 200
        connection.sendall(head[: MAX_HEAD_BYTES + 1])
        status, _, document = parsed(rest(connection))
    assert (status, document["error_type"]) == (431, "HeadTooLargeError")


def test_a_large_body_in_front_of_a_head_is_no_part_of_it(gateway: Gateway) -> None:
    body = json.dumps({"text": SENTENCE, "top_k": 1}).encode() + b" " * 2 * MAX_HEAD_BYTES
    head = b"POST /predict HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    second = GET + b"Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head % len(body) + body + second[:20])
        assert status_of_next(connection) == 200
        connection.sendall(second[20:])
        assert rest(connection).startswith(b"HTTP/1.1 200 ")


def test_trailers_after_a_body_are_taken_and_dropped(gateway: Gateway) -> None:
    body = json.dumps({"text": SENTENCE}).encode()
    head = (
        b"POST /predict HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    )
    chunks = b"%x\r\n%s\r\n0\r\nX-Request-Id: trailer\r\n\r\n" % (len(body), body)
    answer = gateway.exchange(head + b"Connection: close\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_an_offer_to_go_on_in_http_2_is_passed_over_as_java_makes_one_with_every_request(gateway: Gateway) -> None:
    body = json.dumps({"text": SENTENCE, "top_k": 1}).encode()
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\nUpgrade: h2c\r\n"
    head = b"POST /predict HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        for _ in range(2):
            connection.sendall(head % (len(body), offer) + body)
            assert status_of_next(connection) == 200


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\nA header\r\n\r\n"])
def test_what_is_no_http_is_400_in_the_form_of_all_errors(gateway: Gateway, sent: bytes) -> None:
    status, headers, document = parsed(gateway.exchange(sent))
    assert (status, document["error_type"]) == (400, "MalformedRequestError")
    assert headers["connection"] == "close"


def test_a_half_request_behind_another_gets_no_answer_that_could_be_taken_for_the_others(
    start: Start, scripted_url: str, model: Model
) -> None:
    gateway = start(scripted_url, "--client-timeout-s=0.3")
    gateway.wait_until_ready()
    model.gate.clear()
    body = json.dumps({"text": SENTENCE}).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head % len(body) + body + GET)
        assert rest(connection) == b""
    model.gate.set()


def test_one_connection_too_many_gets_503_until_another_ends(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, "--max-connections=3")
    with ExitStack() as stack:
        for _ in range(3):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
            held.sendall(GET + b"\r\n")
            assert status_of_next(held) in {200, 503}
        status, headers, document = parsed(gateway.exchange(b""))
        assert (status, document["error_type"]) == (503, "ConnectionLimitError")
        assert int(headers["retry-after"]) >= 1

    def is_taken() -> bool:
        with suppress(OSError):  # a rejected connection is closed during the request
            return b"ConnectionLimitError" not in gateway.exchange(GET + b"Connection: close\r\n\r\n")
        return False

    wait_until(is_taken)


def test_a_client_that_does_not_read_is_cut_off(impatient: Gateway) -> None:
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: gateway\r\n\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that few answers fill the buffers
        connection.connect(("127.0.0.1", impatient.port))
        connection.sendall(ask * 200)

        def is_cut_off() -> bool:
            with suppress(BlockingIOError):
                try:
                    connection.send(b"\r\n", socket.MSG_DONTWAIT)  # blank lines between requests are ignored
                except (ConnectionResetError, BrokenPipeError):
                    return True
            return False

        wait_until(is_cut_off)


def test_an_answer_that_is_there_before_the_body_is_not_lost(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, GATEWAY_API_KEYS="0123456789abcdef0123456789abcdef")
    head = b"POST /predict HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: 30000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head)
        assert select.select([connection], [], [], 30)[0]
        connection.sendall(b" " * 30_000_000)
        assert parsed(rest(connection))[0] == 401


def test_after_its_answer_a_client_may_not_send_for_ever(impatient: Gateway) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: 30000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as connection:
        connection.sendall(head)
        assert rest(connection).startswith(b"HTTP/1.1 413 ")

        def is_cut_off() -> bool:
            try:
                connection.sendall(b" ")
            except OSError:
                return True
            return False

        wait_until(is_cut_off)
