"""Ship a log to a stream of its own, through the real Filebeat into the real Elasticsearch."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.elasticsearch.definitions import roles
from deploy.elasticsearch.json_api import JsonApi
from loadtest.log_pipeline.documents import count
from loadtest.log_pipeline.filebeat import Filebeat, configuration, version

LINE = {"timestamp": "2026-11-30T12:00:00.000Z", "level": "INFO", "module": "inference", "task": "mask_prediction"}
_LIMIT_S = 120.0
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Shipping:
    """A running Filebeat.

    Attributes:
        delivery: where it delivers.
        process: its process.
        filebeat: its output and configuration.
    """

    delivery: "Delivery"
    process: subprocess.Popen[bytes]
    filebeat: Filebeat

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + _LIMIT_S
        while not condition():
            assert self.process.poll() is None, "Filebeat ended"
            assert time.monotonic() < deadline, "the condition did not come to hold"
            time.sleep(_POLL_S)

    def wait_for_documents(self, wanted: int, suffix: str = "") -> None:
        """Wait until the stream has so many documents, or more; ``::failures`` are those of its failure store."""
        self.wait_for(lambda: self.delivery.documents(suffix) >= wanted)
        assert self.delivery.documents(suffix) == wanted


class Delivery:
    """A log and the stream it is shipped to.

    Attributes:
        api: the server.
        stream: the name of the stream.
    """

    def __init__(self, program: Path, api: JsonApi, namespace: str, work: Path) -> None:
        self.api = api
        self.stream = f"logs-bert.gateway-{namespace}"
        self._program = program
        self._namespace = namespace
        self._work = work
        self._log = work / "gateway" / "gateway.log"
        self._log.parent.mkdir()

    def write(self, first: int, last: int, **changes: Any) -> None:
        """Append lines with these request ids."""
        with self._log.open("a", encoding="utf-8") as lines:
            for number in range(first, last):
                lines.write(json.dumps({**LINE, "request_id": f"{number:06}", "status": "success", **changes}) + "\n")

    def documents(self, suffix: str = "") -> int:
        """Return the number of documents in the stream."""
        return count(self.api, f"{self.stream}{suffix}")

    def new_key(self) -> dict[str, str]:
        """Create a key that may do what the writer's role allows."""
        if not self.api.has_login:
            pytest.skip("ELASTIC_PASSWORD is not set: without security there are no keys")
        role = {key: value for key, value in roles()["bert-writer"].items() if key in {"cluster", "indices"}}
        body = {"name": self._namespace, "role_descriptors": {"w": role}}
        answer: dict[str, str] = self.api.ask("POST", "/_security/api_key", body)
        return answer

    @contextmanager
    def shipping(
        self, *, key: dict[str, str] | None = None, registry: str = "filebeat", url: str | None = None
    ) -> Iterator[Shipping]:
        """Run Filebeat during the block.

        Args:
            key: its key; None creates one.
            registry: the name of its registry, which the next run continues.
            url: its address of the server; None is the server's own.
        """
        key = key or self.new_key()
        output = {"username": None, "password": None, "api_key": f"{key['id']}:{key['api_key']}"}
        document = configuration(version(self._program), {"elasticsearch": {"hosts": [url or self.api.url], **output}})
        folders = {"GATEWAY_LOG_FOLDER": str(self._log.parent), "SERVING_LOG_FOLDER": str(self._work / "none")}
        variables = {**folders, "LOGS_NAMESPACE": self._namespace}
        filebeat = Filebeat(self._program, document, self._work / registry, variables)
        with filebeat.run() as process:
            yield Shipping(self, process, filebeat)
