"""Draw the results of a run for the README."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtest.bench.results import Results, Row
from loadtest.bench.workloads import MIXED, length_name

_STYLES = {  # label: colour, marker, name in the legend
    "flask-1": ("#8c8c8c", "v", "Flask + ONNX Runtime fp32, one thread a worker"),
    "flask-default": ("#525252", "^", "Flask + ONNX Runtime fp32, a thread a core and worker"),
    "fastapi": ("#c7a76c", "s", "FastAPI + transformers pipeline"),
    "logits gRPC": ("#9ecae1", "D", "this server, tensorflow, full logits, gRPC"),
    "tensorflow gRPC": ("#2171b5", "o", "this server, tensorflow, fill_mask, gRPC"),
    "bf16 gRPC": ("#08306b", "P", "this server, tensorflow bf16-compute, fill_mask, gRPC"),
    "onnx REST": ("#fb6a4a", "x", "this server, onnx int8, fill_mask, REST"),
    "onnx gRPC": ("#cb181d", "o", "this server, onnx int8, fill_mask, gRPC"),
    "gateway": ("#54278f", "*", "the gateway before it, JSON, request log on"),
    "one process": ("#9e9ac8", "h", "the gateway with that engine in its process"),
}
_SYSTEM_STYLE = {
    "tensorflow": "tensorflow gRPC",
    "bf16": "bf16 gRPC",
    "onnx": "onnx gRPC",
    "one-process": "one process",
}


def draw(results: Results, path: Path) -> None:
    """Draw throughput, tail latency, latency by length, memory and start."""
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(2, 2, figsize=(12, 8.4), layout="constrained")
    connections = results.settings["connections"]
    mixed = {label: [results.find(label, MIXED, count) for count in connections] for label in _STYLES}
    _lines(axes[0, 0], connections, mixed, "requests_per_s")
    _label(axes[0, 0], "Requests a second (higher is better)", "connections", connections)
    _lines(axes[0, 1], connections, mixed, "p95_ms")
    _label(axes[0, 1], "95th percentile, ms (lower is better)", "connections", connections)
    lengths = results.settings["lengths"]
    by_length = {label: [results.find(label, length_name(tokens)) for tokens in lengths] for label in _STYLES}
    _lines(axes[1, 0], lengths, by_length, "p50_ms")
    _label(axes[1, 0], "Median of one sentence, ms (lower is better)", "tokens in the sentence", lengths)
    _bars(axes[1, 1], results)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    machine = results.machine
    figure.suptitle(
        f"Chinese fill-mask, {results.settings['title']}, {machine['cores']} cores of {machine['processor']}"
    )
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _lines(axis: Any, places: Sequence[int], rows: dict[str, list[Row | None]], figure: str) -> None:
    for label, found in rows.items():
        points = [(place, getattr(row, figure)) for place, row in zip(places, found, strict=True) if row is not None]
        if not points:
            continue
        colour, marker, name = _STYLES[label]
        at, spreads = [place for place, _ in points], [spread for _, spread in points]
        axis.plot(at, [spread.median for spread in spreads], color=colour, marker=marker, label=name)
        low, high = [spread.low for spread in spreads], [spread.high for spread in spreads]
        axis.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)


def _label(axis: Any, title: str, across: str, places: Sequence[int]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_title(title, loc="left")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(places, [str(place) for place in places])
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(across)
    axis.grid(visible=True, which="both", axis="y", alpha=0.2)


def _bars(axis: Any, results: Results) -> None:
    names = list(results.systems)[::-1]
    sizes = [results.systems[name].pss_mb for name in names]
    colours = [_STYLES[_SYSTEM_STYLE.get(name, name)][0] for name in names]
    bars = axis.barh(names, sizes, color=colours)
    texts = [
        f" {size:,.0f} MB, up in {results.systems[name].start_s:.1f} s" for name, size in zip(names, sizes, strict=True)
    ]
    axis.bar_label(bars, texts)
    axis.set_title("Memory after load, MB, and time to the first answer", loc="left")
    axis.set_xlim(0, max(sizes) * 1.45)
    axis.set_xlabel("PSS of all processes, MB")
