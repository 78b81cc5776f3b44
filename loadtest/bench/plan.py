"""Plans of a full run and a quick smoke test."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from loadtest.bench.measure import Measurement
from loadtest.bench.systems import Target
from loadtest.bench.workloads import ONE_TOKENS, Encode, Workload, mixed, of_count, of_length
from loadtest.questions import full_logits

_WARM_UP = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run.

    Attributes:
        rounds: number of rounds, each with every measurement.
        seconds: duration for the mixed sentences over several connections, after a warm-up of a quarter of it.
        single_seconds: the same for one length or one number of sentences.
        connections: numbers of connections.
        lengths: sentences' lengths in tokens.
        counts: numbers of sentences in one request.
        engine_rounds: number of runs of each engine.
        agreement: number of sentences on which the systems' answers are compared.
    """

    rounds: int
    seconds: float
    single_seconds: float
    connections: tuple[int, ...]
    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    engine_rounds: int
    agreement: int

    def measurements(self, targets: Collection[Target], encode: Encode) -> list[Measurement]:
        """Return the measurements of a round, by workload, then target.

        Single lengths and counts are measured for rivals, gateway and gRPC only, and not for full logits, where 512
        tokens are 43 MB.
        """
        sentences = mixed(encode)
        single = [one for one in targets if one.protocol in {"text", "grpc"} and one.question is not full_logits]
        ours = [target for target in single if target.question is not None]
        lengths = [of_length(encode, tokens) for tokens in self.lengths]
        counts = [of_count(encode, count) for count in self.counts if count > 1 or ONE_TOKENS not in self.lengths]
        return [
            *(self._busy(target, sentences, count) for count in self.connections for target in targets),
            *self._single(single, lengths),
            *self._single(ours, counts),
        ]

    def _busy(self, target: Target, workload: Workload, connections: int) -> Measurement:
        return Measurement(target, workload, connections, self.seconds * _WARM_UP, self.seconds)

    def _single(self, targets: Collection[Target], workloads: Sequence[Workload]) -> list[Measurement]:
        warm_up_s = self.single_seconds * _WARM_UP
        return [
            Measurement(target, workload, 1, warm_up_s, self.single_seconds)
            for workload in workloads
            for target in targets
        ]


FULL = Plan(
    rounds=3,
    seconds=4,
    single_seconds=1.5,
    connections=(1, 4, 8, 16),
    lengths=(8, 16, 32, 64, 128, 256, 512),
    counts=(1, 2, 4, 8, 10, 16, 32, 64),
    engine_rounds=200,
    agreement=50,
)
QUICK = Plan(
    rounds=1,
    seconds=0.6,
    single_seconds=0.4,
    connections=(1, 16),
    lengths=(16, 64),
    counts=(1, 10),
    engine_rounds=20,
    agreement=8,
)
