"""A real Elasticsearch for tests: the one that is given, or one of `make log-tools`.

ELASTICSEARCH_URL, and with security ELASTIC_PASSWORD, name a server for tests: its templates and roles of this
project are replaced, and streams with a name of their own are left in it.
"""

import dataclasses
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.elasticsearch.accounts import login
from deploy.elasticsearch.json_api import JsonApi
from loadtest.log_pipeline.tools import ELASTICSEARCH, SENTENCE, Server, start

# The first compiler alone: half the CPU time of a start, which is most of what tests take.
_JAVA_OPTIONS = "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1"


@pytest.fixture(scope="session")
def elasticsearch_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsonApi]:
    """The server as its superuser; its address is in ELASTICSEARCH_URL, too."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("ELASTICSEARCH_URL"):
            yield from _connected()
        elif not ELASTICSEARCH.is_dir():
            pytest.skip(f"there is no Elasticsearch for tests: {SENTENCE}, or set ELASTICSEARCH_URL")
        else:
            with _shared(_run_folder(tmp_path_factory)) as server:
                patch.setenv("ELASTICSEARCH_URL", server.url)
                patch.setenv("ELASTIC_PASSWORD", server.password)
                yield from _connected()


@pytest.fixture
def elasticsearch(elasticsearch_server: JsonApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsonApi]:
    """The server, with the project's templates, which tests in other processes use as well."""
    with _locked(_run_folder(tmp_path_factory) / "templates", fcntl.LOCK_SH):
        yield elasticsearch_server


@pytest.fixture
def elasticsearch_alone(elasticsearch_server: JsonApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsonApi]:
    """The server for a test that changes templates: tests in other processes wait."""
    with _locked(_run_folder(tmp_path_factory) / "templates", fcntl.LOCK_EX):
        yield elasticsearch_server


@pytest.fixture
def namespace() -> str:
    """A namespace of streams that no other test uses."""
    return f"test{secrets.token_hex(6)}"


def _connected() -> Iterator[JsonApi]:
    with JsonApi(os.environ["ELASTICSEARCH_URL"], login(os.environ)) as api:
        api.wait_until_ready("/", 60)
        yield api


def _run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder of its own in the run's
        folder = folder.parent
    (folder / "elasticsearch").mkdir(exist_ok=True)
    return folder / "elasticsearch"


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, how)
        yield


@contextmanager
def _shared(folder: Path) -> Iterator[Server]:
    """Start the run's server for the first worker, and end it with the last one.

    Each worker that uses it holds a shared lock on ``users``; ``turn`` lets one of them start or end it.
    """
    state = folder / "server.json"
    with (folder / "turn").open("w") as turn, (folder / "users").open("w") as users:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not state.exists():
            server = start(_JAVA_OPTIONS)
            state.write_text(json.dumps(dataclasses.asdict(server)), encoding="utf-8")
        server = Server(**json.loads(state.read_text(encoding="utf-8")))
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield server
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # another worker still uses it
            else:
                server.stop()
                state.unlink()
