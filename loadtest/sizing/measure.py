"""Measure the closed loops of the one-process gateway."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from loadtest.bench.checkpoint import DEMO, ensure_checkpoint
from loadtest.bench.machine import processor
from loadtest.processes import ROOT
from loadtest.sentences import masked_sentences, text_of
from loadtest.sizing.errors import SizingError
from loadtest.sizing.measured import Point, Series
from loadtest.sizing.replica import MODEL, Replica, check_cores, closed_loop, run_replica

SYSTEM = "one-process"
MODELS = ("demo", "bert-base")
CONNECTIONS = (1, 2, 3, 4, 6, 8, 16, 32)
LENGTHS = (8, 32, 64, 126)
"""Lengths in tokens beside that of the mixed sentences; models/demo takes 128 at most."""

_SENTENCES = 240

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of a mean length in tokens."""

    tokens: float
    texts: tuple[str, ...]


def mixed_texts() -> Texts:
    """Return real sentences with their mean length."""
    tokenizer = Tokenizer(Vocabulary.read(DEMO / "vocab.txt"), TokenizerConfig(do_lower_case=True, max_length=128))
    texts = masked_sentences(_SENTENCES)
    return Texts(round(sum(len(tokenizer.encode(text).input_ids) for text in texts) / len(texts), 1), texts)


def all_texts() -> list[Texts]:
    """Return the mixed sentences and one text of each length."""
    return [mixed_texts(), *(Texts(tokens, (text_of(tokens - 2),)) for tokens in LENGTHS)]


def export_model(model: str, folder: Path) -> Path:
    """Export a model and return the folder of its versions.

    Raises:
        SizingError: the export failed, or the model is unknown.
    """
    if model not in MODELS:
        msg = f"unknown model {model}; choose from {', '.join(MODELS)}"
        raise SizingError(msg)
    checkpoint = DEMO if model == "demo" else ensure_checkpoint(folder / "checkpoint")
    output = ("--name", MODEL, "--version", "1", "--output", str(folder / model))
    command = [sys.executable, "-m", "export", "--model", str(checkpoint), *output]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        msg = f"exporting {model} failed: {done.stderr.strip().splitlines()[-1]}"
        raise SizingError(msg)
    return folder / model / MODEL


def closed_loops(replica: Replica, texts: Texts, seconds: float) -> list[Point]:
    """Measure every number of connections once."""
    return [closed_loop(replica, texts.texts, number, seconds) for number in CONNECTIONS]


def series_of(model: str, texts: Texts, cores: int, memory_mb: float, rounds: Sequence[Sequence[Point]]) -> Series:
    """Return the medians of the rounds."""
    points = []
    for number, found in zip(CONNECTIONS, zip(*rounds, strict=True), strict=True):
        points.append(
            Point(
                number,
                median(one.requests_per_s for one in found),
                median(one.p50_ms for one in found),
                median(one.p95_ms for one in found),
                median(one.cpu_ms for one in found),
                median(one.loop_ms for one in found),
            )
        )
    source = f"{datetime.now(UTC).date().isoformat()}, {processor()}, python -m loadtest.sizing --measure"
    return Series(SYSTEM, model, texts.tokens, cores, memory_mb, source, tuple(points))


def measure(models: Sequence[str], cores: int, rounds: int, seconds: float, say: Say) -> list[Series]:
    """Measure models with every length.

    Raises:
        SizingError: no core is left for the load generator, or a request failed.
    """
    check_cores(cores)
    found = []
    with tempfile.TemporaryDirectory(prefix="sizing-") as work:
        for model in models:
            say(f"exporting {model}")
            servable = export_model(model, Path(work))
            with run_replica(servable, cores, Path(work, f"{model}-run")) as replica:
                for texts in all_texts():
                    points = [closed_loops(replica, texts, seconds) for _ in range(rounds)]
                    found.append(series_of(model, texts, cores, replica.memory_mb, points))
                    say(f"{model}, {texts.tokens:g} tokens: {_shown(found[-1])}")
    return found


def _shown(series: Series) -> str:
    return ", ".join(f"{one.requests_per_s:.0f}/s over {one.connections}" for one in series.points)
