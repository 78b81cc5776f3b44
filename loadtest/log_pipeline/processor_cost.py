"""Measure the CPU time of the configuration's processors in Filebeat.

    python -m loadtest.log_pipeline.processor_cost --lines 30000 --rounds 3

The same lines are shipped in turn with the project's configuration and with a plain one, which parses JSON and makes
the id: less would double lines. CPU time is that of Filebeat from its first document to its last, without its start.
The server is that of ELASTICSEARCH_URL, or one of ``make log-tools``.
"""

import argparse
import copy
import itertools
import secrets
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from deploy.elasticsearch.errors import SetupError
from deploy.elasticsearch.json_api import JsonApi
from deploy.gateway.log.json_lines import encode
from deploy.gateway.log.lines import Inference
from loadtest.log_pipeline.documents import count
from loadtest.log_pipeline.filebeat import Filebeat, binary, configuration, version
from loadtest.log_pipeline.run import credentials
from loadtest.log_pipeline.server import elasticsearch
from loadtest.processes import StartError

_LIMIT_S = 300.0
_FEWEST_LINES = 1000
_POLL_S = 0.2
_ORIGIN = {"instance": "gateway-1", "service_version": "0.2.0"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the CPU time per line with and without processors."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.log_pipeline.processor_cost", description=main.__doc__)
    parser.add_argument("--lines", type=int, default=30_000, help="a round and configuration (30000)")
    parser.add_argument("--rounds", type=int, default=3, help="(3)")
    parser.add_argument("--work", type=Path, default=Path("build/processor_cost"), help="where log and registry go")
    options = parser.parse_args(arguments)
    if options.lines < _FEWEST_LINES:
        parser.error(f"--lines must be at least {_FEWEST_LINES}: CPU time is counted in steps of 10 ms")
    work: Path = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    try:
        with elasticsearch() as api:
            costs = measure(api, work, options.lines, options.rounds)
    except (StartError, SetupError, OSError) as error:
        print(f"processor_cost: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for name, values in costs.items():
        print(f"{name}: {statistics.median(values):.4f} ms of CPU a line ({', '.join(f'{one:.4f}' for one in values)})")
    ratios = [project / plain for project, plain in zip(costs["project"], costs["plain"], strict=True)]
    print(f"ratio {statistics.median(ratios):.2f} ({', '.join(f'{one:.2f}' for one in ratios)})")
    return 0


def without_processors(document: dict[str, Any]) -> None:
    """Leave the parser and the id."""
    gateway, _ = document["filebeat.inputs"]
    steps = gateway["processors"][0]["then"]
    (fingerprint,) = (step["fingerprint"] for step in steps if "fingerprint" in step)
    data_set = {"add_fields": {"target": "event", "fields": {"dataset": "bert.gateway"}}}  # the name of the stream
    gateway["processors"] = [data_set, {"fingerprint": fingerprint}]


def measure(api: JsonApi, work: Path, lines: int, rounds: int) -> dict[str, list[float]]:
    """Return the CPU time per line of each configuration.

    The list has the milliseconds of each round.

    Raises:
        StartError: Filebeat ended, or did not deliver within five minutes.
        SetupError: the server rejected a request.
    """
    program = binary()
    output = {"hosts": [api.url], **credentials(api, f"cost{secrets.token_hex(6)}")}
    project = configuration(version(program), {"elasticsearch": output})
    plain = copy.deepcopy(project)
    without_processors(plain)
    costs: dict[str, list[float]] = {"plain": [], "project": []}
    for number, (name, document) in itertools.product(range(rounds), (("plain", plain), ("project", project))):
        folder = work / f"{number}-{name}"
        costs[name].append(_cost_ms(api, program, document, folder, lines))
    return costs


def _cost_ms(api: JsonApi, program: Path, document: dict[str, Any], folder: Path, lines: int) -> float:
    namespace = f"cost{secrets.token_hex(6)}"
    log = folder / "logs/gateway.log"
    log.parent.mkdir(parents=True)
    variables = {"GATEWAY_LOG_FOLDER": str(log.parent), "SERVING_LOG_FOLDER": str(folder), "LOGS_NAMESPACE": namespace}
    filebeat = Filebeat(program, document, folder / "filebeat", variables)
    with filebeat.run() as process:

        def write_and_wait(first: int, last: int) -> float:
            with log.open("ab") as file:
                file.writelines(_line(number) for number in range(first, last))
            deadline = time.monotonic() + _LIMIT_S
            while count(api, f"logs-bert.gateway-{namespace}") < last:
                if process.poll() is not None or time.monotonic() > deadline:
                    msg = f"Filebeat did not deliver {last} lines: {filebeat.said[-1000:]}"
                    raise StartError(msg)
                time.sleep(_POLL_S)
            times = psutil.Process(process.pid).cpu_times()
            return float(times.user + times.system)

        begun = write_and_wait(0, 1)
        return 1000 * (write_and_wait(1, lines + 1) - begun) / lines


def _line(number: int) -> bytes:
    line = Inference(
        timestamp=1_796_040_000.0,
        task="mask_prediction",
        status="success",
        request_id=f"{number:032x}",
        path="/predict",
        status_code=200,
        model_name="bert_mlm",
        model_version=1,
        batch_size=1,
        input_text="中国的首[MASK]是北京。",
        predicted_token="都",  # noqa: S106 - a word, not a secret
        score=0.9964,
        inference_time_ms=4.21,
        tokenize_time_ms=0.05,
        total_time_ms=4.93,
        gpu_memory_mb=0.0,
    )
    return encode(line, _ORIGIN)


if __name__ == "__main__":
    sys.exit(main())
