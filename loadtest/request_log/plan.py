"""Define the size of a run and its options."""

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run.

    Attributes:
        requests: number of answers to collect.
        connections: number of concurrent connections.
        processes: number of load processes.
        terminate_s: uptime of each gateway before its SIGTERM.
        max_bytes: the size at which the log is rotated.
        limit_s: time limit of the run.
    """

    requests: int
    connections: int
    processes: int
    terminate_s: float
    max_bytes: int
    limit_s: float

    @classmethod
    def of(cls, options: argparse.Namespace, requests: int) -> "Plan":
        """Create the plan from the options of ``add_options``."""
        names = ("connections", "processes", "terminate_s", "max_bytes", "limit_s")
        return cls(requests, **{name: getattr(options, name) for name in names})


def add_options(parser: argparse.ArgumentParser, defaults: Plan, work: Path) -> None:
    """Add the options of the load, model and folder.

    Args:
        parser: the command's parser.
        defaults: the defaults of the load's options.
        work: the default of ``--work``.
    """

    def add(name: str, default: float, about: str) -> None:
        parser.add_argument(name, type=type(default), default=default, help=f"{about} ({default:g})")

    add("--connections", defaults.connections, "how many at once")
    add("--processes", defaults.processes, "of the clients")
    add("--terminate-s", defaults.terminate_s, "how long each gateway serves")
    add("--max-bytes", defaults.max_bytes, "size at which the log is rotated")
    add("--limit-s", defaults.limit_s, "when to stop in any case")
    parser.add_argument("--servable", type=Path, default=Path("models/bert_mlm"), help="its newest version is served")
    parser.add_argument("--work", type=Path, default=work, help="where log and output go")
    parser.add_argument("flags", nargs="*", default=["--engine=onnx"], help="the server's, after -- (--engine=onnx)")
