"""Run the faults under load, phase by phase."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from loadtest.fleet.plan import Plan
from loadtest.fleet.report import Outcome, Phase, is_fair, shares
from loadtest.fleet.servers import FleetServer

_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault and its end.

    Attributes:
        title: what happens, for the report.
        disturb: begins it.
        restore: ends it.
        is_silent: whether a server cannot answer meanwhile.
        is_rolling: whether it happens to all servers, one after another, and not only to the first.
    """

    title: str
    disturb: Callable[[FleetServer], None]
    restore: Callable[[FleetServer], None]
    is_silent: bool = False
    is_rolling: bool = False


def _nothing(_: FleetServer) -> None:
    pass


SCENARIOS = {
    "stop": Scenario(
        "server 1 stopped with SIGTERM and started again", FleetServer.stop, FleetServer.start, is_silent=True
    ),
    "kill": Scenario("server 1 killed and started again", FleetServer.kill, FleetServer.start, is_silent=True),
    "cut": Scenario(
        "server 1 cut off, its packets dropped", FleetServer.cut_off, FleetServer.reconnect, is_silent=True
    ),
    "slow": Scenario("server 1 slowed to 20 % of its time", FleetServer.slow_down, FleetServer.speed_up),
    "roll": Scenario("all rolled to the next version, one after another", FleetServer.roll, _nothing, is_rolling=True),
}


@dataclass(slots=True)
class Recorder:
    """Record phases with the servers' counts of answers."""

    servers: Sequence[FleetServer]
    phases: list[Phase] = field(default_factory=list)

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Record the block as a phase."""
        begun, before = time.monotonic(), self.answered()
        yield
        after = self.answered()
        self.phases.append(Phase(title, begun, time.monotonic(), since(before, after)))

    def answered(self) -> tuple[int, ...]:
        """Return each server's count of answers."""
        return tuple(server.answered() for server in self.servers)


def since(before: Sequence[int], after: Sequence[int]) -> tuple[int, ...]:
    """Return the answers between two counts.

    A smaller count is that of a restarted server.
    """
    return tuple(now - then if now >= then else now for then, now in zip(before, after, strict=True))


def run_scenario(name: str, servers: Sequence[FleetServer], plan: Plan) -> Outcome:
    """Run a scenario under load, without its calls.

    Raises:
        StartError: a server did not start or roll.
    """
    scenario = SCENARIOS[name]
    recorder = Recorder(servers)
    targets = servers if scenario.is_rolling else servers[:1]
    with recorder.phase("before"):
        time.sleep(plan.seconds)
    with recorder.phase("during"):
        for server in targets:
            scenario.disturb(server)
            time.sleep(plan.fault_s / len(targets))
    with recorder.phase("restoring"):
        for server in targets:
            scenario.restore(server)
        restored_s = _wait_until_fair(recorder, plan.restore_s)
    with recorder.phase("after"):
        time.sleep(plan.seconds)
    return Outcome(name, scenario.title, tuple(recorder.phases), scenario.is_silent, restored_s)


def _wait_until_fair(recorder: Recorder, limit_s: float) -> float | None:
    """Return the seconds until all servers have their share.

    The share is that of one second. None is longer than the limit.
    """
    begun = time.monotonic()
    before = recorder.answered()
    while time.monotonic() - begun < limit_s:
        time.sleep(_WINDOW_S)
        after = recorder.answered()
        if is_fair(shares(since(before, after))):
            return time.monotonic() - begun - _WINDOW_S
        before = after
    return None
