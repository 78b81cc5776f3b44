"""Telemetry is disabled in every process before its libraries are imported."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bert_mlm_client.telemetry import VARIABLE
from bert_mlm_client.tokens import Encoded

from loadtest.bench.systems import SYSTEMS, Files, start
from loadtest.processes import http
from tests.torch_environment import needs_torch

ROOT = Path(__file__).parents[1]


def test_onnxruntime_is_imported_by_one_module_that_disables_its_telemetry_first() -> None:
    importers = {
        str(path.relative_to(ROOT))
        for folder in ("client", "deploy", "export", "loadtest", "models", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if "onnxruntime" in imported(path)
    }
    assert importers == {
        "client/bert_mlm_client/onnx_runtime.py",
        "loadtest/rivals/flask_onnx.py",  # a rival's program, which gets the variable from its environment
    }


def imported(module: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", ["bert_mlm_client.onnx_runtime", "bert_mlm_client.transport"])
@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("", "1"), ("0", "0")])
def test_the_variable_is_set_unless_the_user_has_set_it(module: str, before: str | None, after: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment |= {} if before is None else {VARIABLE: before}
    code = f"import os, {module}; print(os.environ[{VARIABLE!r}])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == after


def test_the_hubs_library_sends_no_telemetry(tmp_path: Path) -> None:
    code = (
        "from export import SourceError, find_checkpoint\n"
        "try: find_checkpoint('owner/name')\n"
        "except SourceError: from huggingface_hub.constants import HF_HUB_DISABLE_TELEMETRY as disabled\n"
        "print(disabled)"
    )
    hidden = {"HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


ENVIRONMENT_SERVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@needs_torch
def test_a_rival_of_the_benchmark_is_started_with_the_variables(tmp_path: Path) -> None:
    rival = replace(SYSTEMS["flask-1"], command=lambda _, ports: ("-c", ENVIRONMENT_SERVER, str(ports.http)))
    files = Files(tmp_path, tmp_path / "rival.onnx", tmp_path)
    with start(rival, files, Encoded("", (), (), (), ()), tmp_path / "log") as running_rival:
        environment = json.loads(http(running_rival.ports.http, "POST", "/predict"))
    wanted = {VARIABLE: "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    assert environment.items() >= wanted.items()
