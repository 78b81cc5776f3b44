"""Measure the time from a request to its searchable document.

    python -m loadtest.log_pipeline.latency --rate 100 --seconds 60

Requests are sent at a fixed rate, whether or not earlier ones were answered. Meanwhile Elasticsearch is searched for
new documents, ten times a second; a document's time is that of the first search that found it.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path

from deploy.elasticsearch.errors import SetupError
from deploy.elasticsearch.json_api import ApiError, JsonApi
from loadtest.log_pipeline.filebeat import Filebeat, binary, configuration, version
from loadtest.log_pipeline.run import credentials, remove
from loadtest.log_pipeline.server import elasticsearch
from loadtest.processes import StartError
from loadtest.request_log.run import Gateways
from loadtest.sentences import masked_sentences
from loadtest.soak import started

_SEARCH_S = 0.1
_LAST_S = 60.0
_SENDERS = 16
_MAX_BYTES = 2**28


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the latency from a request to its searchable document."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.log_pipeline.latency", description=main.__doc__)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second (100)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to send (60)")
    parser.add_argument("--servable", type=Path, default=Path("models/bert_mlm"), help="its newest version is served")
    parser.add_argument("--work", type=Path, default=Path("build/log_latency"), help="where log and registry go")
    options = parser.parse_args(arguments)
    work: Path = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with elasticsearch() as api:
            sent, seen = measure(api, options.servable, work, options.rate, round(options.rate * options.seconds))
    except (StartError, SetupError, OSError) as error:
        print(f"latency: {error}", file=sys.stderr)
        return 1
    latencies = sorted(seen[name] - at for name, at in sent.items() if name in seen)
    percentiles = statistics.quantiles(latencies, n=100, method="inclusive")
    print(f"{len(sent):,} requests at {options.rate:g} a second, {len(latencies):,} documents found.")
    print(f"From request to searchable: P50 {percentiles[49]:.2f} s, P95 {percentiles[94]:.2f} s,", end=" ")
    print(f"P99 {percentiles[98]:.2f} s, at most {latencies[-1]:.2f} s.")
    return 0 if len(latencies) == len(sent) else 1


def measure(
    api: JsonApi, servable: Path, work: Path, rate: float, requests: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return when each request was sent and its document found.

    Raises:
        StartError: a process did not start.
        SetupError: the server rejected a request.
    """
    program = binary()
    namespace = f"latency{os.getpid()}"
    with ExitStack() as stack:
        server = stack.enter_context(started(servable, work, ["--engine=onnx"]))
        gateways = Gateways(server.grpc, work, _MAX_BYTES)
        stack.enter_context(gateways.run())
        output = {"hosts": [api.url], **credentials(api, namespace)}
        variables = {"GATEWAY_LOG_FOLDER": str(gateways.log.parent), "SERVING_LOG_FOLDER": str(work / "none")}
        document = configuration(version(program), {"elasticsearch": output})
        filebeat = Filebeat(program, document, work / "filebeat", {**variables, "LOGS_NAMESPACE": namespace})
        stack.enter_context(filebeat.run())
        sending = stack.enter_context(ThreadPoolExecutor(1)).submit(_send, gateways.port, rate, requests)
        seen: dict[str, float] = {}
        last = time.monotonic()
        while len(seen) < requests and time.monotonic() - last < _LAST_S:
            if _search(api, f"logs-bert.gateway-{namespace}", seen):
                last = time.monotonic()
            time.sleep(_SEARCH_S)
        sent = sending.result()
    remove(api, namespace)
    return sent, seen


def _send(port: int, rate: float, requests: int) -> dict[str, float]:
    """Send requests at a rate and return their send times.

    Several connections are used.
    """
    sent: dict[str, float] = {}
    begun = time.monotonic()

    def send(first: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for number, text in zip(range(first, requests, _SENDERS), cycle(islice(texts, first, None)), strict=False):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            name = f"latency-{number}"
            sent[name] = time.time()
            body = json.dumps({"text": text}).encode()
            connection.request("POST", "/predict", body, {"Content-Type": "application/json", "X-Request-Id": name})
            connection.getresponse().read()
        connection.close()

    texts = masked_sentences(240)
    with ThreadPoolExecutor(_SENDERS) as pool:
        for one in [pool.submit(send, first) for first in range(_SENDERS)]:
            one.result()
    return sent


def _search(api: JsonApi, stream: str, seen: dict[str, float]) -> bool:
    """Add newly found documents and return whether there are any."""
    body = {
        "size": 5000,
        "_source": False,
        "fields": ["http.request.id"],
        "query": {"query_string": {"query": "gw.module:inference"}},
        "sort": [{"@timestamp": "desc"}],
    }
    try:
        answer = api.ask("POST", f"/{stream}/_search?ignore_unavailable=true", body)
    except ApiError as error:
        if error.status != HTTPStatus.SERVICE_UNAVAILABLE:  # the stream is just being made
            raise
        return False
    now = time.time()
    new = {name for hit in answer["hits"]["hits"] for name in hit["fields"]["http.request.id"]} - seen.keys()
    seen.update(dict.fromkeys(new, now))
    return bool(new)


if __name__ == "__main__":
    sys.exit(main())
