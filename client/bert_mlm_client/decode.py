"""Convert token ids and scores to predictions and words."""

import re
import unicodedata
from collections.abc import Sequence

from bert_mlm_client.errors import InputError, VocabularyError
from bert_mlm_client.results import Prediction
from bert_mlm_client.tokens import Encoded
from bert_mlm_client.wire.tensors import Array

_SPECIAL = re.compile(r"\[[A-Za-z]+\d*\]")  # [UNK], [unused12]
_CHINESE = ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH")  # prefixes of Unicode names


def decode(
    encoded: Encoded,
    token_ids: Array,
    scores: Array,
    *,
    tokens: Sequence[str],
    top_k: int,
    skip_punctuation: bool = False,
) -> list[list[Prediction]]:
    """Convert the server's answer for one text to predictions.

    Args:
        encoded: the text, with M masks.
        token_ids: at least M rows of K candidates, best first; more rows belong to longer requests of the same batch.
        scores: their probabilities, of the same shape.
        tokens: the name of each id, see `Tokenizer`.
        top_k: the number of candidates to keep.
        skip_punctuation: leave out punctuation, see `is_punctuation`, which may leave fewer than top_k.

    Returns:
        For each mask its candidates, best first, in the text's order.

    Raises:
        InputError: top_k is more than K.
        VocabularyError: an id has no name.
    """
    limit = token_ids.shape[-1]
    check_top_k(top_k, limit)
    read = limit if skip_punctuation else top_k
    masks = []
    for span, ids, probabilities in zip(
        encoded.mask_spans, token_ids[:, :read].tolist(), scores[:, :read].tolist(), strict=False
    ):
        start, end = encoded.text[: span[0]], encoded.text[span[1] :]
        candidates = []
        for token, score in zip(ids, probabilities, strict=True):
            text = token_text(tokens, token)
            if skip_punctuation and is_punctuation(text):
                continue
            candidates.append(Prediction(score, token, text, f"{start}{text.removeprefix('##')}{end}"))
            if len(candidates) == top_k:
                break
        masks.append(candidates)
    return masks


def check_top_k(top_k: int, limit: int) -> None:
    """Check top_k against the model's limit.

    Raises:
        InputError: top_k is too large.
    """
    if top_k > limit:
        msg = f"top_k is {top_k}, this model answers with {limit} candidates a mask at most"
        raise InputError(msg, option="top_k")


def token_text(tokens: Sequence[str], token: int) -> str:
    """Return the text of a token id from the server.

    Raises:
        VocabularyError: the id has no text.
    """
    if not (0 <= token < len(tokens) and tokens[token]):
        msg = f"the server returned token {token}, which the vocabulary does not name; use the model's own vocab.txt"
        raise VocabularyError(msg)
    return tokens[token]


def is_special(token: str) -> bool:
    """Return whether a token is special, such as [CLS]."""
    return _SPECIAL.fullmatch(token) is not None


def is_chinese(token: str) -> bool:
    """Return whether a token is one Chinese character."""
    return len(token) == 1 and unicodedata.name(token, "").startswith(_CHINESE)


def is_punctuation(token: str) -> bool:
    """Return whether a token is punctuation, a symbol or special."""
    text = token.removeprefix("##")
    return is_special(token) or all(unicodedata.category(one)[0] in "PSZC" for one in text)


def join_tokens(tokens: Sequence[str]) -> str:
    """Join adjacent tokens into a word or words.

    ``##`` marks the continuation of a word and is kept on the first token. Words of letters or digits that are not
    Chinese are separated by a space.
    """
    joined = "".join(tokens[:1])
    for token in tokens[1:]:
        if not token.startswith("##") and _is_spaced(joined[-1]) and _is_spaced(token[0]):
            joined += " "
        joined += token.removeprefix("##")
    return joined


def _is_spaced(character: str) -> bool:
    """Return whether words of such characters are space-separated."""
    return character.isalnum() and unicodedata.east_asian_width(character) not in "WF"
