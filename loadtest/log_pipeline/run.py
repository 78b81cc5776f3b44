"""Ship the log of a loaded gateway under injected faults."""

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from deploy.elasticsearch.definitions import roles
from deploy.elasticsearch.json_api import ApiError, JsonApi
from deploy.gateway.log.rotation import rotated
from loadtest.log_pipeline.documents import Difference, compare, count
from loadtest.log_pipeline.filebeat import Filebeat, configuration, version
from loadtest.log_pipeline.gate import Gate
from loadtest.processes import StartError
from loadtest.request_log.lines import Comparison
from loadtest.request_log.plan import Plan as Load
from loadtest.request_log.run import run as send_requests
from loadtest.soak import started

TORN = '{"timestamp":"2026-04-05T10:23:45.1'
"""A line that a full disk cut off."""

_GATEWAY = ("--resource-interval-s=1",)
_BYTES_A_LINE = 450
_POLL_S = 0.2
_SETTLED_S = 90.0
"""When the number of documents counts as final; longer than Filebeat's longest back-off of 60 s."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run.

    Attributes:
        load: the requests.
        lines: about as many lines result from them.
        kills: how often Filebeat is killed.
        away_s: how long the server is away.
        flags: flags of the model server.
    """

    load: Load
    lines: int
    kills: int
    away_s: float
    flags: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """Findings of a run.

    Attributes:
        log: the log's folder.
        namespace: the namespace of the streams.
        answered: the comparison of answers and lines.
        difference: the comparison of lines and documents.
        kills: how often Filebeat was killed.
        rotations: how often the log was rotated.
        load_s: the time of the load.
        delivered_s: the time from the end of the load to the last document.
        filebeat_cpu_s: the CPU time of all Filebeat processes.
        filebeat_mb: the largest memory of a Filebeat process.
        server_cpu_s: the CPU time of the server during the run, its own work included.
        rejected: warnings of Filebeat about rejected documents.
    """

    log: Path
    namespace: str
    answered: Comparison
    difference: Difference
    kills: int
    rotations: int
    load_s: float
    delivered_s: float
    filebeat_cpu_s: float
    filebeat_mb: float
    server_cpu_s: float
    rejected: int


@dataclass(slots=True)
class _Usage:
    """The CPU time and memory of successive processes."""

    largest_mb: float = 0.0
    _cpu_s: dict[int, float] = field(default_factory=dict)

    def sample(self, pid: int) -> None:
        try:
            process = psutil.Process(pid)
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            return
        self._cpu_s[pid] = times.user + times.system
        self.largest_mb = max(self.largest_mb, memory.rss / 2**20)

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu_s.values())


def run(
    plan: Plan, *, api: JsonApi, program: Path, servable: Path, work: Path, say: Callable[[str], object]
) -> Outcome:
    """Run the load under faults and compare log and documents.

    Args:
        plan: the size.
        api: the server, set up before.
        program: Filebeat's binary.
        servable: the folder of the model's versions.
        work: an empty folder for logs and registry.
        say: prints the progress.

    Raises:
        StartError: a process did not start or failed.
        SetupError: the server rejected a request.
    """
    namespace = f"verify{secrets.token_hex(6)}"
    log = work / "logs" / "gateway.log"
    address = urlsplit(api.url)
    gate = Gate(address.hostname or "", address.port or 80)
    with ExitStack() as stack:
        server = stack.enter_context(started(servable, work, list(plan.flags)))
        stack.enter_context(gate.run())
        output: dict[str, Any] = {"hosts": [f"http://127.0.0.1:{gate.port}"], **credentials(api, namespace)}
        document = configuration(version(program), {"elasticsearch": output})
        variables = {"GATEWAY_LOG_FOLDER": str(log.parent), "SERVING_LOG_FOLDER": str(work / "none")}
        filebeat = Filebeat(program, document, work / "filebeat", {**variables, "LOGS_NAMESPACE": namespace})
        pool = stack.enter_context(ThreadPoolExecutor(1))
        begun, server_cpu_s = time.monotonic(), _cpu_s(api)
        load = pool.submit(send_requests, plan.load, server.grpc, work, _GATEWAY)
        faults = _Faults(plan, filebeat, gate, log.parent, say)
        faults.run_until(load.done)
        answered, gateways = load.result()
        load_s = time.monotonic() - begun
        with log.open("a", encoding="utf-8") as lines:
            lines.write(f"{TORN}\n")
        files = [*rotated(log), log]
        wanted = answered.lines + answered.other_lines + 1
        delivered_s = faults.run_until_settled(lambda: _count(api, namespace), wanted)
        faults.stop()
        server_cpu_s = _cpu_s(api) - server_cpu_s
        say("comparing every document with its line")
        return Outcome(
            log=log.parent,
            namespace=namespace,
            answered=answered,
            difference=compare(api, namespace, files),
            kills=faults.kills,
            rotations=len(rotated(gateways.log)),
            load_s=load_s,
            delivered_s=delivered_s,
            filebeat_cpu_s=faults.usage.cpu_s,
            filebeat_mb=faults.usage.largest_mb,
            server_cpu_s=server_cpu_s,
            rejected=filebeat.said.count("Cannot index event"),
        )


def credentials(api: JsonApi, name: str) -> dict[str, Any]:
    """Return an API key with the writer's privileges.

    Without security, the credentials are None.
    """
    if not api.has_login:
        return {"username": None, "password": None}
    role = {key: value for key, value in roles()["bert-writer"].items() if key in {"cluster", "indices"}}
    key = api.ask("POST", "/_security/api_key", {"name": name, "expiration": "1d", "role_descriptors": {"w": role}})
    return {"username": None, "password": None, "api_key": f"{key['id']}:{key['api_key']}"}


def remove(api: JsonApi, namespace: str) -> bool:
    """Remove the streams and the key of a run.

    Return whether the server supports it.
    """
    if api.has_login:
        api.ask("DELETE", "/_security/api_key", {"name": namespace})
    try:
        for name in ("gateway", "unparsed"):
            api.ask("DELETE", f"/_data_stream/logs-bert.{name}-{namespace}", missing={})
    except ApiError:  # Elastic's test distribution has no such API
        return False
    return True


def _cpu_s(api: JsonApi) -> float:
    nodes = api.ask("GET", "/_nodes/stats/process")["nodes"].values()
    return sum(float(node["process"]["cpu"]["total_in_millis"]) for node in nodes) / 1000


def _count(api: JsonApi, namespace: str) -> int:
    return sum(count(api, f"logs-bert.{name}-{namespace}") for name in ("gateway", "unparsed"))


class _Faults:
    """Inject kills of Filebeat and an outage of the server."""

    def __init__(self, plan: Plan, filebeat: Filebeat, gate: Gate, log: Path, say: Callable[[str], object]) -> None:
        self._plan = plan
        self._filebeat = filebeat
        self._gate = gate
        self._log = log
        self._say = say
        self._stack = ExitStack()
        self._process = self._stack.enter_context(filebeat.run())
        self._back: threading.Timer | None = None
        self._was_closed = False
        self.kills = 0
        self.usage = _Usage()

    def run_until(self, is_over: Callable[[], bool]) -> None:
        """Inject the faults while the load runs.

        Filebeat is killed at even parts of the expected log, and the server is unavailable for a while in the middle.
        """
        while not is_over():
            share = self._size() / (self._plan.lines * _BYTES_A_LINE)
            if self.kills < self._plan.kills and share >= (self.kills + 1) / (self._plan.kills + 1):
                self._kill()
            if not self._was_closed and share >= 0.4:
                self._close_gate()
            self._poll()
        while self.kills < self._plan.kills:  # the log is shorter than expected
            self._kill()

    def run_until_settled(self, documents: Callable[[], int], wanted: int) -> float:
        """Wait for the documents, and return how long it took.

        Raises:
            StartError: Filebeat ended.
        """
        if self._back:
            self._back.join()
        begun = last = time.monotonic()
        found = 0
        while found < wanted and time.monotonic() - last < _SETTLED_S:
            self._poll()
            now = documents()
            if now != found:
                found, last = now, time.monotonic()
        # Documents that are there twice would come now.
        until = time.monotonic() + 2 * _POLL_S
        while time.monotonic() < until:
            self._poll()
        return last - begun

    def stop(self) -> None:
        """End Filebeat in order."""
        self.usage.sample(self._process.pid)
        self._stack.close()

    def _kill(self) -> None:
        self.usage.sample(self._process.pid)
        self._process.kill()
        self._process.wait()
        self.kills += 1
        self._say(f"Filebeat killed ({self.kills} of {self._plan.kills}) and started again")
        self._process = self._stack.enter_context(self._filebeat.run())

    def _close_gate(self) -> None:
        self._say(f"Elasticsearch is unavailable for {self._plan.away_s:g} s")
        self._was_closed = True
        self._gate.close()
        self._back = threading.Timer(self._plan.away_s, self._gate.open)
        self._back.start()

    def _poll(self) -> None:
        time.sleep(_POLL_S)
        self.usage.sample(self._process.pid)
        if self._process.poll() is not None:
            msg = f"Filebeat ended with status {self._process.returncode}: {self._filebeat.said[-1000:]}"
            raise StartError(msg)

    def _size(self) -> int:
        try:
            return sum(file.stat().st_size for file in self._log.iterdir())
        except FileNotFoundError:  # not there yet, or just renamed
            return 0
