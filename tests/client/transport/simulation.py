"""Simulated calls with scripted servers and a virtual clock."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bert_mlm_client.errors import BertMlmError
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.transport.balance import Balancer, Server
from bert_mlm_client.transport.calls import Ask, Close, Pause, Probe, call
from bert_mlm_client.transport.retry import Budget, Retry


def longest(_: float, limit: float) -> float:
    """Return the upper bound in place of a random number."""
    return limit


@dataclass
class Scripted:
    """A server that answers with its name, or its error, after a delay."""

    name: str
    error: BertMlmError | None = None
    takes_s: float = 0.0
    asked: int = 0
    timeouts: list[float] = field(default_factory=list)
    is_closed: bool = False


@dataclass
class World:
    """Virtual time, servers by address, and one client's balancer."""

    now: float = 1000.0
    servers: dict[str, Scripted] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)
    probes: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def connect(self, servable: Servable) -> Scripted:
        return self.servers.setdefault(servable.connect_to, Scripted(servable.connect_to))

    def balancer(self, *urls: str) -> Balancer[Scripted]:
        servables = [Servable.parse(url, model="m", version=None) for url in urls]
        return Balancer(servables, self.connect, clock=self.clock, uniform=lambda low, _: low)

    def ask(
        self,
        balancer: Balancer[Scripted],
        retry: Retry | None = None,
        budget: Budget | None = None,
        timeout: float = 10.0,
    ) -> str:
        """Run one call."""
        budget = budget or Budget(retry or Retry())
        steps = call(balancer, retry, budget, timeout, clock=self.clock, uniform=longest)
        try:
            step = next(steps)
            while True:
                match step:
                    case Ask(server, seconds):
                        server.asked += 1
                        server.timeouts.append(seconds)
                        self.now += min(server.takes_s, seconds)
                        step = steps.throw(server.error) if server.error else steps.send(server.name)
                        continue
                    case Pause(seconds):
                        self.pauses.append(seconds)
                        self.now += seconds
                    case Probe(probed):
                        self.probe(balancer, probed)
                    case Close(server):
                        server.is_closed = True
                step = next(steps)
        except StopIteration as stop:
            answer: str = stop.value
            return answer

    def probe(self, balancer: Balancer[Scripted], server: Server[Scripted]) -> None:
        self.probes.append(server.transport.name)
        balancer.probed(server, is_available=server.transport.error is None)

    def shares(self, balancer: Balancer[Scripted], calls: int) -> dict[str, int]:
        """Return the number of calls that each server answered."""
        answers = [self.ask(balancer, Retry()) for _ in range(calls)]
        return {name: answers.count(name) for name in self.servers}

    def __iter__(self) -> Iterator[Scripted]:
        return iter(self.servers.values())
