"""Compare the client's token ids with transformers'.

The client's tokenizer is built from the answer of a version's `tokenizer` signature, transformers' from the published
files of the checkpoint.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bert_mlm_client.errors import InputError
from bert_mlm_client.tokens import MASK, Tokenizer

from export.errors import ParityError
from export.reference.process import ReferenceProcess

NOT_SPECIAL_HERE = ("[CLS]", "[SEP]", "[PAD]", "[UNK]")
"""Special tokens that the client reads as text. Texts with these are not compared."""

MIXED_TEXTS = (
    "BERT 是 Google 在2018年发布的 Language Model，iPhone 和 macOS 都能跑。",
    "Café, naïve, Ångström, İstanbul, straße, ﬁn, Ǆ, Σίσυφος, Ёлка",
    "今天天气真好，我们去公园散步吧。",
    "研究生命的起源，南京市长江大桥。",
    "価格は¥１，２００です。ありがとうございました。한국어도",
    "第1章　total=3.14%（约）—— “引号”、『書名』…",
    "http://example.com/?q=NUM&x=[num] {a:b} <e1> #话题# @用户",
)
"""Texts that other tokenizers read differently: capitals, accents, unspaced words, other widths, brackets."""

_CHUNK = 16  # tokens of the vocabulary in one text
_BATCH = 1000  # texts in one message


def compare_ids(tokenizer: Tokenizer, original: ReferenceProcess, sentences: Iterable[str]) -> int:
    """Compare the token ids of both tokenizers.

    The texts are the sentences, mixed texts, texts with added tokens, and the whole vocabulary.

    Args:
        tokenizer: the client's tokenizer.
        original: the reference model with transformers' tokenizer.
        sentences: further texts.

    Returns:
        The number of compared texts.

    Raises:
        ParityError: the ids of a text differ; the message has the text and both lists.
    """
    unbounded = Tokenizer(tokenizer.vocabulary, replace(tokenizer.config, max_length=2**30))
    added = {MASK, *original.special_tokens, *(token.content for token in tokenizer.config.added_tokens)}
    texts = [
        *sentences,
        *MIXED_TEXTS,
        *_added_token_texts(sorted(added)),
        *_vocabulary_texts(tokenizer.vocabulary.tokens),
    ]
    compared = 0
    for batch in _chunks([text for text in texts if not _has_other_special(text)], _BATCH):
        ours = [_ids(unbounded, text) for text in batch]
        for text, own, theirs in zip(batch, ours, original.tokenize_all(batch), strict=True):
            if own is None:
                continue
            compared += 1
            if own != theirs:
                msg = (
                    f"the version's tokenizer reads {text!r} as {own}, transformers reads it as {theirs}; export the "
                    "checkpoint again, and if they still differ, do not serve it"
                )
                raise ParityError(msg)
    return compared


def _ids(tokenizer: Tokenizer, text: str) -> list[int] | None:
    """Return the token ids, or None for a rejected text.

    For example, the client rejects a text of only spaces.
    """
    try:
        return list(tokenizer.encode(text, masks=False).input_ids)
    except InputError:
        return None


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _has_other_special(text: str) -> bool:
    return any(token in text for token in NOT_SPECIAL_HERE)


def _added_token_texts(tokens: Sequence[str]) -> Iterator[str]:
    """Yield texts with each token in different contexts and capitalisations."""
    for token in tokens:
        yield from (token, token * 2, f"{token} {token}", f"这件衣服{token}元", f"北京 {token}  天气", f"，{token}。")
        yield from (f"The\u3000{token}\tend", f"a{token}b", f"1{token}2", f"##{token}", f"[{token}]", token[:-1])
        yield from (f"价{changed}元 x{changed}" for changed in (token.lower(), token.upper(), token.swapcase()))
    yield "".join(tokens)
    yield " ".join(tokens)


def _vocabulary_texts(tokens: Iterable[str]) -> Iterator[str]:
    """Yield texts of the whole vocabulary.

    The words are separated by spaces, joined with swapped case, or accented.
    """
    words = [token.removeprefix("##") for token in tokens]
    readable = [word for word in words if word.isprintable() and not _has_other_special(word)]
    for chunk in _chunks(readable, _CHUNK):
        yield " ".join(chunk)
        yield "".join(chunk).swapcase()
        yield " ".join(f"{word}\N{COMBINING ACUTE ACCENT}" for word in chunk)
