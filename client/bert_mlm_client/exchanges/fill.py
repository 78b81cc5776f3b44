"""Ask for the likeliest tokens at each mask by itself."""

from collections.abc import Sequence

from bert_mlm_client.decode import decode
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.rows import best_tokens, encode_texts
from bert_mlm_client.results import Predictions
from bert_mlm_client.tokens import Tokenizer


def fill(
    tokenizer: Tokenizer, texts: Sequence[str], top_k: int, *, skip_punctuation: bool = False, truncate: bool = False
) -> Exchange[list[Predictions]]:
    """Ask `fill_mask` for every text; texts of near lengths share a request.

    Raises:
        InputError: a text is too long, or top_k is more than the server answers with.
    """
    encoded = encode_texts(tokenizer, texts, truncate=truncate)
    answers = yield from best_tokens(encoded)
    return [
        decode(
            one,
            token_ids,
            scores,
            tokens=tokenizer.tokens,
            top_k=top_k,
            skip_punctuation=skip_punctuation,
        )
        for one, (token_ids, scores) in zip(encoded, answers, strict=True)
    ]
