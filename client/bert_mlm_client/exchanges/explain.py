"""Explain which parts of a text determine an answer."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from bert_mlm_client.decode import decode
from bert_mlm_client.errors import InputError
from bert_mlm_client.exchanges.attribution import Part, Subject, last_attention, occlusion
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.gaps import Gap, find_gaps, replace
from bert_mlm_client.exchanges.joint import fill_words
from bert_mlm_client.exchanges.likelihood import log, mean_probability
from bert_mlm_client.exchanges.rows import best_tokens
from bert_mlm_client.exchanges.targets import is_by_gap, target_tokens
from bert_mlm_client.results import Explanation, Filling, Prediction, TokenWeight
from bert_mlm_client.tokens import Encoded, Tokenizer

Method = Literal["occlusion", "attention"]


def check_method(method: Method) -> None:
    """Check that the method exists.

    Raises:
        InputError: the method is unknown.
    """
    if method not in get_args(Method):
        msg = f"unknown method {method!r}; use one of {', '.join(get_args(Method))}"
        raise InputError(msg)


def explain(
    tokenizer: Tokenizer,
    text: str,
    method: Method,
    *,
    target: Sequence[str] | None = None,
    joint: bool = False,
    truncate: bool = False,
) -> Exchange[list[Explanation]]:
    """Explain the answer for each mask (see `FillMask.explain`).

    Raises:
        InputError: the text or the target is invalid, or occlusion takes too many rows.
    """
    encoded = tokenizer.encode_checked(text, truncate=truncate)
    gaps = find_gaps(encoded)
    scores = None
    if target is not None:
        words, answers = list(target), target_tokens(tokenizer, target, gaps, joint=joint)
    elif joint:
        [[best]] = yield from fill_words(tokenizer, [text], 1, truncate=truncate)
        words, answers = list(best.words), [best.tokens[gap.first : gap.end] for gap in gaps]
    else:
        [found] = yield from best_tokens([encoded])
        masks = len(encoded.mask_positions)
        words, answers = [], [(token,) for token in found.token_ids[:masks, 0].tolist()]
        scores = found.scores[:masks, 0].tolist()
    by_gap = is_by_gap(target, len(encoded.mask_positions), joint=joint)
    subjects = _subjects(tokenizer, encoded, gaps if by_gap else None, answers, words if joint else None)
    weigh = occlusion if method == "occlusion" else last_attention
    logs, weighed = yield from weigh(subjects, None if scores is None else list(map(log, scores)))
    if by_gap:
        predictions = _fillings(tokenizer, encoded, words, answers, logs, joint=joint)
    else:
        predictions = _predictions(tokenizer, encoded, answers, scores or list(map(math.exp, logs)))
    return [
        Explanation(
            text,
            method,
            prediction,
            tuple(
                TokenWeight(part.token_str, weight, part.span)
                for part, weight in zip(subject.context, weights.values, strict=True)
            ),
            weights.note,
        )
        for prediction, subject, weights in zip(predictions, subjects, weighed, strict=True)
    ]


def _subjects(
    tokenizer: Tokenizer,
    encoded: Encoded,
    gaps: Sequence[Gap] | None,
    answers: Sequence[tuple[int, ...]],
    words: Sequence[str] | None,
) -> list[Subject]:
    """Return the answers with the parts to weigh.

    Args:
        tokenizer: the tokenizer of the text.
        encoded: the text.
        gaps: the gaps of the answers; None if each answer is for a single mask.
        answers: the tokens of each.
        words: their words, which fill the other gaps; None leaves these masked.
    """
    masks = encoded.mask_positions
    places = [(position,) for position in masks] if gaps is None else [masks[gap.first : gap.end] for gap in gaps]
    text = [
        Part((position,), tokenizer.tokens[encoded.input_ids[position]], encoded.token_spans[position])
        for position in range(1, len(encoded.input_ids) - 1)  # without [CLS] and [SEP]
        if position not in masks
    ]
    if gaps is None or words is None:
        return [
            Subject(encoded.input_ids, positions, tokens, tuple(text))
            for positions, tokens in zip(places, answers, strict=True)
        ]
    filled = [Part(positions, word, gap.span) for positions, word, gap in zip(places, words, gaps, strict=True)]
    ids = list(encoded.input_ids)
    for positions, tokens in zip(places, answers, strict=True):
        ids[positions[0] : positions[-1] + 1] = tokens
    subjects = []
    for number, (positions, tokens) in enumerate(zip(places, answers, strict=True)):
        row = list(ids)
        row[positions[0] : positions[-1] + 1] = [encoded.input_ids[masks[0]]] * len(positions)
        context = sorted([*text, *filled[:number], *filled[number + 1 :]])
        subjects.append(Subject(tuple(row), positions, tokens, tuple(context)))
    return subjects


def _predictions(
    tokenizer: Tokenizer, encoded: Encoded, answers: Sequence[tuple[int, ...]], scores: Sequence[float]
) -> list[Prediction | Filling]:
    """Return the prediction for each mask."""
    ids, probabilities = np.array(answers, np.int32), np.array(scores)[:, None]
    found = decode(encoded, ids, probabilities, tokens=tokenizer.tokens, top_k=1)
    return [mask[0] for mask in found]


def _fillings(
    tokenizer: Tokenizer,
    encoded: Encoded,
    words: Sequence[str],
    answers: Sequence[tuple[int, ...]],
    logs: Sequence[float],
    *,
    joint: bool,
) -> list[Prediction | Filling]:
    """Return the filling of each gap."""
    spans = [gap.span for gap in find_gaps(encoded)]
    written = [
        word.removeprefix("##") if tokenizer.tokens[tokens[0]].startswith("##") else word
        for word, tokens in zip(words, answers, strict=True)
    ]
    sentence = replace(encoded.text, spans, written)
    return [
        Filling(
            math.exp(log_likelihood) if joint else mean_probability(log_likelihood, len(tokens)),
            log_likelihood,
            tokens,
            (word,),
            sentence if joint else replace(encoded.text, [span], [own]),
        )
        for word, tokens, log_likelihood, span, own in zip(words, answers, logs, spans, written, strict=True)
    ]
