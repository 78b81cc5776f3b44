"""The compared systems, their start commands and their requests."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.reference import torch_python
from loadtest.classification.files import NAME, Files
from loadtest.processes import free_port, http, serve

_COMMON_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",  # the checkpoint is a folder
}


@dataclass(frozen=True, slots=True)
class System:
    """A way to classify texts over HTTP.

    Attributes:
        name: short, for tables.
        title: what it is and how it is set.
        path: of the POST request.
        body: returns the request for a text.
        label: returns the best label of an answer.
        threads: PyTorch's threads per worker of the rival, 0 for its default; None for this project's system.
    """

    name: str
    title: str
    path: str
    body: Callable[[str], bytes]
    label: Callable[[Any], str]
    threads: int | None = None


def _flask(name: str, threads: int, shown: str) -> System:
    title = f"Flask, Gunicorn (2 workers x 4 threads), transformers on PyTorch in float32, {shown}"
    return System(
        name, title, "/classify", lambda text: _json({"text": text}), lambda answer: str(answer["label"]), threads
    )


RIVALS = (
    _flask("flask-1", 1, "one thread per worker"),
    _flask("flask-default", 0, "PyTorch's own number of threads (one a core) per worker"),
)
"""The rival with both plausible thread settings; the better one counts."""

OURS = System(
    "gateway",
    "this project's gateway with its defaults, request log on, before its server with the light engine in int8",
    "/v1/classify",
    lambda text: _json({"inputs": text, "parameters": {"truncate": True}}),
    lambda answer: str(answer[0]["label"]),
)


@dataclass(frozen=True, slots=True)
class Running:
    """A system that has answered once.

    Attributes:
        processes: the gateway and its server, or the rival's.
        start_s: from the start of its processes to its first answer.
    """

    system: System
    port: int
    processes: Sequence[subprocess.Popen[bytes]]
    start_s: float

    def ask(self, text: str) -> str:
        """Return the best label of a text."""
        system = self.system
        return system.label(json.loads(http(self.port, "POST", system.path, system.body(text))))


@contextmanager
def start(system: System, files: Files, text: str, folder: Path) -> Iterator[Running]:
    """Run a system until the block ends.

    Args:
        system: what to start.
        files: what it serves.
        text: the text of the readiness check.
        folder: where its output goes.

    Raises:
        StartError: it exited, or did not answer in time.
    """
    port, begun = free_port(), time.perf_counter()

    def ready() -> None:
        http(port, "POST", system.path, system.body(text))

    if system.threads is not None:
        environment = {**_COMMON_ENVIRONMENT, "MODEL": str(files.checkpoint), "THREADS": str(system.threads)}
        log = folder / f"{system.name}.log"
        with serve(_flask_command(port), ready=ready, log=log, environment=environment, python=torch_python()) as rival:
            yield Running(system, port, [rival], time.perf_counter() - begun)
        return
    grpc_port, rest_port = free_port(), free_port()

    def served() -> None:
        for name in (NAME, files.language_model.name):
            http(rest_port, "GET", f"/v1/models/{name}/metadata")

    config = folder / "models.config"
    config.write_text(_models_config(files), encoding="utf-8")
    server_command = ["-m", "deploy.embedded", "--engine=onnx", f"--model_config_file={config}"]
    server_command += [f"--port={grpc_port}", f"--rest_api_port={rest_port}"]
    with (
        serve(server_command, ready=served, log=folder / "server.log") as server,
        serve(_gateway_command(files, port, grpc_port, folder), ready=ready, log=folder / "gateway.log") as gateway,
    ):
        yield Running(system, port, [server, gateway], time.perf_counter() - begun)


def _flask_command(port: int) -> list[str]:
    workers = ["--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{port}"]
    quiet = ["--timeout", "120", "--no-control-socket"]  # else all share one socket file in the home folder
    return ["-m", "gunicorn", *workers, *quiet, "loadtest.rivals.flask_classifier:app"]


def _gateway_command(files: Files, port: int, grpc_port: int, folder: Path) -> list[str]:
    serving = [f"--serving-url=grpc://127.0.0.1:{grpc_port}", f"--classifier={NAME}"]
    serving.append(f"--model-name={files.language_model.name}")
    return ["-m", "deploy.gateway", f"--port={port}", *serving, f"--log-folder={folder / 'gateway-log'}"]


def _models_config(files: Files) -> str:
    models = {NAME: files.servable, files.language_model.name: files.language_model}
    entries = [
        f'config {{ name: "{name}" base_path: "{place.resolve()}" model_platform: "tensorflow" }}'
        for name, place in models.items()
    ]
    return f"model_config_list {{ {' '.join(entries)} }}\n"


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
