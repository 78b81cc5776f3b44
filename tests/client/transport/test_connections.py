"""Connection reuse, headers and proxies."""

import base64
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest
from bert_mlm_client import InputError, UnreachableError
from bert_mlm_client.transport import open_async_transport, open_transport

from tests.client.scripted import http_server
from tests.client.transport.conftest import Open

ANSWER = b'{"outputs": {"token_ids": [[[1]]], "scores": [[[0.5]]]}}'


class Recorder(BaseHTTPRequestHandler):
    """A server that records the address and headers of its requests."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[tuple[str, int], str, dict[str, str]]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen.append((self.client_address, self.path, headers))
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        """Suppress the log."""


@pytest.fixture
def recorder() -> Iterator[str]:
    Recorder.seen.clear()
    with http_server(Recorder) as url:
        yield url


def test_requests_one_after_the_other_share_a_connection(client: Open, recorder: str) -> None:
    one = client(recorder)
    for _ in range(5):
        one.predict()
    assert len({address for address, _, _ in Recorder.seen}) == 1


def test_requests_are_uncompressed_with_a_user_agent(client: Open, recorder: str) -> None:
    client(recorder).predict()
    [(_, _, headers)] = Recorder.seen
    assert not {"accept-encoding", "content-encoding"} & set(headers)
    assert headers["user-agent"] == "bert-mlm-client"
    assert headers["host"] == recorder.removeprefix("http://")


def test_a_proxy_of_the_environment_gets_the_absolute_url(
    client: Open, recorder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", recorder.replace("//", "//me:p%40ss@"))
    client("http://10.255.255.1:8501").predict()
    [(_, path, headers)] = Recorder.seen
    assert path == "http://10.255.255.1:8501/v1/models/bert_mlm:predict"
    assert headers["host"] == "10.255.255.1:8501"
    assert base64.b64decode(headers["proxy-authorization"].removeprefix("Basic ")) == b"me:p@ss"


def test_no_proxy_keeps_an_address_from_the_proxy(client: Open, recorder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    client(recorder).predict()
    assert len(Recorder.seen) == 1


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("all_proxy", "socks5://me:secret@127.0.0.1:7890", "socks5://127.0.0.1:7890"),
        ("http_proxy", "http://127.0.0.1:abc", "http://127.0.0.1:abc"),
        ("HTTP_PROXY", "http://", "http://"),
    ],
)
@pytest.mark.parametrize("open_one", [open_transport, open_async_transport])
def test_an_invalid_proxy_is_rejected_with_the_variables_name(
    open_one: Callable[[str], object], monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(
        InputError, match=rf"^{variable} is '{shown}', which .* unset it, or add 10\.0\.0\.1 to no_proxy"
    ):
        open_one("http://10.0.0.1:8501")
    monkeypatch.setenv("no_proxy", "10.0.0.1")
    open_one("http://10.0.0.1:8501")


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_proxy_that_is_down_is_named(
    client: Open, monkeypatch: pytest.MonkeyPatch, scheme: str, refusing_port: int
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{refusing_port}")
    words = rf"no connection: through the proxy http://127\.0\.0\.1:{refusing_port} \(http_proxy\): "
    with pytest.raises(UnreachableError, match=words):
        client(f"{scheme}://127.0.0.1:1", retry=None).predict()
