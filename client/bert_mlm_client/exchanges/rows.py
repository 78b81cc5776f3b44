"""Batch rows of token ids into requests."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bert_mlm_client.batching import batches
from bert_mlm_client.errors import InputError, ProtocolError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.tokens import Encoded, Tokenizer, check_text
from bert_mlm_client.transport.base import Request
from bert_mlm_client.wire.tensors import Array

MAX_MASKS = 512
"""Maximum number of masks of a request with several rows: each has a probability for every token of the vocabulary,
84 kB at bert-base-chinese's size."""

_MASK_LENGTH = 4  # cost of a mask, in tokens

Inputs = dict[str, NDArray[np.int32]]
Part = TypeVar("Part")


class Sentence(Protocol):
    """Row of token ids from [CLS] to [SEP]."""

    @property
    def input_ids(self) -> tuple[int, ...]:
        """Return the token ids."""


class Masked(Sentence, Protocol):
    """Row with mask positions, for example `Encoded`."""

    @property
    def mask_positions(self) -> tuple[int, ...]:
        """Return the mask positions."""


class Row(NamedTuple):
    """Row without a text."""

    input_ids: tuple[int, ...]
    mask_positions: tuple[int, ...]


class Best(NamedTuple):
    """Top K tokens for each of M masks, best first.

    Attributes:
        token_ids: [M, K] integers.
        scores: [M, K] their probabilities.
    """

    token_ids: Array
    scores: Array


def check_texts(texts: Sequence[str], *, masks: bool = True) -> None:
    """Check the texts without a server (see `check_text`).

    Raises:
        InputError: a text is invalid; the message says which.
    """
    for number, text in enumerate(texts, 1):
        with numbered(number, len(texts)):
            check_text(text, masks=masks)


def encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], *, truncate: bool = False, masks: bool = True
) -> list[Encoded]:
    """Tokenize several checked texts (see `Tokenizer.encode_checked`).

    Raises:
        InputError: a text is empty or too long; the message says which.
    """
    encoded = []
    for number, text in enumerate(texts, 1):
        with numbered(number, len(texts)):
            encoded.append(tokenizer.encode_checked(text, truncate=truncate, masks=masks))
    return encoded


@contextmanager
def numbered(number: int, count: int) -> Iterator[None]:
    """Add the number of the text to its error."""
    try:
        yield
    except InputError as error:
        if count > 1:
            error.args = (f"text {number} of {count}: {error.args[0]}",)
        raise


def ungroup(groups: Sequence[Sequence[int]], answers: Iterable[Iterable[Part]]) -> list[Part]:
    """Return each row's part of the answers, in row order."""
    parts = {
        index: part
        for group, answer in zip(groups, answers, strict=True)
        for index, part in zip(group, answer, strict=True)
    }
    return [parts[index] for index in range(len(parts))]


def sentences(rows: Sequence[Sentence]) -> Inputs:
    """Return ``input_ids`` [B, S], zero-padded, and ``lengths`` [B]."""
    lengths = [len(row.input_ids) for row in rows]
    width = max(lengths)
    ids = [row.input_ids + (0,) * (width - len(row.input_ids)) for row in rows]
    return {"input_ids": np.array(ids, np.int32), "lengths": np.array(lengths, np.int32)}


def best_tokens(rows: Sequence[Masked]) -> Exchange[list[Best]]:
    """Request the top tokens of every row's masks from `fill_mask`.

    Returns:
        For each row the candidates of its masks; ignore the entries beyond the row's own masks.

    Raises:
        ProtocolError: the shapes of the answer do not match the request.
    """
    groups = _group(rows)
    requests = [Request("fill_mask", _masked(rows, group), ("token_ids", "scores")) for group in groups]
    answers = yield requests
    for request, answer in zip(requests, answers, strict=True):
        asked = (*request.inputs["mask_positions"].shape, 1)
        _check("token_ids", answer["token_ids"], "i", asked)
        _check("scores", answer["scores"], "f", asked, like=answer["token_ids"])
    return ungroup(groups, [map(Best, answer["token_ids"], answer["scores"]) for answer in answers])


def probabilities(rows: Sequence[Masked], wanted: Sequence[Sequence[int]]) -> Exchange[list[Array]]:
    """Request the probabilities of given tokens from `score_tokens`.

    Args:
        rows: the rows.
        wanted: the C token ids for each row, the same for all its masks.

    Returns:
        For each row at least [M, C] numbers; ignore the rest.

    Raises:
        ProtocolError: the shape of the answer does not match the request.
    """
    groups = _group(rows)
    requests = []
    for group in groups:
        ids = _padded([tuple(wanted[index]) for index in group])
        requests.append(Request("score_tokens", {**_masked(rows, group), "candidate_ids": ids}, ("scores",)))
    answers = yield requests
    for request, answer in zip(requests, answers, strict=True):
        asked = request.inputs["mask_positions"].shape + request.inputs["candidate_ids"].shape[1:]
        _check("scores", answer["scores"], "f", asked)
    return ungroup(groups, [answer["scores"] for answer in answers])


def attention(rows: Sequence[Masked]) -> Exchange[list[Array]]:
    """Request the attention of every row's masks from `explain`.

    Returns:
        For each row at least [M, S] numbers; ignore the rest.

    Raises:
        ProtocolError: the shape of the answer does not match the request.
    """
    groups = _group(rows)
    requests = [Request("explain", _masked(rows, group), ("attention",)) for group in groups]
    answers = yield requests
    for request, answer in zip(requests, answers, strict=True):
        asked = request.inputs["mask_positions"].shape + request.inputs["input_ids"].shape[1:]
        _check("attention", answer["attention"], "f", asked)
    return ungroup(groups, [answer["attention"] for answer in answers])


def _group(rows: Sequence[Masked]) -> list[list[int]]:
    """Group the rows into requests."""
    groups = []
    for group in batches([len(row.input_ids) + _MASK_LENGTH * len(row.mask_positions) for row in rows]):
        width = max(len(rows[index].mask_positions) for index in group)  # to which the others are padded
        step = max(1, MAX_MASKS // max(1, width))
        groups += [group[start : start + step] for start in range(0, len(group), step)]
    return groups


def _masked(rows: Sequence[Masked], group: Sequence[int]) -> Inputs:
    """Return the inputs of a group of rows."""
    chosen = [rows[index] for index in group]
    return {**sentences(chosen), "mask_positions": _padded([row.mask_positions for row in chosen])}


def _padded(rows: Sequence[tuple[int, ...]]) -> NDArray[np.int32]:
    """Return the rows as an array, padded by repetition."""
    width = max(map(len, rows))
    return np.array([row + row[-1:] * (width - len(row)) for row in rows], np.int32)


def _check(name: str, array: Array, kind: str, asked: tuple[int, ...], like: Array | None = None) -> None:
    """Check an output's type and shape.

    Only the number of rows is exact: a server that batches requests pads all answers to the largest.
    """
    fits = array.ndim == len(asked) and array.shape[:1] == asked[:1] and all(map(int.__ge__, array.shape, asked))
    fits = fits and (like is None or array.shape == like.shape)
    if not fits or array.dtype.kind != kind:
        msg = (
            f"the server answered with {name} {list(array.shape)} of {array.dtype} where {list(asked)} were asked for; "
            "check that the model was exported by this project"
        )
        raise ProtocolError(msg)
