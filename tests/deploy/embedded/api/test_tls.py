"""Test TLS on the gRPC port with keys and certificates from OpenSSL."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

REFUSED = "Failed to start server. Error: "


@dataclass(frozen=True)
class Pair:
    """A key and its certificate, as PEM text."""

    key: str
    certificate: str


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def signed(folder: Path, name: str, authority: str = "") -> Pair:
    """Create a key and a certificate for localhost, signed by a named authority or self-signed."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    arguments = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    arguments += ["-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={name}"]
    arguments += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    if authority:
        arguments += ["-CA", str(folder / f"{authority}.crt"), "-CAkey", str(folder / f"{authority}.key")]
    openssl(*arguments)
    return Pair(key.read_text(), certificate.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    signed(folder, "authority")
    signed(folder, "server", "authority")
    signed(folder, "client", "authority")
    return folder


def pem(folder: Path, name: str) -> str:
    return (folder / name).read_text()


def config(path: Path, **fields: str | bool) -> Path:
    lines = [
        f"{name}: {str(value).lower()}" if isinstance(value, bool) else f"{name}: {quoted(value)}"
        for name, value in fields.items()
    ]
    path.write_text("\n".join(lines))
    return path


def quoted(text: str) -> str:
    return '"' + text.replace("\n", "\\n") + '"'


@pytest.fixture
def tls_server(start: Callable[..., Any], light: tuple[str, ...], tmp_path: Path, folder: Path) -> Callable[..., Any]:
    def starter(**fields: str | bool) -> Any:
        file = config(
            tmp_path / "ssl.config",
            server_key=pem(folder, "server.key"),
            server_cert=pem(folder, "server.crt"),
            **fields,
        )
        server = start(*light, f"--ssl_config_file={file}")
        server.wait_for("light")  # by REST, which has no TLS
        return server

    return starter


def ask(channel: grpc.Channel) -> int:
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "light"})
    return int(stub.GetModelStatus(request, timeout=5).model_version_status[0].version)


def refusal(channel: grpc.Channel) -> grpc.StatusCode:
    with channel, pytest.raises(grpc.RpcError) as caught:
        ask(channel)
    error: Any = caught.value
    code: grpc.StatusCode = error.code()
    return code


def test_clients_that_trust_the_authority_are_answered(tls_server: Callable[..., Any], folder: Path) -> None:
    server = tls_server()
    target = f"localhost:{server.grpc_port}"
    trust = pem(folder, "authority.crt").encode()
    with grpc.secure_channel(target, grpc.ssl_channel_credentials(trust)) as channel:
        assert ask(channel) == 123
    assert refusal(grpc.secure_channel(target, grpc.ssl_channel_credentials(b""))) is grpc.StatusCode.UNAVAILABLE
    assert refusal(server.channel()) is grpc.StatusCode.UNAVAILABLE  # it does not use TLS
    status, log = server.stop()
    assert status == 0
    assert f"Serving gRPC with TLS on 127.0.0.1:{server.grpc_port} and REST on http://" in log


def test_clients_can_be_made_to_show_a_certificate(tls_server: Callable[..., Any], folder: Path) -> None:
    trust = pem(folder, "authority.crt").encode()
    server = tls_server(custom_ca=trust.decode(), client_verify=True)
    target = f"localhost:{server.grpc_port}"
    anonymous = grpc.ssl_channel_credentials(trust)
    assert refusal(grpc.secure_channel(target, anonymous)) is grpc.StatusCode.UNAVAILABLE
    known = grpc.ssl_channel_credentials(trust, pem(folder, "client.key").encode(), pem(folder, "client.crt").encode())
    with grpc.secure_channel(target, known) as channel:
        assert ask(channel) == 123


def test_what_is_wrong_with_the_file_is_said_and_the_file_named(
    runner: Callable[..., Any], light: tuple[str, ...], tmp_path: Path, folder: Path
) -> None:
    key, certificate = pem(folder, "server.key"), pem(folder, "server.crt")
    path = tmp_path / "ssl.config"

    def error() -> str:
        done = runner(*light, f"--ssl_config_file={path}")
        assert done.returncode == 255
        assert "Traceback" not in done.stderr
        assert done.stdout.startswith(REFUSED)
        return str(done.stdout[len(REFUSED) :])

    assert error().startswith(f"The file {path} cannot be read: ")
    path.write_text("server_key: ")
    assert error().startswith(f"Invalid protobuf file: '{path}': ")
    config(path, server_key=key)
    assert error().startswith(f"{path} has no server_cert in PEM; ")
    config(path, server_key="/a/path", server_cert=certificate)
    assert error().startswith(f"{path} has no server_key in PEM; ")
    config(path, server_key=key, server_cert=certificate, client_verify=True)
    assert error().startswith(f"{path} has client_verify without custom_ca; ")
    config(path, server_key=pem(folder, "client.key"), server_cert=certificate)
    assert error() == "The key and the certificate in --ssl_config_file are not a pair, or are not PEM.\n"
