"""Parse the targets of an explanation."""

from collections.abc import Sequence

from bert_mlm_client.decode import is_special
from bert_mlm_client.errors import InputError
from bert_mlm_client.exchanges.gaps import Gap
from bert_mlm_client.tokens import MASK, TextTypeError, Tokenizer


def check_target(target: str | Sequence[str] | None) -> list[str] | None:
    """Return the targets as a list.

    Raises:
        TextTypeError: an entry is not a str.
    """
    if target is None or isinstance(target, str):
        return None if target is None else [target]
    words = list(target)
    for word in words:
        if not isinstance(word, str):
            msg = f"a target must be a str, not {type(word).__name__}"
            raise TextTypeError(msg)
    return words


def is_by_gap(words: Sequence[str] | None, masks: int, *, joint: bool) -> bool:
    """Return whether the targets are words for gaps."""
    return joint or (words is not None and len(words) != masks)


def target_tokens(
    tokenizer: Tokenizer, words: Sequence[str], gaps: Sequence[Gap], *, joint: bool
) -> list[tuple[int, ...]]:
    """Return the token ids of each word, one per mask.

    Raises:
        InputError: the number of words is wrong, a word does not have as many tokens as its gap has masks, is not in
            the vocabulary, or is a special token.
    """
    masks = gaps[-1].end
    by_gap = is_by_gap(words, masks, joint=joint)
    lengths = [gap.end - gap.first for gap in gaps] if by_gap else [1] * masks
    if len(words) != len(lengths):
        wanted = (
            "a word for each gap" if joint or masks == len(gaps) else "a token for each [MASK], or a word for each gap"
        )
        msg = (
            f"{_count(len(words), 'target')} for {_count(masks, '[MASK]')} in {_count(len(gaps), 'gap')}; give {wanted}"
        )
        raise InputError(msg)
    return [_tokens(tokenizer, word, length) for word, length in zip(words, lengths, strict=True)]


def _tokens(tokenizer: Tokenizer, word: str, masks: int) -> tuple[int, ...]:
    # `fill` returns vocabulary tokens, some of which the tokenizer would split differently, such as "É".
    token = tokenizer.token_id(word)
    added = {token.content for token in tokenizer.config.added_tokens} - {MASK}
    if token is not None and is_special(word) and word not in added:
        msg = f"the target {word!r} is a special token; name the word to explain"
        raise InputError(msg)
    if token is not None and masks == 1:
        return (token,)
    tokens = tokenizer.word_ids(word)
    if len(tokens) != masks:
        enough = _count(len(tokens), "[MASK]") + (" side by side" if len(tokens) > 1 else "")
        msg = (
            f"the target {word!r} has {_count(len(tokens), 'token')} for {_count(masks, '[MASK]')}; "
            f"give it {enough}, or name a word of {_count(masks, 'token')}"
        )
        raise InputError(msg)
    return tokens


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
