"""Ask with the tokenizer of the version that answers, which a server may replace between two questions."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bert_mlm_client.errors import BertMlmError, VocabularyError
from bert_mlm_client.exchanges.base import Exchange, Result
from bert_mlm_client.exchanges.tokenizer import load_tokenizer
from bert_mlm_client.tokens import Tokenizer

TRIES = 5
"""How often to ask again while versions come and go."""


class Known(NamedTuple):
    """A tokenizer, and the versions of the model that are known to have been exported with it."""

    tokenizer: Tokenizer
    versions: frozenset[int]


def load_known(vocab: Path | None, answered: set[int]) -> Exchange[Known]:
    """Load the tokenizer, see `load_tokenizer`; ``answered`` as for `ask_current`."""
    answered.clear()
    tokenizer = yield from load_tokenizer(vocab)
    return Known(tokenizer, frozenset(answered))


def ask_current(
    question: Callable[[Tokenizer], Exchange[Result]], known: Known, vocab: Path | None, answered: set[int]
) -> Exchange[tuple[Result, Known]]:
    """Ask a question with the tokenizer of the version that answers.

    If an unknown version answers that has another tokenizer, the question is asked again with it.

    gRPC tells with each answer which version gave it. REST does not: there the first tokenizer stays.

    Args:
        question: the exchange to carry out with a tokenizer.
        known: the tokenizer to begin with.
        vocab: the path of the vocabulary, None to fetch it.
        answered: the versions that answer; whoever sends the requests adds to it.

    Returns:
        The answer, and what is known now.

    Raises:
        VocabularyError: versions with different vocabularies answer in turn, or a new one does not fit the file.
        BertMlmError: the question's own.
    """
    versions: frozenset[int] = frozenset()
    for _ in range(TRIES):
        answered.clear()
        outcome: Result | BertMlmError
        try:
            outcome = yield from question(known.tokenizer)
        except BertMlmError as error:
            outcome = error
        versions = frozenset(answered)
        for _ in range(TRIES):
            if versions <= known.versions:
                if isinstance(outcome, BertMlmError):
                    raise outcome
                return outcome, known
            found = yield from load_known(vocab, answered)
            if not _cut_alike(found.tokenizer, known.tokenizer):
                known = found
                break
            # A server that cannot tell its vocabulary cannot tell this either: the file is taken at its word.
            known = Known(known.tokenizer, known.versions | (found.versions or versions))
    msg = (
        f"versions with different vocabularies answer in turn, at last {', '.join(map(str, sorted(versions)))}; "
        "ask one of them (version=…, --version)"
    )
    raise VocabularyError(msg)


def _cut_alike(one: Tokenizer, other: Tokenizer) -> bool:
    return one.config == other.config and one.vocabulary.digest == other.vocabulary.digest
