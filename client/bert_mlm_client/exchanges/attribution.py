"""Weigh the parts of a text by what an answer loses without them, or by attention."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bert_mlm_client.errors import InputError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.likelihood import Step, fill_steps, log_probabilities
from bert_mlm_client.exchanges.rows import Row, attention
from bert_mlm_client.tokens import Span

MAX_EXPLANATION_ROWS = 2048
"""Limit of the rows that an explanation asks for: a word of four tokens in the longest text takes as many."""

SILENT = 0.1
"""Attention to the text below this share of what uniform attention would give says nothing about the text."""


class Part(NamedTuple):
    """What an answer may lean on: a token of the text, or the word in another gap.

    Attributes:
        positions: where in the row it stands.
        token_str: its text.
        span: its place in the caller's text.
    """

    positions: tuple[int, ...]
    token_str: str
    span: Span


class Subject(NamedTuple):
    """An answer to explain.

    Attributes:
        input_ids: the row that it answers, with masks where it stands.
        positions: these masks.
        tokens: a token for each of them.
        context: what it may lean on, in the text's order.
    """

    input_ids: tuple[int, ...]
    positions: tuple[int, ...]
    tokens: tuple[int, ...]
    context: tuple[Part, ...]

    def steps(self, hidden: Sequence[int] = ()) -> list[Step]:
        """Return what to ask for the answer's log-likelihood, with some more of the row masked."""
        ids = list(self.input_ids)
        for position in hidden:
            ids[position] = self.input_ids[self.positions[0]]
        return list(fill_steps(ids, self.positions, self.tokens))


class Weights(NamedTuple):
    """The weight of each part of a subject's context, and what a reader must know about them."""

    values: list[float]
    note: str | None = None


def occlusion(subjects: Sequence[Subject], known: list[float] | None) -> Exchange[tuple[list[float], list[Weights]]]:
    """Ask what each answer loses without each part of its context, in one round trip.

    Args:
        subjects: the answers.
        known: their log-likelihoods, if known.

    Returns:
        The answers' log-likelihoods, and their weights.

    Raises:
        InputError: it takes too many rows.
    """
    _check_rows(subjects)
    whole = [subject.steps() for subject in subjects] if known is None else []
    without = [subject.steps(part.positions) for subject in subjects for part in subject.context]
    found = iter((yield from _log_likelihoods([*whole, *without])))
    logs = [next(found) for _ in subjects] if known is None else known
    return logs, [
        Weights([log - next(found) for _ in subject.context]) for subject, log in zip(subjects, logs, strict=True)
    ]


def last_attention(
    subjects: Sequence[Subject], known: list[float] | None
) -> Exchange[tuple[list[float], list[Weights]]]:
    """Ask how much the last layer attends to each part from each answer's masks; see `occlusion`."""
    logs = known
    if logs is None:
        logs = yield from _log_likelihoods([subject.steps() for subject in subjects])
    asked: dict[tuple[int, ...], list[int]] = {}
    for subject in subjects:
        asked.setdefault(subject.input_ids, []).extend(subject.positions)
    answers = yield from attention([Row(ids, tuple(positions)) for ids, positions in asked.items()])
    attended = {
        (ids, position): weights
        for (ids, positions), answer in zip(asked.items(), answers, strict=True)
        for position, weights in zip(positions, answer, strict=False)
    }
    return logs, [
        _attention_weights(subject, [attended[subject.input_ids, position] for position in subject.positions])
        for subject in subjects
    ]


def _log_likelihoods(answers: Sequence[Sequence[Step]]) -> Exchange[list[float]]:
    """Ask for the log-likelihood of each answer, the sum over its steps, in one round trip."""
    logs = iter((yield from log_probabilities([step for steps in answers for step in steps])))
    return [sum(next(logs) for _ in steps) for steps in answers]


def _check_rows(subjects: Sequence[Subject]) -> None:
    """Check how many rows occlusion takes, before they are made.

    Raises:
        InputError: they are too many.
    """
    # The first tokens of answers to the same row share it, and each further token has a row with those before it.
    first = {subject.input_ids: 1 + len(subject.context) for subject in subjects}
    further = [(len(subject.tokens) - 1) * (1 + len(subject.context)) for subject in subjects]
    rows = sum(first.values()) + sum(further)
    if rows > MAX_EXPLANATION_ROWS:
        msg = (
            f"the explanation takes {rows} rows, and {MAX_EXPLANATION_ROWS} are the limit; shorten the text, or ask "
            "about fewer [MASK]s at a time"
        )
        raise InputError(msg)


def _attention_weights(subject: Subject, attended: Sequence[NDArray[np.float32]]) -> Weights:
    """Return the mean attention to each part, with a note if the text has next to none of it."""
    mean = np.mean(attended, axis=0)
    values = [float(mean[list(part.positions)].sum()) for part in subject.context]
    on_text = sum(values)
    uniform = sum(len(part.positions) for part in subject.context) / len(subject.input_ids)
    if on_text >= SILENT * uniform:
        return Weights(values)
    note = (
        f"{1 - on_text:.1%} of the last layer's attention rests on [CLS], [SEP] and [MASK], so these weights say "
        "nothing about the text; explain by occlusion"
    )
    return Weights(values, note)
