"""Texts to requests: rows of token ids that travel together, and each row's part of the answer."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bert_mlm_client.errors import InputError, ProtocolError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.tokens import Encoded, Tokenizer, check_text
from bert_mlm_client.transport.base import Request
from bert_mlm_client.wire.tensors import Array

MAX_ROWS = 64
"""How many rows travel in one request at most: more only grow the server's memory, not its speed."""

MAX_PADDING = 0.25
"""Which share of a request may be padding. The server leaves it out of its products, but not out of attention."""

MIN_LENGTH = 16
"""As how long a shorter row counts: to fill it up costs less than a request of its own."""

_MASK_LENGTH = 4  # a mask's part of the work and of the answer, in tokens

Inputs = dict[str, NDArray[np.int32]]
Part = TypeVar("Part")


class Sentence(Protocol):
    """What a row needs: token ids from [CLS] to [SEP]."""

    @property
    def input_ids(self) -> tuple[int, ...]:
        """The row's tokens."""


class Masked(Sentence, Protocol):
    """A row with the places in it that are asked about; `Encoded` is one."""

    @property
    def mask_positions(self) -> tuple[int, ...]:
        """Where in the row to look."""


class Row(NamedTuple):
    """A row that no text stands behind."""

    input_ids: tuple[int, ...]
    mask_positions: tuple[int, ...]


class Best(NamedTuple):
    """The K likeliest tokens for each of a row's M masks, best first.

    Attributes:
        token_ids: [M, K] whole numbers.
        scores: [M, K] their probabilities.
    """

    token_ids: Array
    scores: Array


def check_texts(texts: Sequence[str], *, masks: bool = True) -> None:
    """Check what can be checked before anything is asked, see `check_text`.

    Raises:
        InputError: one of the texts cannot be asked; the message says which.
    """
    for number, text in enumerate(texts, 1):
        with numbered(number, len(texts)):
            check_text(text, masks=masks)


def encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], *, truncate: bool = False, masks: bool = True
) -> list[Encoded]:
    """Cut several checked texts; see `Tokenizer.encode_checked`.

    Raises:
        InputError: the model cannot read one of them; the message says which.
    """
    encoded = []
    for number, text in enumerate(texts, 1):
        with numbered(number, len(texts)):
            encoded.append(tokenizer.encode_checked(text, truncate=truncate, masks=masks))
    return encoded


@contextmanager
def numbered(number: int, count: int) -> Iterator[None]:
    """Say which of several texts is at fault."""
    try:
        yield
    except InputError as error:
        if count == 1:
            raise
        msg = f"text {number} of {count}: {error.args[0]}"
        raise type(error)(msg) from error


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Group rows of near lengths, so that few requests carry many rows and little padding.

    Args:
        lengths: how long each row is.

    Returns:
        The rows' indices, longest first, MAX_ROWS at most in a group. Rows shorter than a group's longest are padded,
        by MAX_PADDING of the group at most, where rows under MIN_LENGTH count as that.
    """
    counted = [max(length, MIN_LENGTH) for length in lengths]
    groups: list[list[int]] = []
    width = filled = 0
    for index in sorted(range(len(counted)), key=counted.__getitem__, reverse=True):
        filled += counted[index]
        if groups and len(groups[-1]) < MAX_ROWS and filled >= (1 - MAX_PADDING) * width * (len(groups[-1]) + 1):
            groups[-1].append(index)
        else:
            groups.append([index])
            width = filled = counted[index]
    return groups


def ungroup(groups: Sequence[Sequence[int]], answers: Iterable[Iterable[Part]]) -> list[Part]:
    """Return each row's part of its group's answer, in the rows' order."""
    parts = {
        index: part
        for group, answer in zip(groups, answers, strict=True)
        for index, part in zip(group, answer, strict=True)
    }
    return [parts[index] for index in range(len(parts))]


def sentences(rows: Sequence[Sentence]) -> Inputs:
    """Return the inputs ``input_ids`` [B, S], padded with zeros, and ``lengths`` [B], which tells them apart."""
    lengths = [len(row.input_ids) for row in rows]
    width = max(lengths)
    ids = [row.input_ids + (0,) * (width - len(row.input_ids)) for row in rows]
    return {"input_ids": np.array(ids, np.int32), "lengths": np.array(lengths, np.int32)}


def best_tokens(rows: Sequence[Masked]) -> Exchange[list[Best]]:
    """Ask `fill_mask` for the likeliest tokens at every row's masks.

    Returns:
        For each row its masks' candidates; there may be more masks than the row has, to be ignored.

    Raises:
        ProtocolError: the answer's shapes are not those of this question.
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
    """Ask `score_tokens` for the probabilities of some tokens at every row's masks.

    Args:
        rows: where to look.
        wanted: the C token ids for each row, the same for all its masks.

    Returns:
        For each row at least [M, C] numbers, more than that to be ignored.

    Raises:
        ProtocolError: the answer's shape is not that of this question.
    """
    groups = _group(rows)
    requests = []
    for group in groups:
        ids = _filled_up([tuple(wanted[index]) for index in group])
        requests.append(Request("score_tokens", {**_masked(rows, group), "candidate_ids": ids}, ("scores",)))
    answers = yield requests
    for request, answer in zip(requests, answers, strict=True):
        asked = request.inputs["mask_positions"].shape + request.inputs["candidate_ids"].shape[1:]
        _check("scores", answer["scores"], "f", asked)
    return ungroup(groups, [answer["scores"] for answer in answers])


def attention(rows: Sequence[Masked]) -> Exchange[list[Array]]:
    """Ask `explain` how much the last layer attends to every token from each row's masks.

    Returns:
        For each row at least [M, S] numbers, more than that to be ignored.

    Raises:
        ProtocolError: the answer's shape is not that of this question.
    """
    groups = _group(rows)
    requests = [Request("explain", _masked(rows, group), ("attention",)) for group in groups]
    answers = yield requests
    for request, answer in zip(requests, answers, strict=True):
        asked = request.inputs["mask_positions"].shape + request.inputs["input_ids"].shape[1:]
        _check("attention", answer["attention"], "f", asked)
    return ungroup(groups, [answer["attention"] for answer in answers])


def _group(rows: Sequence[Masked]) -> list[list[int]]:
    return batches([len(row.input_ids) + _MASK_LENGTH * len(row.mask_positions) for row in rows])


def _masked(rows: Sequence[Masked], group: Sequence[int]) -> Inputs:
    """Return the inputs for some of the rows."""
    chosen = [rows[index] for index in group]
    return {**sentences(chosen), "mask_positions": _filled_up([row.mask_positions for row in chosen])}


def _filled_up(rows: Sequence[tuple[int, ...]]) -> NDArray[np.int32]:
    """Return the rows as one array; the shorter ones repeat their last number, which does no harm."""
    width = max(map(len, rows))
    return np.array([row + row[-1:] * (width - len(row)) for row in rows], np.int32)


def _check(name: str, array: Array, kind: str, asked: tuple[int, ...], like: Array | None = None) -> None:
    """Check that an output has as many rows as asked and at least as many of everything else.

    A server that joins requests answers all of them as widely as the widest.
    """
    fits = array.ndim == len(asked) and array.shape[:1] == asked[:1] and all(map(int.__ge__, array.shape, asked))
    fits = fits and (like is None or array.shape == like.shape)
    if not fits or array.dtype.kind != kind:
        msg = (
            f"the server answered with {name} {list(array.shape)} of {array.dtype} where {list(asked)} were asked for; "
            "check that the model was exported by this project"
        )
        raise ProtocolError(msg)
