"""Compute the weights of a text's parts for an answer."""

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
"""Maximum number of rows of an explanation, enough for a word of four tokens in the longest text."""

MIN_ATTENTION_SHARE = 0.1
"""Attention to the text below this share of uniform attention is meaningless."""


class Part(NamedTuple):
    """Token of a text, or word in another gap.

    Attributes:
        positions: its positions in the row.
        token_str: its text.
        span: its span in the caller's text.
    """

    positions: tuple[int, ...]
    token_str: str
    span: Span


class Subject(NamedTuple):
    """Answer to explain.

    Attributes:
        input_ids: its row, with the answer masked.
        positions: the positions of these masks.
        tokens: a token for each of them.
        context: the parts to weigh, in the text's order.
    """

    input_ids: tuple[int, ...]
    positions: tuple[int, ...]
    tokens: tuple[int, ...]
    context: tuple[Part, ...]

    def steps(self, hidden: Sequence[int] = ()) -> list[Step]:
        """Return the steps of the answer's log-likelihood.

        ``hidden`` are additional positions to mask.
        """
        ids = list(self.input_ids)
        for position in hidden:
            ids[position] = self.input_ids[self.positions[0]]
        return list(fill_steps(ids, self.positions, self.tokens))


class Weights(NamedTuple):
    """Weights of a subject's context, with a warning if needed."""

    values: list[float]
    note: str | None = None


def occlusion(subjects: Sequence[Subject], known: list[float] | None) -> Exchange[tuple[list[float], list[Weights]]]:
    """Compute the weights by occlusion, in one round trip.

    A part's weight is the log-likelihood that the answer loses without it.

    Args:
        subjects: the answers.
        known: their log-likelihoods, if known.

    Returns:
        The answers' log-likelihoods, and their weights.

    Raises:
        InputError: the number of rows exceeds the limit.
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
    """Compute the weights by the last layer's attention.

    The attention is from the answer's masks to each part. Arguments as for `occlusion`.
    """
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
    """Return each answer's log-likelihood, in one round trip."""
    logs = iter((yield from log_probabilities([step for steps in answers for step in steps])))
    return [sum(next(logs) for _ in steps) for steps in answers]


def _check_rows(subjects: Sequence[Subject]) -> None:
    """Check the number of rows before building them.

    Raises:
        InputError: the number exceeds the limit.
    """
    # Answers to the same row share the row of their first token; each further token needs a row of its own.
    first = {subject.input_ids: 1 + len(subject.context) for subject in subjects}
    further = [(len(subject.tokens) - 1) * (1 + len(subject.context)) for subject in subjects]
    rows = sum(first.values()) + sum(further)
    if rows > MAX_EXPLANATION_ROWS:
        msg = (
            f"the explanation takes {rows} rows, and the limit is {MAX_EXPLANATION_ROWS}; shorten the text, or use "
            "fewer [MASK]s at a time"
        )
        raise InputError(msg)


def _attention_weights(subject: Subject, attended: Sequence[NDArray[np.float32]]) -> Weights:
    """Return the mean attention to each part.

    With a note if the attention to the text is negligible.
    """
    mean = np.mean(attended, axis=0)
    values = [float(mean[list(part.positions)].sum()) for part in subject.context]
    on_text = sum(values)
    uniform = sum(len(part.positions) for part in subject.context) / len(subject.input_ids)
    if on_text >= MIN_ATTENTION_SHARE * uniform:
        return Weights(values)
    note = (
        f"{1 - on_text:.1%} of the last layer's attention rests on [CLS], [SEP] and [MASK], so these weights say "
        "nothing about the text; explain by occlusion"
    )
    return Weights(values, note)
