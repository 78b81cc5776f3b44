"""Locust users and pass criteria (``make load``, ``locust -f loadtest/locustfile.py``)."""

import logging
import math
import sys
from typing import Any

from bert_mlm_client import BertMlmError
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtest.users.gateway import GatewayUser
from loadtest.users.grpc import GrpcUser
from loadtest.users.rest import RestUser

__all__ = ["GatewayUser", "GrpcUser", "RestUser"]

RATE_KEPT = 0.95
"""Least share of ``--rate`` that must be sent, apart from chance; below it there were too few users."""


@events.init_command_line_parser.add_listener
def _add_options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--grpc", default="grpc://127.0.0.1:8500", help="address of the gRPC API; --host is REST's")
    parser.add_argument("--gateway", default="", help="address of the gateway; empty for a run without it")
    parser.add_argument("--model", default="bert_mlm", help="name of the model")
    parser.add_argument("--rate", type=float, default=0, help="requests/s over all users; 0 is without pause")
    parser.add_argument("--p95-ms", type=float, default=0, help="fail above this 95th percentile; 0 is no limit")


@events.init.add_listener
def _prepare(environment: Environment, **_: Any) -> None:
    """Fetch the vocabulary and build the requests before users start."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # Locust enables the log messages of every library
    options = environment.parsed_options
    if options is not None and not options.gateway and GatewayUser in environment.user_classes:
        environment.user_classes.remove(GatewayUser)
        if not environment.user_classes:
            sys.exit("load: GatewayUser needs the gateway's address; give --gateway http://127.0.0.1:8000")
    try:
        for user in environment.user_classes:
            user.prepare(options)
    except (BertMlmError, ConnectionError) as error:
        sys.exit(f"load: {error}")


@events.quitting.add_listener
def _judge(environment: Environment, **_: Any) -> None:
    """Print the missed criteria and set the exit status."""
    if isinstance(environment.runner, WorkerRunner):
        return
    missed = faults(environment)
    for sentence in missed:
        print(f"load: {sentence}")
    environment.process_exit_code = 1 if missed else 0


def faults(environment: Environment) -> list[str]:
    """Return a message for each criterion that a run missed."""
    options, total = environment.parsed_options, environment.stats.total
    if options is None or not total.num_requests:
        return ["no request was sent; check the address and the model's name"]
    missed = []
    if total.num_failures:
        missed.append(f"{total.num_failures} of {total.num_requests} requests failed")
    p95_ms = total.get_response_time_percentile(0.95)
    if options.p95_ms and p95_ms > options.p95_ms:
        missed.append(f"the 95th percentile is {p95_ms:.0f} ms, the limit {options.p95_ms:.0f} ms")
    due = options.rate * total.num_requests / total.total_rps if total.total_rps else 0.0
    if total.num_requests < RATE_KEPT * due - 3 * math.sqrt(due):  # a Poisson count's standard deviation
        missed.append(f"{total.total_rps:.1f} requests/s instead of {options.rate:.1f}; increase the number of users")
    return missed
