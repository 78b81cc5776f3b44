"""Follow the server's changes of model version."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bert_mlm_client.errors import BertMlmError, VocabularyError
from bert_mlm_client.exchanges.base import Exchange, Result
from bert_mlm_client.exchanges.tokenizer import load_tokenizer
from bert_mlm_client.tokens import Tokenizer

TRIES = 5
"""Maximum number of retries while versions change."""


class TokenizerState(NamedTuple):
    """Tokenizer, and the model versions known to use it."""

    tokenizer: Tokenizer
    versions: frozenset[int]


def load_state(vocab: Path | None, answered: set[int]) -> Exchange[TokenizerState]:
    """Load the tokenizer and the versions that use it.

    See `load_tokenizer`; ``answered`` as for `ask_current`.
    """
    answered.clear()
    tokenizer = yield from load_tokenizer(vocab)
    return TokenizerState(tokenizer, frozenset(answered))


def ask_current(
    question: Callable[[Tokenizer], Exchange[Result]], known: TokenizerState, vocab: Path | None, answered: set[int]
) -> Exchange[tuple[Result, TokenizerState]]:
    """Run an exchange with the tokenizer of the answering version.

    If a new version with another tokenizer answers, the exchange is repeated with that tokenizer. gRPC reports the
    version with each answer; REST does not, so that the first tokenizer is kept.

    Args:
        question: returns the exchange for a tokenizer.
        known: the current tokenizer state.
        vocab: the path of the vocabulary, or None to fetch it.
        answered: the answering versions; the sender of the requests adds to it.

    Returns:
        The answer, and the new tokenizer state.

    Raises:
        VocabularyError: versions with different vocabularies keep alternating, or a new one does not match the file.
        BertMlmError: the error of the exchange.
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
            found = yield from load_state(vocab, answered)
            if not _is_same_tokenizer(found.tokenizer, known.tokenizer):
                known = found
                break
            # A server without the tokenizer signature does not report versions here: trust the file for them.
            known = TokenizerState(known.tokenizer, known.versions | (found.versions or versions))
    msg = (
        f"versions with different vocabularies alternate, the last being {', '.join(map(str, sorted(versions)))}; "
        "ask one of them (version=…, --version)"
    )
    raise VocabularyError(msg)


def _is_same_tokenizer(one: Tokenizer, other: Tokenizer) -> bool:
    return one.config == other.config and one.vocabulary.digest == other.vocabulary.digest
