"""Check arguments and build the question of `TextClassifier`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from bert_mlm_client import exchanges
from bert_mlm_client.errors import InputError
from bert_mlm_client.exchanges import Exchange, Model
from bert_mlm_client.exchanges.rows import numbered
from bert_mlm_client.results import Classification
from bert_mlm_client.texts import Classifiable, TextPair, as_pair


def is_single(texts: Classifiable | Sequence[Classifiable]) -> bool:
    """Return whether the argument is one text or pair."""
    return isinstance(texts, (str, TextPair, Mapping))


def classify_question(
    texts: Classifiable | Sequence[Classifiable], top_k: int | None, *, truncate: bool
) -> Callable[[Model], Exchange[list[list[Classification]]]]:
    """Check the arguments of `classify` and build its exchange.

    Raises:
        InputError: a text or top_k is invalid.
    """
    if top_k is not None and top_k < 1:
        msg = f"top_k is {top_k}; ask for 1 label or more, or for all with None"
        raise InputError(msg)
    given = [texts] if isinstance(texts, (str, TextPair, Mapping)) or not isinstance(texts, Iterable) else list(texts)
    items = []
    for number, item in enumerate(given, 1):
        with numbered(number, len(given)):
            items.append(as_pair(item))
    return partial(exchanges.classify, items=items, top_k=top_k, truncate=truncate)
