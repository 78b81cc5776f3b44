"""Run the project's servers on local addresses."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.processes import ROOT, StartError, serve

MODEL = "bert_mlm"
_EXPORT_S = 300.0
_CONNECT_S = 2.0


def export_demo(folder: Path) -> Path:
    """Export models/demo and return the folder of its versions.

    Raises:
        StartError: the export failed.
    """
    command = [sys.executable, "-m", "export", "--model", str(ROOT / "models/demo"), "--output", str(folder)]
    result = subprocess.run(  # noqa: S603 - our own words
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_EXPORT_S
    )
    if result.returncode:
        msg = f"the export of models/demo failed: {result.stderr.strip()[-500:]}"
        raise StartError(msg)
    return folder / MODEL


@contextmanager
def gateway(
    address: str, port: int, folder: Path, *arguments: str, ready: Callable[[], object] | None = None
) -> Iterator[None]:
    """Run a gateway during the block.

    Args:
        address: to listen on.
        port: to listen on.
        folder: of its logs.
        arguments: further ones.
        ready: raises OSError or HTTPException until the block may begin (default: until the port is open).
    """
    command = ["-m", "deploy.gateway", f"--host={address}", f"--port={port}", f"--model-name={MODEL}"]
    command += [f"--log-folder={folder / 'log'}", *arguments]
    with serve(command, ready=ready or (lambda: _connect(address, port)), log=folder / "gateway.log"):
        yield


@contextmanager
def embedded(address: str, ports: tuple[int, int], servable: Path, folder: Path) -> Iterator[None]:
    """Run an embedded server during the block.

    It has the light engine.

    Args:
        address: to listen on.
        ports: of gRPC and of REST.
        servable: folder of the versions.
        folder: of its log.
    """
    grpc, rest = ports
    command = ["-m", "deploy.embedded", f"--host={address}", f"--port={grpc}", f"--rest_api_port={rest}"]
    command += [f"--model_name={MODEL}", f"--model_base_path={servable}", "--engine=onnx"]
    command += ["--enable_grpc_healthcheck_service=true", "--tensorflow_intra_op_parallelism=1"]
    with serve(command, ready=lambda: _connect(address, grpc), log=folder / f"embedded-{grpc}.log"):
        yield


def _connect(address: str, port: int) -> None:
    socket.create_connection((address, port), _CONNECT_S).close()
