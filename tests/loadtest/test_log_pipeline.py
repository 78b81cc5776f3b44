"""The way from the gateway's log to Elasticsearch, in small, and the parts of its test."""

import contextlib
import json
import os
import pwd
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.elasticsearch.json_api import JsonApi
from loadtest.log_pipeline import __main__ as command
from loadtest.log_pipeline import latency, processor_cost
from loadtest.log_pipeline.documents import compare
from loadtest.log_pipeline.figures import Check, _largest_difference
from loadtest.log_pipeline.filebeat import binary, configuration, version
from loadtest.log_pipeline.gate import Gate
from loadtest.log_pipeline.tools import SENTENCE
from loadtest.log_pipeline.tools.server import check_reachable, jdk
from loadtest.processes import StartError
from tests.support.elastic import elasticsearch, elasticsearch_server, namespace
from tests.support.filebeat import filebeat_program

__all__ = ["elasticsearch", "elasticsearch_server", "filebeat_program", "namespace"]


@pytest.mark.usefixtures("filebeat_program", "elasticsearch")
def test_each_line_becomes_one_document_and_panels_show_the_reports_figures(
    demo_servable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--lines", "2000", "--away-s", "2", "--terminate-s", "5", "--max-bytes", "150000"]
    status = command.main([*arguments, "--servable", str(demo_servable), "--work", str(tmp_path / "work")])
    said = capsys.readouterr()
    assert status == 0, said
    assert "0 missing, 0 too many, 0 rejected" in said.out
    assert "Filebeat was killed 3 times" in said.out
    assert "Elasticsearch is unavailable for 2 s" in said.out
    assert re.search(r"Errors by type: [1-9] figures, equal", said.out)


@pytest.mark.usefixtures("filebeat_program", "elasticsearch")
def test_every_request_is_found_and_its_latency_is_printed(
    demo_servable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--rate", "20", "--seconds", "1", "--servable", str(demo_servable), "--work", str(tmp_path / "work")]
    assert latency.main(arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith("20 requests at 20 a second, 20 documents found.")
    assert re.search(r"P95 [0-9.]+ s", said)


@pytest.mark.usefixtures("filebeat_program", "elasticsearch")
def test_the_cost_of_the_processors_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert processor_cost.main(["--lines", "1000", "--rounds", "1", "--work", str(tmp_path / "work")]) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(r"plain: [0-9.]+ ms .*\nproject: [0-9.]+ ms .*\nratio [0-9.]+ .*\n", said), said


def test_an_old_or_missing_jdk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(StartError, match="no JDK 17 or newer was found"):
        jdk()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/javac").touch(mode=0o755)
    (tmp_path / "release").write_text('JAVA_VERSION="17.0.1"\n', encoding="utf-8")
    assert jdk() == tmp_path
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.1"\n', encoding="utf-8")
    with pytest.raises(StartError, match="no JDK 17 or newer was found"):
        jdk()


def test_a_folder_that_the_servers_user_may_not_enter_is_named() -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:  # tmp_path is below a folder of this kind
        clone = Path(name).resolve()
        tools = clone / "build/log-tools"
        tools.mkdir(parents=True)
        clone.chmod(0o700)
        wanted = f"the user nobody, as whom Elasticsearch runs, may not enter {clone}; "
        wanted += f"run `chmod o+x {clone}`, or clone elsewhere"
        with pytest.raises(StartError, match=f"^{re.escape(wanted)}$"):
            check_reachable(tools, nobody)
        clone.chmod(0o701)
        check_reachable(tools, nobody)
        tools.chmod(0o700)
        with pytest.raises(StartError, match=r"may not enter .*log-tools;"):
            check_reachable(tools, nobody)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_verify_logs_as_root_below_a_private_folder_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    monkeypatch.setenv("FILEBEAT", "/bin/true")
    monkeypatch.setattr("loadtest.log_pipeline.tools.server.ELASTICSEARCH", tmp_path)
    tmp_path.chmod(0o700)
    assert command.main(["--work", str(tmp_path / "work"), "--servable", str(tmp_path)]) == 1
    assert re.fullmatch(r"verify-logs: .* may not enter .*; run `chmod o\+x .*`.*\n", capsys.readouterr().err)


def test_without_a_server_the_command_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    monkeypatch.setenv("FILEBEAT", "/bin/true")
    monkeypatch.setattr("loadtest.log_pipeline.tools.server.ELASTICSEARCH", tmp_path / "none")
    assert command.main(["--work", str(tmp_path / "work"), "--servable", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said == f"verify-logs: {tmp_path}/none does not exist; {SENTENCE}\n"


@pytest.mark.parametrize(("given", "words"), [("/missing", "is not a program"), ("/bin/true", "version of a Filebeat")])
def test_a_program_that_is_not_filebeat_is_named(given: str, words: str) -> None:
    with pytest.raises(StartError, match=words):
        version(binary({"FILEBEAT": given}))


def test_only_what_an_old_filebeat_does_not_know_is_removed() -> None:
    new, old = (configuration(of, {"elasticsearch": {"password": None}}) for of in ((8, 10, 0), (8, 1, 3)))
    assert "password" not in new["output.elasticsearch"]
    for one in new["filebeat.inputs"]:
        assert one.pop("file_identity.fingerprint", 1) is None
        assert one["prospector.scanner"].pop("fingerprint")["length"] == 64
    assert new == old


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it receives."""

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                while part := connection.recv(100):
                    connection.sendall(part)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_closed_gate_ends_connections_and_refuses_new_ones(echo: int) -> None:
    gate = Gate("127.0.0.1", echo)
    with gate.run():
        address = ("127.0.0.1", gate.port)
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(b"one")
            assert connection.recv(10) == b"one"
            gate.close()
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(10) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)
        gate.open()
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(b"two")
            assert connection.recv(10) == b"two"


LINE: dict[str, Any] = {"timestamp": "2026-11-30T00:00:00.000Z", "module": "inference", "task": "x", "request_id": "a"}
DOCUMENT: dict[str, Any] = {
    "@timestamp": "2026-11-30T00:00:00.000Z",
    "gw": {"module": "inference", "task": "x", "request_id": "a"},
    "event": {"dataset": "bert.gateway"},
}


@pytest.mark.parametrize(
    ("lines", "documents", "missing", "surplus"),
    [
        ([LINE], [DOCUMENT], 0, 0),
        ([LINE, LINE], [DOCUMENT], 1, 0),
        ([LINE], [DOCUMENT, DOCUMENT], 0, 1),
        ([LINE | {"score": 1.0}], [DOCUMENT], 1, 1),
        ([LINE | {"score": 1.0}], [DOCUMENT | {"gw": DOCUMENT["gw"] | {"score": 1}}], 0, 0),
    ],
)
def test_lines_and_documents_are_compared_by_every_value(
    elasticsearch: JsonApi,
    namespace: str,
    tmp_path: Path,
    *,
    lines: list[dict[str, Any]],
    documents: list[dict[str, Any]],
    missing: int,
    surplus: int,
) -> None:
    log = tmp_path / "gateway.log"
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "torn\n", encoding="utf-8")
    for document in documents:
        elasticsearch.ask("POST", f"/logs-bert.gateway-{namespace}/_doc", document)
    unparsed = {"@timestamp": LINE["timestamp"], "message": "torn"}
    elasticsearch.ask("POST", f"/logs-bert.unparsed-{namespace}/_doc", unparsed)
    found = compare(elasticsearch, namespace, [log])
    assert (found.missing, found.surplus) == (missing, surplus)
    assert found.is_empty == (not missing and not surplus)
    assert (found.unparsed_lines, found.unparsed_documents) == (1, 1)


def test_a_figure_on_one_side_is_a_difference_unless_it_is_zero() -> None:
    assert _largest_difference({("a",): 1.0, ("b",): 0.0}, {("a",): 1.0}) == 0
    assert _largest_difference({("a",): 1.03}, {("a",): 1.0}) == pytest.approx(0.03)
    assert _largest_difference({("a",): 1.0}, {}) == float("inf")
    assert _largest_difference({}, {("a",): 1.0}) == 1
    assert not Check("x", 0, 0.0, 1.0).is_passed
    assert Check("x", None, 0.0, 0.0).is_passed
