"""Write a run as Markdown tables."""

from collections.abc import Iterable, Sequence

from loadtest.bench.goals import judge
from loadtest.bench.results import Results, Row, Spread
from loadtest.bench.systems import TARGETS
from loadtest.bench.workloads import MIXED, count_name, length_name

_LENGTHS = "p50 in ms of one sentence by its number of tokens, over one connection."
_COUNTS = (
    "p50 in ms of one request by its number of sentences of 16 tokens each, over one connection. The rivals take one "
    "sentence a request."
)
_ENGINES = (
    "One sentence of 16 tokens with one [MASK], alternating in one run; every engine has a thread a core. `onnx "
    "client` and `onnx gateway` take text, the first in the measuring process. CTranslate2 runs the encoder alone, "
    "without a head. Peak memory is that of a process with the engine alone, Python included."
)
_CLIENT = (
    "The client's time in Python for parsing one answer down to its best token (for full logits with softmax and "
    "top-k over all tokens), not part of the figures above; and the share of sentences with the first system's best "
    "token."
)

_TITLES = {"rival": "ONNX Runtime fp32, full logits", "ctranslate2": "CTranslate2 int8, encoder alone"}

_TITLE = "# Side by side"
_INTRODUCTION = (
    "One run for each kind of processor, the newest. The kinds are not comparable with each other: only figures of one "
    "run are."
)


def merge(existing: str, results: Results) -> str:
    """Return a report with a run's section added or replaced.

    Args:
        existing: the report so far, with one section for each kind of processor; empty for the first one.
        results: the run.
    """
    sections = {}
    for section in f"\n{existing}".split("\n## ")[1:]:
        kind, _, body = section.partition("\n")
        sections[kind] = body.strip()
    sections[results.machine["processor"]] = markdown(results).strip()
    parts = [_TITLE, _INTRODUCTION, *(f"## {kind}\n\n{body}" for kind, body in sections.items())]
    return "\n\n".join(parts) + "\n"


def markdown(results: Results) -> str:
    """Return the section of one run."""
    lengths = [(str(tokens), length_name(tokens)) for tokens in results.settings["lengths"]]
    counts = [(str(count), count_name(count)) for count in results.settings["counts"]]
    parts = [_conditions(results)]
    parts += ["### Goals", _goals(results)]
    parts += ["### Systems", _systems(results)]
    parts += ["### Real sentences of mixed length", _mixed(results)]
    parts += ["### By length of the sentence", _LENGTHS, _by(results, lengths, "tokens")]
    parts += ["### By number of sentences in one request", _COUNTS, _by(results, counts, "sentences")]
    parts += ["### The engine alone, and the way there and back", _ENGINES, _engines(results)]
    parts += ["### The client's side", _CLIENT, _client(results)]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, right-aligned from the second column on."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _conditions(results: Results) -> str:
    """Return the conditions of the measurement as text."""
    machine, settings = results.machine, results.settings
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    instructions = ", ".join(machine.get("instruction_sets", ())) or "unknown"  # runs of older versions lack them
    return (
        f"Instruction sets: {instructions}.\n\n"
        f"{settings['date']}, {machine['cores']} cores of {machine['processor']}, {machine['memory_gb']} GB, "
        f"{machine['system']}. {versions}. {settings['checkpoint']}\n\n"
        f"{settings['sentences']} Every figure is the median of {settings['rounds']} rounds, {settings['seconds']:g} s "
        f"each for the mixed sentences and {settings['single_seconds']:g} s for the rest, after warm-up; in brackets "
        "the lowest and the highest round. The systems alternate within a round, and the others are idle. Closed loop: "
        "a connection sends the next request as soon as it has its answer. The load generator runs on the same cores. "
        "For this project's server the client tokenizes sentences beforehand; the rivals and the gateway tokenize "
        "themselves, and `onnx client` does so in the measured time. How to run and read this: [README.md](README.md)."
    )


def _goals(results: Results) -> str:
    rows = [
        [verdict.goal.text, _number(verdict.figure), f"{verdict.goal.sense} {verdict.limit:g}", str(verdict)]
        for verdict in judge(results)
    ]
    return table(["", "measured", "goal", ""], rows)


def _systems(results: Results) -> str:
    rows = [
        [
            name,
            figures.title,
            f"{figures.start_s:.1f}",
            f"{figures.rss_mb:.0f}",
            f"{figures.pss_mb:.0f}",
            f"{figures.idle_cpu_percent:.1f}",
        ]
        for name, figures in results.systems.items()
    ]
    return table(["", "what it is", "first answer after s", "RSS MB", "PSS MB", "idle CPU %"], rows)


def _mixed(results: Results) -> str:
    head = ["", "connections", "requests/s", "p50 ms", "p95 ms", "p99 ms", "bytes an answer", "errors"]
    rows = [row for row in results.rows if row.workload == MIXED]
    return table(head, [_mixed_row(row) for row in rows])


def _mixed_row(row: Row) -> list[str]:
    times = [_spread(spread) for spread in (row.requests_per_s, row.p50_ms, row.p95_ms, row.p99_ms)]
    size = f"{row.bytes_per_answer:,.0f}" if row.bytes_per_answer else "–"  # the client's answers are objects
    return [row.target, str(row.connections), *times, size, str(row.errors)]


def _by(results: Results, columns: Sequence[tuple[str, str]], unit: str) -> str:
    rows = []
    for label in TARGETS:
        found = [results.find(label, workload) for _, workload in columns]
        if sum(row is not None for row in found) > 1:
            rows.append([label, *["–" if row is None else _number(row.p50_ms.median) for row in found]])
    return table([unit, *[title for title, _ in columns]], rows)


def _engines(results: Results) -> str:
    rows = []
    for name, figures in results.engines.items():
        alone = results.engines.get(name.rpartition(" ")[0])
        beside = f"{figures['p50_ms'] - alone['p50_ms']:+.2f}" if alone else ""
        peak = f"{results.peak_mb[name]:.0f}" if name in results.peak_mb else ""
        rows.append([_TITLES.get(name, name), f"{figures['p50_ms']:.2f}", f"{figures['p95_ms']:.2f}", beside, peak])
    return table(["", "p50 ms", "p95 ms", "p50 beside its engine, ms", "peak MB"], rows)


def _client(results: Results) -> str:
    rows = []
    for label, share in results.agreement.items():
        taken = results.client_ms.get(label)
        rows.append([label, "–" if taken is None else f"{taken:.2f}", f"{share:.0%}"])
    return table(["", "ms an answer", "same best token"], rows)


def _spread(spread: Spread) -> str:
    return f"{_number(spread.median)} ({_number(spread.low)}–{_number(spread.high)})"


def _number(value: float | None) -> str:
    """Format a number with three digits or as an integer."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
