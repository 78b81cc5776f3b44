r"""Verify the logs from the gateway to Elasticsearch.

``make verify-logs LINES=100000`` runs the first of these commands.

    python -m loadtest.log_pipeline --lines 100000        # with Filebeat and Elasticsearch of `make log-tools`
    ELASTICSEARCH_URL=http://127.0.0.1:9200 ELASTIC_PASSWORD=… FILEBEAT=/opt/filebeat/filebeat \
        python -m loadtest.log_pipeline --lines 100000

A gateway answers requests on the demonstration. Filebeat ships its log with a key that may only append, while the log
rotates, gateways are replaced, Filebeat is killed three times and the server is away for a while. Then each line must
be one document with the same values, and the panels of the dashboards must show the figures of
``python -m deploy.gateway report``.

The server is for tests: the templates and roles of this project are replaced, and the run leaves a stream of its own.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from deploy.elasticsearch.errors import SetupError
from loadtest.log_pipeline.figures import Check, check
from loadtest.log_pipeline.filebeat import binary
from loadtest.log_pipeline.run import Outcome, Plan, remove, run
from loadtest.log_pipeline.server import elasticsearch
from loadtest.processes import StartError
from loadtest.request_log.plan import Plan as Load
from loadtest.request_log.plan import add_options

_LINES_A_REQUEST = 1.2  # one request in ten is a batch of three
_DEFAULTS = Load(requests=0, connections=16, processes=2, terminate_s=60.0, max_bytes=2_000_000, limit_s=3600.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the logs from the gateway to Elasticsearch."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.log_pipeline", description=main.__doc__)
    parser.add_argument("--lines", type=int, default=100_000, help="about how many lines (100000)")
    parser.add_argument("--kills", type=int, default=3, help="how often Filebeat is killed (3)")
    parser.add_argument("--away-s", type=float, default=120.0, help="how long the server is away (120)")
    add_options(parser, _DEFAULTS, Path("build/log_pipeline"))
    options = parser.parse_args(arguments)
    load = Load.of(options, requests=round(options.lines / _LINES_A_REQUEST))
    plan = Plan(load, options.lines, options.kills, options.away_s, tuple(options.flags))
    try:
        return _verify(plan, options.servable, options.work.resolve())
    except (StartError, SetupError, OSError, HTTPException, subprocess.TimeoutExpired) as error:
        print(f"verify-logs: {error}", file=sys.stderr)
        return 1


def _verify(plan: Plan, servable: Path, work: Path) -> int:
    if not servable.is_dir():
        msg = f"{servable} does not exist; `make export` creates models/bert_mlm"
        raise StartError(msg)
    program = binary()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    begun = time.monotonic()

    def say(sentence: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {sentence}", flush=True)

    with elasticsearch() as api:
        outcome = run(plan, api=api, program=program, servable=servable, work=work, say=say)
        say("comparing the panels with the report")
        checks = check(api, outcome.namespace, outcome.log)
        if not remove(api, outcome.namespace):
            say(f"the server cannot delete streams: logs-bert.*-{outcome.namespace} stay in it")
    print(summary(outcome, checks))
    has_passed = all(one.is_passed for one in checks)
    return 0 if has_passed and outcome.difference.is_empty and outcome.answered.is_flawless else 1


def summary(outcome: Outcome, checks: Sequence[Check]) -> str:
    """Format the figures as text."""
    difference, answered = outcome.difference, outcome.answered
    lines = difference.lines + difference.unparsed_lines
    cpu_ms = 1000 * outcome.filebeat_cpu_s / max(1, lines)
    sentences = [
        f"{answered.answered:,} requests answered in {outcome.load_s:.0f} s, {outcome.rotations} rotations.",
        f"{difference.lines:,} lines, and {difference.unparsed_lines} that is not JSON;",
        f"{difference.documents:,} documents, and {difference.unparsed_documents} that is unparsed:",
        f"{difference.missing} missing, {difference.surplus} too many, {outcome.rejected} rejected.",
        f"Filebeat was killed {outcome.kills} times; it took {outcome.filebeat_cpu_s:.1f} s of CPU,",
        f"{cpu_ms:.2f} ms a line, and {outcome.filebeat_mb:.0f} MB at most;",
        f"Elasticsearch took {outcome.server_cpu_s:.1f} s of CPU.",
        f"The last document came {outcome.delivered_s:.0f} s after the load and the server's return.",
    ]
    compared = [one for one in checks if one.figures is not None]
    sentences.append(f"{len(checks)} panels answered; {len(compared)} were compared with the report:")
    sentences += [f"    {one}" for one in compared]
    if difference.example:
        sentences.append(f"An example: {difference.example}")
    return "\n".join(sentences)


if __name__ == "__main__":
    sys.exit(main())
