"""End a Locust run as soon as each kind of request was sent often enough.

locust -f loadtest/locustfile.py,tests/loadtest/stop_early.py --enough "REST fill_mask=6"
"""

from threading import Thread
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment


@events.init_command_line_parser.add_listener
def _add_options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--enough", action="append", default=[], help="NAME=COUNT; repeat for several")


@events.init.add_listener
def _stop_early(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    wanted = dict(each.rsplit("=", 1) for each in options.enough) if options is not None else {}
    runner = environment.runner
    if not wanted or runner is None:
        return

    def count(**_: Any) -> None:
        sent = {entry.name: entry.num_requests for entry in environment.stats.entries.values()}
        if all(sent.get(kind, 0) >= int(least) for kind, least in wanted.items()):
            wanted.clear()
            environment.events.request.remove_listener(count)
            Thread(target=runner.quit).start()  # a greenlet of its own: it kills the user's

    environment.events.request.add_listener(count)
