"""Test the request log under load, rotation and restarts.

    python -m loadtest.request_log                                       # 200,000 requests on the demonstration
    python -m loadtest.request_log --requests 10000 --servable models/bert_mlm -- --engine=onnx

Load processes send requests to a real gateway and server over 16 connections. At intervals the gateway receives SIGTERM
and its successor starts at once, with the same port and log, so that for a moment both write to it; every second
gateway has no grace period (GATEWAY_GRACE_S=0). Clients reconnect. At the end, each sentence that was answered, with
any status, must have one line; if the answer did not arrive, a line is optional. Prints the figures, and exits with
status 1 if a line is missing, surplus or wrong.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from deploy.gateway.log.rotation import rotated
from loadtest.processes import StartError
from loadtest.request_log.client import CUT_OFF
from loadtest.request_log.lines import Comparison
from loadtest.request_log.plan import Plan, add_options
from loadtest.request_log.run import Gateways, run
from loadtest.soak import started

_DEFAULTS = Plan(requests=200_000, connections=16, processes=4, terminate_s=20.0, max_bytes=600_000, limit_s=1800.0)


def summary(plan: Plan, found: Comparison, gateways: Gateways, seconds: float) -> str:
    """Format the figures as text."""
    statuses = ", ".join(f"{count:,} with {status}" for status, count in sorted(found.statuses.items()) if status)
    rotations = len(rotated(gateways.log))
    rotated_s = seconds / max(1, rotations)
    lines = [
        f"{found.answered:,} of {plan.requests:,} requests were answered ({statuses}),",
        f"in {seconds:.0f} s over {plan.connections} connections, {found.answered / seconds:.0f} a second.",
        f"{gateways.terminated} gateways ended by SIGTERM, the log rotated {rotations} times, every {rotated_s:.1f} s;",
        f"{found.statuses[CUT_OFF]} requests were cut off, {found.unread} refused unread.",
        f"{found.lines:,} lines of sentences, {found.cut_off_lines} of them of requests that were cut off,",
        f"and {found.other_lines} other lines in {found.files} files:",
        f"{found.missing} missing, {found.surplus} too many, {found.unreadable} unreadable,",
        f"{found.contrary} that contradict the answer.",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the request log under load, rotation and restarts."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.request_log", description=main.__doc__)
    parser.add_argument("--requests", type=int, default=200_000, help="how many are to be answered (200000)")
    add_options(parser, _DEFAULTS, Path("build/request_log"))
    options = parser.parse_args(arguments)
    plan = Plan.of(options, options.requests)
    if not options.servable.is_dir():
        print(f"request_log: {options.servable} does not exist; `make export` creates models/bert_mlm", file=sys.stderr)
        return 1
    work: Path = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with started(options.servable, work, options.flags) as server:
            begun = time.monotonic()
            found, gateways = run(plan, server.grpc, work)
            seconds = time.monotonic() - begun
    except (StartError, OSError, HTTPException, subprocess.TimeoutExpired) as error:
        print(f"request_log: {error}", file=sys.stderr)
        return 1
    print(summary(plan, found, gateways, seconds))
    return 0 if found.is_flawless and found.answered >= plan.requests else 1


if __name__ == "__main__":
    sys.exit(main())
