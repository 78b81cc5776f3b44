"""Ask which tokens of a text an answer leans on."""

from collections.abc import Sequence
from typing import Literal, get_args

from bert_mlm_client.decode import decode
from bert_mlm_client.errors import InputError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.likelihood import log
from bert_mlm_client.exchanges.rows import Best, Row, attention, best_tokens, probabilities
from bert_mlm_client.results import Explanation, TokenWeight
from bert_mlm_client.tokens import Encoded, Tokenizer

Method = Literal["occlusion", "attention"]


def check_method(method: Method) -> None:
    """Check that there is such a method.

    Raises:
        InputError: there is not.
    """
    if method not in get_args(Method):
        msg = f"there is no method {method!r}; explain by one of {', '.join(get_args(Method))}"
        raise InputError(msg)


def explain(tokenizer: Tokenizer, text: str, method: Method, *, truncate: bool = False) -> Exchange[list[Explanation]]:
    """Explain the best candidate for each mask of a text; see `FillMask.explain`."""
    encoded = tokenizer.encode(text, truncate=truncate)
    context = [
        place
        for place in range(1, len(encoded.input_ids) - 1)  # without [CLS] and [SEP]
        if place not in encoded.mask_positions
    ]
    [best] = yield from best_tokens([encoded])
    weigh = _occlusion if method == "occlusion" else _attention
    weights = yield from weigh(encoded, context, best)
    answers = decode(encoded, best.token_ids, best.scores, vocabulary=tokenizer.vocabulary, top_k=1)
    predictions = [mask[0] if isinstance(mask, list) else mask for mask in answers]
    return [
        Explanation(
            text,
            method,
            prediction,
            tuple(
                TokenWeight(tokenizer.vocabulary.tokens[encoded.input_ids[place]], weight, encoded.token_spans[place])
                for place, weight in zip(context, row, strict=True)
            ),
        )
        for prediction, row in zip(predictions, weights, strict=True)
    ]


def _occlusion(encoded: Encoded, context: Sequence[int], best: Best) -> Exchange[list[list[float]]]:
    """Return for each mask what its best candidate's log-probability loses without each token of the context."""
    ids, masks = encoded.input_ids, encoded.mask_positions
    answers = best.token_ids[: len(masks), 0].tolist()
    scores = best.scores[: len(masks), 0].tolist()
    mask = ids[masks[0]]
    rows = [Row((*ids[:place], mask, *ids[place + 1 :]), masks) for place in context]
    without = yield from probabilities(rows, [answers] * len(rows))
    return [[log(score) - log(float(row[number, number])) for row in without] for number, score in enumerate(scores)]


def _attention(encoded: Encoded, context: Sequence[int], _: Best) -> Exchange[list[list[float]]]:
    """Return for each mask how much the last layer attends to each token of the context."""
    [weights] = yield from attention([encoded])
    masks = range(len(encoded.mask_positions))
    return [[float(weights[number, place]) for place in context] for number in masks]
