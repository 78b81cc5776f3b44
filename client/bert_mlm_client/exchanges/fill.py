"""Fill each mask independently."""

from collections.abc import Sequence

from bert_mlm_client.decode import decode
from bert_mlm_client.errors import InputError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.rows import best_tokens, encode_texts, numbered
from bert_mlm_client.results import Prediction
from bert_mlm_client.tokens import Encoded, Tokenizer


def fill(
    tokenizer: Tokenizer, texts: Sequence[str], top_k: int, *, skip_punctuation: bool = False, truncate: bool = False
) -> Exchange[list[list[Prediction]]]:
    """Return the candidates of single masks (see `fill_masks`).

    Raises:
        InputError: as for `fill_masks`, or a text has several masks.
    """
    encoded = encode_texts(tokenizer, texts, truncate=truncate)
    for number, one in enumerate(encoded, 1):
        with numbered(number, len(encoded)):
            _check_one_mask(one)
    answers = yield from _ask(tokenizer, encoded, top_k, skip_punctuation=skip_punctuation)
    return [candidates for [candidates] in answers]


def fill_masks(
    tokenizer: Tokenizer, texts: Sequence[str], top_k: int, *, skip_punctuation: bool = False, truncate: bool = False
) -> Exchange[list[list[list[Prediction]]]]:
    """Return the candidates for each mask of every text.

    Texts of similar length share a request.

    Raises:
        InputError: a text is too long, or top_k exceeds the model's limit.
    """
    encoded = encode_texts(tokenizer, texts, truncate=truncate)
    return (yield from _ask(tokenizer, encoded, top_k, skip_punctuation=skip_punctuation))


def _ask(
    tokenizer: Tokenizer, encoded: Sequence[Encoded], top_k: int, *, skip_punctuation: bool
) -> Exchange[list[list[list[Prediction]]]]:
    answers = yield from best_tokens(encoded)
    return [
        decode(one, token_ids, scores, tokens=tokenizer.tokens, top_k=top_k, skip_punctuation=skip_punctuation)
        for one, (token_ids, scores) in zip(encoded, answers, strict=True)
    ]


def _check_one_mask(encoded: Encoded) -> None:
    if (count := len(encoded.mask_positions)) != 1:
        msg = (
            f"the text has {count} [MASK]s where fill takes one; fill_masks answers each of them by itself, fill_words "
            "all of them together"
        )
        raise InputError(msg)
