"""Print answers as tables."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bert_mlm_client.cli import verbs
from bert_mlm_client.cli.hints import message_of
from bert_mlm_client.errors import BertMlmError
from bert_mlm_client.results import (
    Classification,
    Explanation,
    Features,
    Filling,
    ModelStatus,
    Prediction,
    Proofreading,
    Similarity,
    VersionStatus,
)
from bert_mlm_client.texts import TextPair

_BAR = 20
"""Width of the bar of the largest weight, in characters."""

_SHOWN = 0.00005
"""Smallest weight with a bar. Less is 0.0000 at four decimals: noise, even where it is the largest weight."""

_UNWRAPPED = 10_000
"""Width of a table that is not on a terminal, in columns."""

_FIRST = 4
"""Number of a vector's elements that are shown."""


class Tables:
    """Print the answers of one command to standard output."""

    def __init__(self, command: str) -> None:
        self._build = _BUILDERS[command]
        self._titled = command not in {verbs.SIMILARITY, verbs.FEATURES}  # these have the texts in their rows
        # rich wraps at 80 columns in a file or pipe, where lines may have any length.
        self._console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _UNWRAPPED)

    def show(self, question: Any, answer: Any, *, titled: bool = False) -> None:
        """Print one answer, with its text as title if asked."""
        title = titled and self._titled
        if title:
            self._console.print(Text(_title(question), style="bold"))
        for table in self._build(question, answer):
            self._console.print(table)
        if title:
            self._console.print()


def _title(question: Any) -> str:
    if isinstance(question, TextPair):
        return f"{question.text} | {question.text_pair}"
    return question if isinstance(question, str) else str(question[0])


def _fill(question: Any, answer: Any) -> Iterable[RenderableType]:
    """Show candidates, or with --joint and --targets whole words."""
    if answer and isinstance(answer[0], Filling):
        return _score(question, answer)
    masks = answer if answer and isinstance(answer[0], list) else [answer]
    return [_predictions(masks)]


def _predictions(masks: Sequence[Sequence[Prediction]]) -> Table:
    """Show the candidates, numbered by mask if there are several."""
    several = len(masks) > 1
    table = _table(
        *([("mask", "right")] if several else []), ("score", "right"), ("token", "left"), ("sequence", "left")
    )
    for number, candidates in enumerate(masks, 1):
        for rank, candidate in enumerate(candidates):
            mask = [str(number) if rank == 0 else ""] if several else []
            cells = [*mask, f"{candidate.score:.4f}", candidate.token_str, candidate.sequence]
            _add(table, cells, end_section=rank == len(candidates) - 1)
    return table


def _score(_: Any, fillings: Sequence[Filling]) -> Iterable[RenderableType]:
    table = _table(("score", "right"), ("words", "left"), ("sequence", "left"))
    for filling in fillings:
        _add(table, [f"{filling.score:.4f}", filling.token_str, filling.sequence])
    return [table]


def _similarity(pair: tuple[str, str], similarity: Similarity) -> Iterable[RenderableType]:
    table = _table((similarity.measure, "right"), ("a", "left"), ("b", "left"))
    _add(table, [f"{similarity.score:.4f}", *pair])
    return [table]


def _classify(_: Any, labels: Sequence[Classification]) -> Iterable[RenderableType]:
    table = _table(("score", "right"), ("label", "left"))
    for each in labels:
        _add(table, [f"{each.score:.4f}", each.label])
    return [table]


def _features(text: str, features: Features) -> Iterable[RenderableType]:
    table = _table(
        ("vector", "left"), ("size", "right"), ("norm", "right"), ("first numbers", "left"), ("text", "left")
    )
    for name in ("cls", "mean", "whitened"):
        vector = getattr(features, name)
        if vector is not None:
            norm = float(vector @ vector) ** 0.5
            first = " ".join(f"{number:+.4f}" for number in vector[:_FIRST])
            _add(table, [name, str(len(vector)), f"{norm:.4f}", f"{first} …", text if name == "cls" else ""])
    return [table]


def _explain(_: Any, answer: Explanation | Sequence[Explanation]) -> Iterable[RenderableType]:
    for explanation in [answer] if isinstance(answer, Explanation) else answer:
        prediction = explanation.prediction
        yield Text(f"{prediction.token_str}  {prediction.score:.4f}  {prediction.sequence}")
        yield _weights(explanation) if explanation.note is None else Text(explanation.note)


def _proofread(_: Any, answer: Proofreading) -> Iterable[RenderableType]:
    if not answer.suspects:
        return [Text("no suspects")]
    table = _table(("start", "right"), ("character", "left"), ("score", "right"), ("suggestions", "left"))
    for suspect in answer.suspects:
        suggestions = "  ".join(f"{one.token_str} {one.score:.4f}" for one in suspect.suggestions)
        _add(table, [str(suspect.start), suspect.token_str, f"{suspect.score:.4f}", suggestions])
    return [table]


def _weights(explanation: Explanation) -> Table:
    table = _table(("weight", "right"), ("token", "left"), ("", "left"))
    most = max((abs(weight.weight) for weight in explanation.weights), default=0.0) or 1.0
    for weight in explanation.weights:
        bar = "█" * round(weight.weight / most * _BAR) if weight.weight >= _SHOWN else ""
        _add(table, [f"{weight.weight:+.4f}", weight.token_str, bar])
    return table


def _status(_: Any, answer: ModelStatus | Sequence[tuple[str, ModelStatus | BertMlmError]]) -> Iterable[RenderableType]:
    """Show the versions, grouped by address if there are several."""
    several = not isinstance(answer, ModelStatus)
    table = _table(
        *([("address", "left")] if several else []), ("version", "right"), ("state", "left"), ("error", "left")
    )
    for address, status in [("", answer)] if isinstance(answer, ModelStatus) else answer:
        rows = (
            [("", "", message_of(status))] if isinstance(status, BertMlmError) else list(map(_version, status.versions))
        )
        for number, row in enumerate(rows or [("", "", "no version")]):
            where = [address if number == 0 else ""] if several else []
            _add(table, [*where, *row], end_section=number == len(rows) - 1)
    return [table]


def _version(version: VersionStatus) -> tuple[str, str, str]:
    error = f"{version.error_code} {version.error_message}".removeprefix("OK").strip()
    return str(version.version), version.state, error


_BUILDERS: Mapping[str, Callable[[Any, Any], Iterable[RenderableType]]] = {
    verbs.FILL: _fill,
    verbs.SCORE: _score,
    verbs.SIMILARITY: _similarity,
    verbs.FEATURES: _features,
    verbs.EXPLAIN: _explain,
    verbs.PROOFREAD: _proofread,
    verbs.CLASSIFY: _classify,
    verbs.STATUS: _status,
}


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name, side in columns:
        table.add_column(name, justify="right" if side == "right" else "left", overflow="fold")
    return table


def _add(table: Table, cells: Sequence[str], *, end_section: bool = False) -> None:
    """Add a row of plain text."""
    # Text, not str: rich would parse [red] in a sentence as a colour.
    table.add_row(*map(Text, cells), end_section=end_section)
