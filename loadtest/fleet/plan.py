"""Define the size of a run and its options."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

from bert_mlm_client.transport.balance import LONGEST_PAUSE_S
from bert_mlm_client.transport.resilient import PROBE_S

MAX_SERVERS = 9


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run.

    Attributes:
        servers: number of servers.
        connections: connections through the gateway, and as many of the client.
        rate: calls a second through the gateway, and as many of the client.
        timeout_s: deadline of a call, for the client and for the gateway's requests.
        seconds: duration of the phases before and after a fault.
        fault_s: duration of a fault.
        restore_s: time limit until all servers have their share again.
        budget: failed calls allowed in each scenario.
    """

    servers: int = 3
    connections: int = 8
    rate: float = 40.0
    timeout_s: float = 10.0
    seconds: float = 10.0
    fault_s: float = 20.0
    restore_s: float = 2 * (LONGEST_PAUSE_S + PROBE_S)  # a probe may fail just after the server is back
    budget: int = 0

    @classmethod
    def parse(cls, options: argparse.Namespace) -> Self:
        """Create the plan from the options of `add_options`.

        Raises:
            ValueError: a value is out of range.
        """
        plan = cls(**{field.name: getattr(options, field.name) for field in fields(cls)})
        if not 2 <= plan.servers <= MAX_SERVERS:
            msg = f"--servers is {plan.servers}; give 2 to {MAX_SERVERS}"
            raise ValueError(msg)
        for name in ("connections", "rate", "timeout_s", "seconds", "fault_s", "restore_s"):
            if getattr(plan, name) <= 0:
                msg = f"--{name.replace('_', '-')} is {getattr(plan, name):g}; give more than 0"
                raise ValueError(msg)
        if plan.budget < 0:
            msg = f"--budget is {plan.budget}; give 0 or more"
            raise ValueError(msg)
        return plan


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the plan with its defaults."""
    plan = Plan()

    def add(name: str, about: str) -> None:
        default = getattr(plan, name)
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(default), default=default, help=f"{about} ({default:g})")

    add("servers", "number of servers")
    add("connections", "connections through the gateway, and as many of the client")
    add("rate", "calls a second through the gateway, and as many of the client")
    add("timeout_s", "deadline of a call")
    add("seconds", "duration of the phases before and after a fault")
    add("fault_s", "duration of a fault")
    add("restore_s", "time limit until all servers have their share again")
    add("budget", "failed calls allowed in each scenario")


def parse_names(given: str, known: Sequence[str]) -> list[str]:
    """Return the names of a comma-separated list.

    Raises:
        ValueError: one is unknown, or there is none.
    """
    names = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        what = f"no scenario {unknown[0]!r}" if unknown else "no scenario given"
        msg = f"{what}; choose from {', '.join(known)}"
        raise ValueError(msg)
    return names
