"""Compute the vectors of texts."""

from collections.abc import Sequence

from bert_mlm_client.batching import batches
from bert_mlm_client.errors import ProtocolError, RequestError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.rows import encode_texts, sentences
from bert_mlm_client.results import Features, Vector
from bert_mlm_client.tokens import Encoded, Tokenizer
from bert_mlm_client.transport.base import Answer, Request

WHITENED = "whitened"
"""Output of versions whose export fitted a whitening."""

Vectors = dict[str, Vector]
"""Vectors of one text by output name."""


def features(tokenizer: Tokenizer, texts: Sequence[str], *, truncate: bool = False) -> Exchange[list[Features]]:
    """Return the vectors of each text.

    A text needs no [MASK].

    Raises:
        InputError: a text is empty or too long.
    """
    encoded = encode_texts(tokenizer, texts, truncate=truncate, masks=False)
    found = yield from vectors(encoded, ("cls", "mean"))
    return [
        Features(row.text, own["cls"], own["mean"], own.get(WHITENED)) for row, own in zip(encoded, found, strict=True)
    ]


def vectors(rows: Sequence[Encoded], outputs: tuple[str, ...]) -> Exchange[list[Vectors]]:
    """Request outputs of `features`, with ``whitened`` if available.

    A version without it rejects the request at no cost, and the request is repeated without it.

    Raises:
        ProtocolError: the shapes of the answer do not match the request.
    """
    groups = batches([len(row.input_ids) for row in rows])
    inputs = [sentences([rows[index] for index in group]) for group in groups]
    wanted = (*outputs, WHITENED)
    try:
        answers = yield [Request("features", each, wanted) for each in inputs]
    except (
        RequestError,
        ProtocolError,
    ) as error:  # gRPC: unknown output; REST has no output filter: missing in the answer
        if WHITENED not in error.args[0]:
            raise
        wanted = outputs
        answers = yield [Request("features", each, wanted) for each in inputs]
    found: dict[int, Vectors] = {}
    for group, answer in zip(groups, answers, strict=True):
        _check(answer, wanted, len(group))
        for place, index in enumerate(group):
            found[index] = {name: _read_only(answer[name][place]) for name in wanted}
    return [found[index] for index in range(len(rows))]


def _read_only(vector: Vector) -> Vector:
    """Return a read-only view of a vector."""
    vector = vector.view()
    vector.flags.writeable = False
    return vector


def _check(answer: Answer, names: Sequence[str], rows: int) -> None:
    for name in names:
        array = answer[name]
        if array.ndim != 2 or len(array) != rows or array.dtype.kind != "f":
            msg = (
                f"features answered with {name} {list(array.shape)} of {array.dtype} for {rows} texts; check that the "
                "model was exported by this project"
            )
            raise ProtocolError(msg)
