"""Find improbable characters by masking each token once."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from bert_mlm_client.decode import check_top_k, is_chinese, is_special, token_text
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.rows import Best, Row, best_tokens, encode_texts, probabilities
from bert_mlm_client.results import Proofreading, Suggestion, Suspect, TokenScore
from bert_mlm_client.tokens import Encoded, Tokenizer

ROWS_AT_ONCE = 2048
"""Maximum number of rows in memory; more are requested one round trip after the other."""

THRESHOLD = 0.0001
"""Default threshold: recall and false alarms by threshold are in models/demo/README.md."""

DOUBT = 3
"""Multiple of the threshold below which a token that shared its row is scored again, alone.

models/demo/README.md has how many suspects differ from those of `spacing=None`."""


class _Token(NamedTuple):
    """Token of a text to check.

    Attributes:
        text: the index of the text.
        position: the token's position in the text's row.
    """

    text: int
    position: int


def proofread(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    threshold: float,
    top_k: int,
    *,
    spacing: int | None = None,
    truncate: bool = False,
) -> Exchange[list[Proofreading]]:
    """Proofread checked texts (see `FillMask.proofread`).

    Rows of similar length share a request, also those of several texts.

    Raises:
        InputError: a text is too long, or top_k exceeds the model's limit.
    """
    encoded = encode_texts(tokenizer, texts, truncate=truncate, masks=False)
    groups = [
        group for number, one in enumerate(encoded) for group in _groups(_checked(tokenizer, number, one), spacing)
    ]
    scores: dict[_Token, float] = {}
    suggestions: dict[_Token, list[Suggestion]] = {}
    for start in range(0, len(groups), ROWS_AT_ONCE):
        found = yield from _scores(tokenizer, encoded, groups[start : start + ROWS_AT_ONCE])
        doubtful = [] if spacing is None else _below(tokenizer, encoded, found, threshold * DOUBT)
        if doubtful:
            found |= yield from _scores(tokenizer, encoded, [[token] for token in doubtful])
        scores |= found
        # Candidates are requested for the few improbable characters only: they cost a sort of the vocabulary.
        improbable = _below(tokenizer, encoded, found, threshold)
        if improbable:
            best = yield from best_tokens([_masked(tokenizer, encoded, [token]) for token in improbable])
            for token, candidates in zip(improbable, best, strict=True):
                suggestions[token] = _suggest(tokenizer, candidates, found[token], top_k)
    return [_proofreading(tokenizer, number, one, scores, suggestions) for number, one in enumerate(encoded)]


def _checked(tokenizer: Tokenizer, text: int, encoded: Encoded) -> list[_Token]:
    """Return a text's tokens without special ones."""
    return [
        _Token(text, position)
        for position in range(1, len(encoded.input_ids) - 1)  # without [CLS] and [SEP]
        if not is_special(tokenizer.tokens[encoded.input_ids[position]])
    ]


def _groups(tokens: Sequence[_Token], spacing: int | None) -> list[Sequence[_Token]]:
    """Group the tokens to be masked in one row."""
    step = spacing or len(tokens)
    return [tokens[first::step] for first in range(min(step, len(tokens)))]


def _scores(
    tokenizer: Tokenizer, encoded: Sequence[Encoded], groups: Sequence[Sequence[_Token]]
) -> Exchange[dict[_Token, float]]:
    """Request each token's probability in the row of its group."""
    rows = [_masked(tokenizer, encoded, group) for group in groups]
    wanted = [[encoded[text].input_ids[position] for text, position in group] for group in groups]
    answers = yield from probabilities(rows, wanted)
    return {
        token: float(answer[number, number])  # the candidates are those of all masks of the row
        for group, answer in zip(groups, answers, strict=True)
        for number, token in enumerate(group)
    }


def _masked(tokenizer: Tokenizer, encoded: Sequence[Encoded], group: Sequence[_Token]) -> Row:
    """Return a text's row with a group masked."""
    ids = list(encoded[group[0].text].input_ids)
    for _, position in group:
        ids[position] = tokenizer.mask_id
    return Row(tuple(ids), tuple(position for _, position in group))


def _below(
    tokenizer: Tokenizer, encoded: Sequence[Encoded], scores: Mapping[_Token, float], threshold: float
) -> list[_Token]:
    """Return the Chinese characters with a lower score."""
    return [
        token
        for token, score in scores.items()
        if score < threshold and is_chinese(tokenizer.tokens[encoded[token.text].input_ids[token.position]])
    ]


def _suggest(tokenizer: Tokenizer, best: Best, score: float, top_k: int) -> list[Suggestion]:
    """Return the Chinese characters more probable than a score."""
    check_top_k(top_k, best.token_ids.shape[-1])
    candidates = (
        Suggestion(probability, token, token_text(tokenizer.tokens, token))
        for token, probability in zip(best.token_ids[0].tolist(), best.scores[0].tolist(), strict=True)
        if probability > score
    )
    return list(islice((one for one in candidates if is_chinese(one.token_str)), top_k))


def _proofreading(
    tokenizer: Tokenizer,
    number: int,
    encoded: Encoded,
    scores: dict[_Token, float],
    suggestions: dict[_Token, list[Suggestion]],
) -> Proofreading:
    """Return the result of one text."""
    characters, suspects = [], []
    for position, ((start, end), token_id) in enumerate(zip(encoded.token_spans, encoded.input_ids, strict=True)):
        token = _Token(number, position)
        if token not in scores:
            continue
        token_str = tokenizer.tokens[token_id]
        characters.append(TokenScore(scores[token], token_str, start, end))
        if better := suggestions.get(token):
            suspects.append(Suspect(scores[token], token_str, start, end, tuple(better)))
    return Proofreading(encoded.text, tuple(characters), tuple(suspects))
