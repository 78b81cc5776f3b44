"""Classify texts and pairs of texts."""

from collections.abc import Sequence
from typing import NamedTuple

from bert_mlm_client.batching import batches
from bert_mlm_client.errors import InputError, ProtocolError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.model import Model
from bert_mlm_client.exchanges.rows import numbered, sentences, ungroup
from bert_mlm_client.results import Classification
from bert_mlm_client.texts import TextPair
from bert_mlm_client.transport.base import Answer, Request
from bert_mlm_client.wire.tensors import Array

_OUTPUTS = ("labels", "scores")
_PAIR = "TextPair(text, text_pair)"


class _Row(NamedTuple):
    input_ids: tuple[int, ...]


def classify(
    model: Model, items: Sequence[str | TextPair], top_k: int | None = 1, *, truncate: bool = False
) -> Exchange[list[list[Classification]]]:
    """Return the best labels of each checked text or pair.

    Rows of similar length share a request.

    Raises:
        InputError: a text is too long, or the model reads pairs and this is a text, or the reverse.
        ProtocolError: the answer does not match the request.
    """
    rows = []
    for number, item in enumerate(items, 1):
        with numbered(number, len(items)):
            rows.append(_encode(model, item, truncate=truncate))
    groups = batches([len(row.input_ids) for row in rows])
    answers = yield [Request("classify", sentences([rows[index] for index in group]), _OUTPUTS) for group in groups]
    return ungroup(groups, [_decode(answer, len(group), top_k) for group, answer in zip(groups, answers, strict=True)])


def _encode(model: Model, item: str | TextPair, *, truncate: bool) -> _Row:
    is_pair = isinstance(item, TextPair)
    if is_pair != model.task.text_pairs and model.task.labels:
        msg = (
            "the model was trained on single texts; leave out the second text"
            if is_pair
            else f"the model was trained on pairs of texts; give the second text as well, {_PAIR}"
        )
        raise InputError(msg, option=None if is_pair else _PAIR)
    text, text_pair = (item.text, item.text_pair) if isinstance(item, TextPair) else (item, None)
    return _Row(model.tokenizer.encode_sequence(text, text_pair, truncate=truncate))


def _decode(answer: Answer, rows: int, top_k: int | None) -> list[list[Classification]]:
    """Return the first labels of each row.

    The server sorts them by score.
    """
    labels, scores = answer["labels"], answer["scores"]
    _check(labels, scores, rows)
    try:
        return [
            [Classification(label.decode(), score) for label, score in zip(*row, strict=True)]
            for row in zip(labels[:, :top_k].tolist(), scores[:, :top_k].tolist(), strict=True)
        ]
    except UnicodeDecodeError as error:
        msg = f"classify answered with the label {error.object!r}, which is not UTF-8; export the model again"
        raise ProtocolError(msg) from error


def _check(labels: Array, scores: Array, rows: int) -> None:
    fits = labels.ndim == 2 and len(labels) == rows and labels.shape == scores.shape and labels.size > 0
    if not fits or not labels.dtype.hasobject or scores.dtype.kind != "f":
        msg = (
            f"classify answered with labels {list(labels.shape)} of {labels.dtype} and scores {list(scores.shape)} of "
            f"{scores.dtype} for {rows} texts; check that the model was exported by this project"
        )
        raise ProtocolError(msg)
