"""Follow the server's changes of model version."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bert_mlm_client.errors import BertMlmError, VocabularyError
from bert_mlm_client.exchanges.base import Exchange, Result
from bert_mlm_client.exchanges.model import Model, load_model

TRIES = 5
"""Maximum number of retries while versions change."""

_VERSION = "version=…"


class ModelState(NamedTuple):
    """Tokenizer, task and the model versions known to have them."""

    model: Model
    versions: frozenset[int]


def load_state(vocab: Path | None, answered: set[int]) -> Exchange[ModelState]:
    """Load the tokenizer, the task and their model versions.

    See `load_model`; ``answered`` as for `ask_current`.
    """
    answered.clear()
    model = yield from load_model(vocab)
    return ModelState(model, frozenset(answered))


def ask_current(
    question: Callable[[Model], Exchange[Result]], known: ModelState, vocab: Path | None, answered: set[int]
) -> Exchange[tuple[Result, ModelState]]:
    """Run an exchange with the tokenizer of the answering version.

    If a new version with another tokenizer or other labels answers, the exchange is repeated with those. gRPC reports
    the version with each answer; REST does not, so that the first tokenizer is kept.

    Args:
        question: returns the exchange for a model.
        known: the current state.
        vocab: the path of the vocabulary, or None to fetch it.
        answered: the answering versions; the sender of the requests adds to it.

    Returns:
        The answer, and the new state.

    Raises:
        VocabularyError: versions with different vocabularies keep alternating, or a new one does not match the file.
        BertMlmError: the error of the exchange.
    """
    versions: frozenset[int] = frozenset()
    for _ in range(TRIES):
        answered.clear()
        outcome: Result | BertMlmError
        try:
            outcome = yield from question(known.model)
        except BertMlmError as error:
            outcome = error
        versions = frozenset(answered)
        for _ in range(TRIES):
            if versions <= known.versions:
                if isinstance(outcome, BertMlmError):
                    raise outcome
                return outcome, known
            found = yield from load_state(vocab, answered)
            if not _is_same(found.model, known.model):
                known = found
                break
            # A server without the tokenizer signature does not report versions here: trust the file for them.
            known = ModelState(known.model, known.versions | (found.versions or versions))
    msg = (
        f"versions with different vocabularies alternate, the last being {', '.join(map(str, sorted(versions)))}; "
        f"ask one of them, {_VERSION}"
    )
    raise VocabularyError(msg, option=_VERSION)


def _is_same(one: Model, other: Model) -> bool:
    tokenizers = one.tokenizer, other.tokenizer
    return (
        one.task == other.task
        and tokenizers[0].config == tokenizers[1].config
        and tokenizers[0].vocabulary.digest == tokenizers[1].vocabulary.digest
    )
