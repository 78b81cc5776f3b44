"""The real Filebeat and Elasticsearch when a document, a key or the disk is not as usual."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from deploy.elasticsearch.definitions import roles
from deploy.elasticsearch.json_api import JsonApi
from deploy.elasticsearch.resend import Resent, resend
from deploy.elasticsearch.setup import set_up
from loadtest.log_pipeline.documents import count, documents
from loadtest.log_pipeline.filebeat import Filebeat, configuration, version
from tests.deploy.filebeat.overload import Overload


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "gateway").mkdir()
    return tmp_path / "gateway" / "gateway.log"


def write(log: Path, first: int, last: int, **changes: Any) -> None:
    line = {"timestamp": "2026-11-30T12:00:00.000Z", "level": "INFO", "module": "inference", "task": "mask_prediction"}
    with log.open("a", encoding="utf-8") as lines:
        for number in range(first, last):
            lines.write(json.dumps({**line, "request_id": f"{number:06}", "status": "success", **changes}) + "\n")


def wait_for(condition: Callable[[], object], process: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "Filebeat ended"
        assert time.monotonic() < deadline, "the condition did not come to hold"
        time.sleep(0.2)  # between two looks


def new_key(api: JsonApi, name: str) -> dict[str, Any]:
    if not api.has_login:
        pytest.skip("ELASTIC_PASSWORD is not set: without security there are no keys")
    role = {key: value for key, value in roles()["bert-writer"].items() if key in {"cluster", "indices"}}
    answer: dict[str, Any] = api.ask("POST", "/_security/api_key", {"name": name, "role_descriptors": {"w": role}})
    return answer


@contextmanager
def shipping(
    program: Path, api: JsonApi, log: Path, namespace: str, registry: str = "filebeat", **output: Any
) -> Iterator[tuple[Any, Filebeat]]:
    """Ship the log to a namespace of its own."""
    settings = {"hosts": [api.url], "username": None, "password": None, **output}
    document = configuration(version(program), {"elasticsearch": settings})
    variables = {"GATEWAY_LOG_FOLDER": str(log.parent), "SERVING_LOG_FOLDER": "/none", "LOGS_NAMESPACE": namespace}
    filebeat = Filebeat(program, document, log.parent.parent / registry, variables)
    with filebeat.run() as process:
        yield process, filebeat


def test_lines_of_a_full_disk_are_in_the_failure_store_and_can_be_sent_again(
    filebeat_program: Path, elasticsearch: JsonApi, namespace: str, log: Path
) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    stream = f"logs-bert.gateway-{namespace}"
    key = new_key(elasticsearch, namespace)
    with shipping(filebeat_program, elasticsearch, log, namespace, api_key=f"{key['id']}:{key['api_key']}") as (
        process,
        _,
    ):
        write(log, 0, 10)
        wait_for(lambda: count(elasticsearch, stream) == 10, process)
        # what Elasticsearch does at the flood stage of the disk watermarks
        block = "index.blocks.read_only_allow_delete"
        elasticsearch.ask("PUT", f"/{stream}/_settings", {block: True})
        write(log, 10, 30)
        wait_for(lambda: count(elasticsearch, f"{stream}::failures") == 20, process)
        elasticsearch.ask("PUT", f"/{stream}/_settings", {block: None})
        write(log, 30, 40)
        wait_for(lambda: count(elasticsearch, stream) == 20, process)
    assert resend(elasticsearch, stream) == Resent(delivered=20)
    assert count(elasticsearch, stream) == 40
    assert resend(elasticsearch, stream) == Resent(present=20)


def test_a_withdrawn_key_stops_delivery_and_a_new_one_loses_nothing(
    filebeat_program: Path, elasticsearch: JsonApi, namespace: str, log: Path
) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    stream = f"logs-bert.gateway-{namespace}"
    first, second = (new_key(elasticsearch, namespace) for _ in range(2))
    write(log, 0, 100)
    with shipping(filebeat_program, elasticsearch, log, namespace, api_key=f"{first['id']}:{first['api_key']}") as (
        process,
        filebeat,
    ):
        wait_for(lambda: count(elasticsearch, stream) == 100, process)
        elasticsearch.ask("DELETE", "/_security/api_key", {"ids": [first["id"]]})
        write(log, 100, 300)
        wait_for(lambda: "401" in filebeat.said, process)
    with shipping(filebeat_program, elasticsearch, log, namespace, api_key=f"{second['id']}:{second['api_key']}") as (
        process,
        _,
    ):
        wait_for(lambda: count(elasticsearch, stream) == 300, process)


def test_a_lost_registry_sends_every_line_again_and_doubles_none(
    filebeat_program: Path, elasticsearch: JsonApi, namespace: str, log: Path
) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    stream = f"logs-bert.gateway-{namespace}"
    key = new_key(elasticsearch, namespace)
    write(log, 0, 200)
    for registry, last in (("first", 200), ("second", 201)):
        write(log, 200, last)
        with shipping(
            filebeat_program, elasticsearch, log, namespace, registry, api_key=f"{key['id']}:{key['api_key']}"
        ) as (process, _):
            wait_for(lambda last=last: count(elasticsearch, stream) == last, process)  # type: ignore[misc]
    assert count(elasticsearch, stream) == 201


def test_a_document_that_does_not_fit_is_in_the_failure_store_and_delivery_goes_on(
    filebeat_program: Path, elasticsearch: JsonApi, namespace: str, log: Path
) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    stream = f"logs-bert.gateway-{namespace}"
    key = new_key(elasticsearch, namespace)
    write(log, 0, 1)
    write(log, 1, 2, device={"name": "an object in a keyword"})
    write(log, 2, 3)
    with shipping(filebeat_program, elasticsearch, log, namespace, api_key=f"{key['id']}:{key['api_key']}") as (
        process,
        _,
    ):
        wait_for(lambda: count(elasticsearch, stream) == 2, process)
        wait_for(lambda: count(elasticsearch, f"{stream}::failures") == 1, process)
    (hit,) = elasticsearch.ask("GET", f"/{stream}::failures/_search")["hits"]["hits"]
    assert hit["_source"]["document"]["source"]["http"]["request"]["id"] == "000001"
    assert resend(elasticsearch, stream) == Resent(refused=1)


@pytest.mark.parametrize("rejects", ["request", "items"])
def test_lines_that_an_overloaded_server_rejects_are_sent_again_and_none_twice(
    filebeat_program: Path,
    elasticsearch: JsonApi,
    overload: Overload,
    namespace: str,
    log: Path,
    *,
    rejects: Literal["request", "items"],
) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    stream = f"logs-bert.gateway-{namespace}"
    key = new_key(elasticsearch, namespace)
    write(log, 0, 100)
    overload.rejects = rejects
    output: dict[str, Any] = {"hosts": [overload.url], "api_key": f"{key['id']}:{key['api_key']}"}
    with shipping(filebeat_program, elasticsearch, log, namespace, **output) as (process, _):
        wait_for(lambda: overload.rejected >= 200, process)  # each line twice
        write(log, 100, 300)
        assert count(elasticsearch, stream) == 0
        overload.rejects = None
        wait_for(lambda: count(elasticsearch, stream) >= 300, process)
    assert count(elasticsearch, stream) == 300


def test_a_rollover_doubles_only_the_lines_that_are_repeated_after_it(
    filebeat_program: Path, elasticsearch: JsonApi, namespace: str, log: Path
) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    stream = f"logs-bert.gateway-{namespace}"
    key = new_key(elasticsearch, namespace)
    output: dict[str, Any] = {"api_key": f"{key['id']}:{key['api_key']}"}
    write(log, 0, 100)
    with shipping(filebeat_program, elasticsearch, log, namespace, **output) as (process, _):
        wait_for(lambda: count(elasticsearch, stream) == 100, process)
        elasticsearch.ask("POST", f"/{stream}/_rollover")
        write(log, 100, 150)
        wait_for(lambda: count(elasticsearch, stream) >= 150, process)
    assert count(elasticsearch, stream) == 150
    # without its registry Filebeat repeats all lines: the first 100 are in the older index
    write(log, 150, 151)
    with shipping(filebeat_program, elasticsearch, log, namespace, "another", **output) as (process, _):
        wait_for(lambda: count(elasticsearch, stream) >= 251, process)
    ids = [one["http"]["request"]["id"] for one in documents(elasticsearch, stream)]
    assert sorted(ids) == sorted([*(f"{one:06}" for one in range(100)), *(f"{one:06}" for one in range(151))])


def test_a_clock_that_is_set_back_by_a_minute_loses_and_doubles_nothing(
    filebeat_program: Path, elasticsearch: JsonApi, namespace: str, log: Path
) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    stream = f"logs-bert.gateway-{namespace}"
    key = new_key(elasticsearch, namespace)
    times = [f"{datetime.now(UTC) + timedelta(minutes=one):%Y-%m-%dT%H:%M:%S.000Z}" for one in (1, 0, -1, 1)]
    for at in times:
        write(log, 0, 2, timestamp=at)
    with shipping(filebeat_program, elasticsearch, log, namespace, api_key=f"{key['id']}:{key['api_key']}") as (
        process,
        _,
    ):
        wait_for(lambda: count(elasticsearch, stream) >= 8, process)
    assert sorted(one["@timestamp"] for one in documents(elasticsearch, stream)) == sorted(times * 2)
