"""The compared systems, their start commands and their request formats."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bert_mlm_client.tokens import Encoded
from bert_mlm_client.transport import Request

from export.reference import torch_python
from loadtest.processes import ROOT, free_port, http, serve
from loadtest.questions import fill_mask, full_logits, grpc_message, rest_body

MODEL = "bert_mlm"

# The rivals run as articles show them, except that telemetry and downloads are off.
_COMMON_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",  # the checkpoint is a folder
}


@dataclass(frozen=True, slots=True)
class Files:
    """The served checkpoint in its forms.

    Attributes:
        checkpoint: the folder that transformers reads.
        rival: its ONNX graph with full logits in float32.
        servable: the folder with its exported version, for this project's server.
    """

    checkpoint: Path
    rival: Path
    servable: Path

    @property
    def bf16(self) -> Path:
        """The folder of the same export with bfloat16 products."""
        return self.servable.parent.with_name("models-bf16") / MODEL

    @property
    def ctranslate2(self) -> Path:
        """The folder of the encoder in CTranslate2's int8 form."""
        return self.rival.with_name("ctranslate2")


@dataclass(frozen=True, slots=True)
class Ports:
    """A system's ports (for the gateway, gRPC is its backend's)."""

    http: int
    grpc: int


@dataclass(frozen=True, slots=True)
class System:
    """One server.

    Attributes:
        name: short, for tables.
        title: what it is and how it is set.
        command: its command line.
        environment: its environment variables beyond the usual.
        backend: name of the backend of a proxy; empty for a system with its own engine.
        rival: it runs in the environment with PyTorch and transformers.
    """

    name: str
    title: str
    command: Callable[[Files, Ports], Sequence[str]]
    environment: Callable[[Files], Mapping[str, str]] = field(default=lambda _files: {})
    backend: str = ""
    rival: bool = False


def _flask(threads: int, title: str) -> System:
    def command(_files: Files, ports: Ports) -> Sequence[str]:
        workers = ("--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{ports.http}")
        quiet = ("--timeout", "120", "--no-control-socket")  # else all share one socket file in the home folder
        return ("-m", "gunicorn", *workers, *quiet, "loadtest.rivals.flask_onnx:app")

    def environment(files: Files) -> Mapping[str, str]:
        return {"MODEL": str(files.checkpoint), "ONNX": str(files.rival), "THREADS": str(threads)}

    gunicorn = "Flask, Gunicorn (2 workers x 4 threads), ONNX Runtime fp32 with full logits"
    return System(f"flask-{threads or 'default'}", f"{gunicorn}, {title}", command, environment, rival=True)


def _fastapi() -> System:
    def command(_files: Files, ports: Ports) -> Sequence[str]:
        return ("-m", "uvicorn", "loadtest.rivals.fastapi_pipeline:app", "--port", str(ports.http), "--no-access-log")

    title = "FastAPI, uvicorn, transformers' fill-mask pipeline on PyTorch, its own number of threads"
    return System("fastapi", title, command, lambda files: {"MODEL": str(files.checkpoint)}, rival=True)


def _embedded(name: str, engine: str, title: str, *, bf16: bool = False) -> System:
    # TensorFlow Serving's batching file; the onnx engine has no signature that uses it.
    batching = ("--enable_batching", f"--batching_parameters_file={ROOT / 'models' / 'batching.config'}")
    settings = batching if engine == "tensorflow" else ()

    def command(files: Files, ports: Ports) -> Sequence[str]:
        listening = (f"--port={ports.grpc}", f"--rest_api_port={ports.http}")
        servable = files.bf16 if bf16 else files.servable
        serving = (f"--model_name={MODEL}", f"--model_base_path={servable.resolve()}")
        return ("-m", "deploy.embedded", *listening, *serving, f"--engine={engine}", *settings)

    shown = "models/batching.config, one engine thread a core" if settings else "one engine thread a core"
    return System(name, f"this project's server, {title}, {shown}", command)


def _gateway(backend: str) -> System:
    def command(files: Files, ports: Ports) -> Sequence[str]:
        serving = (f"--serving-url=grpc://127.0.0.1:{ports.grpc}", f"--model-name={MODEL}")
        log = f"--log-folder={files.rival.with_name('gateway-log')}"
        return ("-m", "deploy.gateway", "serve", f"--port={ports.http}", *serving, log)

    title = f"this project's gateway with its defaults, request log on, before {backend}; memory and CPU without that"
    return System("gateway", title, command, backend=backend)


def _one_process() -> System:
    def command(files: Files, ports: Ports) -> Sequence[str]:
        running = ("--engine=onnx", f"--model-folder={files.servable.resolve()}", f"--model-name={MODEL}")
        log = f"--log-folder={files.rival.with_name('one-process-log')}"
        return ("-m", "deploy.gateway", "serve", f"--port={ports.http}", *running, log)

    title = "this project's gateway with its defaults, request log on, with the onnx engine in int8 in its own process"
    return System("one-process", title, command)


SYSTEMS = {
    system.name: system
    for system in (
        _flask(1, "one engine thread per worker"),
        _flask(0, "ONNX Runtime's own number of engine threads (one a core) per worker"),
        _fastapi(),
        _embedded("tensorflow", "tensorflow", "tensorflow engine in float32"),
        _embedded("bf16", "tensorflow", "tensorflow engine, exported with PRECISION=bf16-compute", bf16=True),
        _embedded("onnx", "onnx", "onnx engine in int8"),
        _gateway("onnx"),
        _one_process(),
    )
}
ROUNDED = ("bf16", "onnx", "gateway", "one-process")
"""Systems with reduced precision."""

FLASKS = ("flask-1", "flask-default")
"""The Flask rival with both plausible thread settings; the better one counts."""


@dataclass(frozen=True, slots=True)
class Target:
    """One system over one protocol.

    Attributes:
        system: its name in `SYSTEMS`.
        protocol: ``text`` (JSON with a text, as rivals and gateway take it), ``rest``, ``grpc``, or ``client`` for the
            thin client over gRPC, as a Python service would use it.
        question: builds the request from token ids; None for targets that take text.
        label: its name in tables.
    """

    system: str
    protocol: Literal["text", "rest", "grpc", "client"]
    label: str
    question: Callable[[Sequence[Encoded]], Request] | None = None

    @property
    def asked_by(self) -> Literal["http", "grpc", "client"]:
        """The transport of the request."""
        match self.protocol:
            case "grpc" | "client":
                return self.protocol
            case _:
                return "http"

    @property
    def path(self) -> str:
        """Path of the POST request."""
        return "/predict" if self.protocol == "text" else f"/v1/models/{MODEL}:predict"

    def body(self, rows: Sequence[Encoded]) -> bytes:
        """Return the request body for sentences of one length.

        Raises:
            ValueError: several sentences for a target that takes text, which is one sentence.
        """
        if self.question is None:
            [row] = rows
            return (
                row.text if self.protocol == "client" else json.dumps({"text": row.text}, ensure_ascii=False)
            ).encode()
        request = self.question(rows)
        return grpc_message(request, MODEL) if self.protocol == "grpc" else rest_body(request)


TARGETS = {
    target.label: target
    for target in (
        Target("flask-1", "text", "flask-1"),
        Target("flask-default", "text", "flask-default"),
        Target("fastapi", "text", "fastapi"),
        Target("tensorflow", "rest", "logits REST", full_logits),
        Target("tensorflow", "grpc", "logits gRPC", full_logits),
        Target("tensorflow", "rest", "tensorflow REST", fill_mask),
        Target("tensorflow", "grpc", "tensorflow gRPC", fill_mask),
        Target("bf16", "rest", "bf16 REST", fill_mask),
        Target("bf16", "grpc", "bf16 gRPC", fill_mask),
        Target("onnx", "rest", "onnx REST", fill_mask),
        Target("onnx", "grpc", "onnx gRPC", fill_mask),
        Target("onnx", "client", "onnx client"),
        Target("gateway", "text", "gateway"),
        Target("one-process", "text", "one process"),
    )
}


@dataclass(frozen=True, slots=True)
class Running:
    """A system that has answered once.

    Attributes:
        start_s: from the start of its process to its first answer.
    """

    system: System
    process: subprocess.Popen[bytes]
    ports: Ports
    start_s: float

    def port(self, target: Target) -> int:
        """Return the port of a target of this system."""
        return self.ports.http if target.asked_by == "http" else self.ports.grpc


@contextmanager
def start(system: System, files: Files, first: Encoded, log: Path, asked: Running | None = None) -> Iterator[Running]:
    """Run a system until the block ends.

    Args:
        system: what to start.
        files: what it serves.
        first: sentence of the readiness check.
        log: file for its output.
        asked: the running backend of a proxy.

    Raises:
        StartError: it exited, or did not answer in time.
    """
    ports = Ports(free_port(), asked.ports.grpc if asked else free_port())
    target = [one for one in TARGETS.values() if one.system == system.name and one.asked_by == "http"][-1]
    body = target.body([first])
    begun = time.perf_counter()
    with serve(
        system.command(files, ports),
        ready=lambda: http(ports.http, "POST", target.path, body),
        log=log,
        environment={**_COMMON_ENVIRONMENT, **system.environment(files)},
        python=torch_python() if system.rival else Path(sys.executable),
    ) as process:
        yield Running(system, process, ports, time.perf_counter() - begun)
