"""Retries, failover and names over real sockets, with both transports."""

import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
from bert_mlm_client import (
    InputError,
    ModelNotFoundError,
    ModelStatus,
    OverloadedError,
    UnreachableError,
    VersionStatus,
)
from bert_mlm_client.transport import open_async_transport, open_transport

from tests.client.scripted import Refusal, ScriptedModel, grpc_server, rest_server
from tests.client.transport.conftest import Client, Open

BUSY = Refusal("the queue is full", "UNAVAILABLE")
NAME = "models.example"

Serve = Callable[..., AbstractContextManager[str]]


def test_a_queue_that_is_briefly_full_is_no_error(client: Open, url: str, model: ScriptedModel) -> None:
    model.refusals = [BUSY, Refusal("too many", "RESOURCE_EXHAUSTED")]
    assert client(url).predict()["token_ids"].shape == (1, 1, 20)
    assert len(model.asked) == 3


def test_a_request_dropped_by_a_shutdown_is_retried(client: Open, grpc_url: str, model: ScriptedModel) -> None:
    model.refusals = [Refusal("", "CANCELLED")]
    client(grpc_url).predict()
    assert len(model.asked) == 2


def test_overload_is_reported_with_the_number_of_attempts(client: Open, url: str, model: ScriptedModel) -> None:
    model.refusal = BUSY
    with pytest.raises(OverloadedError, match=r"queue is full.*signature fill_mask, 4 attempts\)$") as error:
        client(url).predict()
    assert (error.value.attempts, len(model.asked)) == (4, 4)


def test_without_retry_there_is_one_attempt(client: Open, url: str, model: ScriptedModel) -> None:
    model.refusal = BUSY
    with pytest.raises(OverloadedError):
        client(url, retry=None).predict()
    assert len(model.asked) == 1


@pytest.mark.parametrize("retry_after", ["1", "Wed, 21 Oct 2999 07:28:00 GMT"])
def test_a_retry_after_beyond_the_timeout_fails_at_once(
    client: Open, rest_url: str, model: ScriptedModel, retry_after: str
) -> None:
    model.refusal = Refusal("the queue is full", "UNAVAILABLE", retry_after)
    begun = time.monotonic()
    with pytest.raises(OverloadedError) as error:
        client(rest_url).predict(timeout=0.9)
    assert time.monotonic() - begun < 0.9
    assert error.value.attempts == 1
    assert error.value.retry_after_s is not None
    assert error.value.retry_after_s >= 1


@pytest.mark.parametrize("retry_after", ["0", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-1"])
def test_an_expired_or_invalid_retry_after_is_ignored(
    client: Open, rest_url: str, model: ScriptedModel, retry_after: str
) -> None:
    model.refusals = [Refusal("the queue is full", "UNAVAILABLE", retry_after)]
    client(rest_url).predict()
    assert len(model.asked) == 2


def test_servers_share_the_load_and_one_outage_fails_no_call(client: Open, refusing_port: int) -> None:
    models = [ScriptedModel(), ScriptedModel()]
    with grpc_server(models[0]) as first, rest_server(models[1]) as second:
        several = client([first, second, f"grpc://127.0.0.1:{refusing_port}"])
        for _ in range(20):
            several.predict()
    shares = [len(model.asked) for model in models]
    assert sum(shares) == 20
    assert min(shares) >= 9


def test_a_host_that_drops_packets_fails_no_call(client: Open, url: str, dropping_port: int) -> None:
    silent = f"{url.partition(':')[0]}://127.0.0.1:{dropping_port}"
    several = client([url, silent])
    several.transport._balancer._turn = 1
    several.predict(timeout=10)
    [aside] = [one for servable, one in several.transport._balancer._servers.items() if servable.url == silent]
    assert aside.failures


def test_when_all_are_down_one_of_them_is_named(client: Open, refusing_port: int) -> None:
    urls = [f"grpc://127.0.0.1:{refusing_port}", f"http://127.0.0.1:{refusing_port}"]
    with pytest.raises(UnreachableError, match=r"no connection.*4 attempts\)$") as error:
        client(urls).predict()
    assert error.value.address in urls


@pytest.mark.parametrize("state", ["AVAILABLE", "LOADING"])
def test_a_server_rejoins_when_its_model_is_available(client: Open, url: str, state: str) -> None:
    model = ScriptedModel(state=state)
    with rest_server(model) as other:
        several = client([url, other])
        balancer = several.transport._balancer
        [aside] = [server for servable, server in balancer._servers.items() if servable.url == other]
        balancer.failed(aside, UnreachableError("refused"))
        aside.probe_at = 0.0
        deadline = time.monotonic() + 20
        while aside.failures == 1:
            several.predict()
            assert time.monotonic() < deadline
        model.asked.clear()
        for _ in range(10):
            several.predict()
    assert len(model.asked) == (5 if state == "AVAILABLE" else 0)


def test_a_model_tells_its_status(client: Open, url: str) -> None:
    expected = ModelStatus("bert_mlm", (VersionStatus(1, "AVAILABLE", "OK", ""),))
    assert client(url).status() == expected
    assert client(url, version=1).status() == expected


def test_an_unknown_model_has_no_status(client: Open, url: str) -> None:
    with pytest.raises(ModelNotFoundError, match="Could not find any versions of model bart") as error:
        client(url, model="bart").status()
    assert (error.value.address, error.value.model, error.value.signature) == (url, "bart", None)
    with pytest.raises(ModelNotFoundError, match="Could not find version 7"):
        client(url, version=7).status()


@pytest.mark.parametrize("open_one", [open_transport, open_async_transport])
def test_an_empty_list_of_addresses_is_rejected(open_one: Callable[[Any], Any]) -> None:
    with pytest.raises(InputError, match="the list of addresses is empty"):
        open_one([])


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve a name to two addresses of this machine."""
    original = socket.getaddrinfo

    def look_up(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in {NAME, NAME.encode()}:
            return original(host, port, *arguments, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{number}", port)) for number in (1, 2)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def ask_by_name(one: Client, times: int) -> None:
    one.transport._balancer.look_up()  # the lookup that the first call started in the background
    for _ in range(times):
        one.predict()


@pytest.mark.parametrize("serve", [grpc_server, rest_server])
@pytest.mark.usefixtures("two_addresses")
def test_the_addresses_of_a_name_share_the_load(client: Open, serve: Serve) -> None:
    models = [ScriptedModel(), ScriptedModel()]
    with serve(models[0]) as url:
        scheme, _, port = url.replace("//127.0.0.1", "").split(":")
        with serve(models[1], f"127.0.0.2:{port}"):
            ask_by_name(client(f"{scheme}://{NAME}:{port}"), 10)
    assert [len(model.asked) for model in models] == [5, 5]
    hosts = {asked.headers.get("host", f"{NAME}:{port}") for model in models for asked in model.asked}
    assert hosts == {f"{NAME}:{port}"}


@pytest.mark.usefixtures("two_addresses")
def test_an_error_names_the_address_behind_a_name(client: Open, refusing_port: int) -> None:
    one = client(f"grpc://{NAME}:{refusing_port}")
    with pytest.raises(UnreachableError, match=rf"grpc://{NAME}:{refusing_port} at 127\.0\.0\.[12]:{refusing_port},"):
        ask_by_name(one, 1)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for the name, without addresses."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "server.key", folder / "server.crt"
    arguments = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    arguments += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=test"]
    arguments += ["-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    return key, certificate


@pytest.mark.parametrize("scheme", ["grpcs", "https"])
@pytest.mark.usefixtures("two_addresses")
def test_a_certificate_is_checked_against_the_name_at_every_address(
    client: Open, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    key, chain = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    secret: Any
    serve: Serve
    if scheme == "grpcs":
        serve, secret = grpc_server, grpc.ssl_server_credentials([(key.read_bytes(), chain.read_bytes())])
    else:
        serve, secret = rest_server, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secret.load_cert_chain(chain, key)
    models = [ScriptedModel(), ScriptedModel()]
    with serve(models[0], "127.0.0.1:0", secret) as url:
        port = url.rpartition(":")[2]
        with serve(models[1], f"127.0.0.2:{port}", secret):
            ask_by_name(client(f"{scheme}://{NAME}:{port}"), 4)
            assert [len(model.asked) for model in models] == [2, 2]
            with pytest.raises(UnreachableError, match=r"(?i)certificate|hostname"):
                client(url).predict()
            with pytest.raises(
                UnreachableError, match=r"^the server's certificate is not trusted: .*SSL_CERT_FILE"
            ) as error:
                client(url).predict()
            assert error.value.attempts == 1
            monkeypatch.delenv("SSL_CERT_FILE")
            with pytest.raises(UnreachableError, match="certificate is not trusted") as error:
                ask_by_name(client(f"{scheme}://{NAME}:{port}"), 1)
            assert error.value.attempts <= 2  # each address once


@pytest.mark.parametrize("scheme", ["grpcs", "https"])
@pytest.mark.parametrize("name", ["none.pem", "empty.pem"])
@pytest.mark.parametrize("open_one", [open_transport, open_async_transport])
def test_an_empty_file_of_root_certificates_is_reported(
    open_one: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, name: str
) -> None:
    (tmp_path / "empty.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
    with pytest.raises(InputError, match=rf"SSL_CERT_FILE is '.*{name}', which is not a certificate file"):
        open_one(f"{scheme}://127.0.0.1")
