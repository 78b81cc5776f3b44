"""Tokenize text as Hugging Face's BertTokenizer does."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from bert_mlm_client.errors import InputError, VocabularyError
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

__all__ = ["MASK", "Encoded", "TextTypeError", "Tokenizer", "check_text"]

UNK, CLS, SEP, MASK = "[UNK]", "[CLS]", "[SEP]", "[MASK]"

Span = tuple[int, int]
"""Start and end of a part of a text."""

# Common misspellings of [MASK]: other case, full-width letters, spaces, other brackets or a missing bracket.
_MISSPELT = re.compile(
    r"""[\[［【]\s*[mｍ][aａ][sｓ][kｋ]\s*[\]］】]    # [mask], ［ＭＡＳＫ］, [ MASK ]
      | [<{＜｛]\s*[mｍ][aａ][sｓ][kｋ]\s*[>}＞｝]     # <mask>, as other models write it
      | \[[mｍ][aａ][sｓ][kｋ](?![a-zａ-ｚ\]])         # [MASK without its end
      | (?<![a-zａ-ｚ\[])(?-i:MASK|ＭＡＳＫ)\]         # MASK] without its beginning
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Control characters (category Cc) except tab, line feed and carriage return; and surrogates (Cs).
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class TextTypeError(InputError, TypeError):
    """Raised if a text is not a str.

    For example None or NaN from a table.
    """


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokenized text.

    Attributes:
        text: the caller's text, complete even if the tokens are truncated.
        input_ids: S token ids, from [CLS] to [SEP].
        mask_positions: the positions of the M masks in input_ids.
        mask_spans: their spans in the text.
        token_spans: the span of each of the S tokens in the text; [CLS] and [SEP] have empty spans at the text's ends.
            Characters that the tokenizer drops (spaces, accents, invisible ones) may be outside every span, and a
            character that becomes several tokens is in the span of each.
    """

    text: str
    input_ids: tuple[int, ...]
    mask_positions: tuple[int, ...]
    mask_spans: tuple[Span, ...]
    token_spans: tuple[Span, ...]


def check_text(text: str, *, masks: bool = True) -> None:
    """Check a text without a vocabulary.

    Args:
        text: the caller's text.
        masks: whether it needs a [MASK].

    Raises:
        InputError: the text is empty, has control characters, which the tokenizer would drop, or lone surrogates, which
            it cannot read; or it needs a [MASK] and has none or a misspelt one.
        TextTypeError: the text is not a str.
    """
    if not isinstance(text, str):
        msg = f"a text must be a str, not {type(text).__name__}"
        raise TextTypeError(msg)
    if not text.strip():
        msg = "the text is empty; write a sentence" + (" with [MASK] where a character is missing" if masks else "")
        raise InputError(msg)
    if unreadable := _UNREADABLE.search(text):
        code = ord(unreadable[0])
        kind = "a lone surrogate" if code >= 0xD800 else "a control character"
        msg = f"character {unreadable.start() + 1} of the text is U+{code:04X}, {kind}; remove it"
        raise InputError(msg)
    if not masks:
        return
    if misspelt := _MISSPELT.search(text.replace(MASK, " ")):
        msg = f"the text has {misspelt[0]!r}; write a mask as [MASK], in capitals and square brackets"
        raise InputError(msg)
    if MASK not in text:
        msg = "the text has no [MASK]; write [MASK] where a character is missing"
        raise InputError(msg)


class Tokenizer:
    """Split text into tokens of a vocabulary.

    Thread-safe. The ids are those of Hugging Face's BertTokenizer: match added tokens, clean the text, split off
    Chinese characters, lower-case and strip accents where the configuration says so, split at spaces and punctuation,
    then WordPiece (Devlin et al. 2019, and `tokenization.py` of google-research/bert).

    A text can contain [MASK] and added tokens. [CLS], [SEP], [PAD] and [UNK] in it are split into words and brackets
    (``split_special_tokens`` of transformers), so that a text cannot inject special tokens.

    Args:
        vocabulary: the tokens of vocab.txt.
        config: the settings, with the added tokens.

    Attributes:
        tokens: every token by id, added ones included; "" for an id without a token.

    Raises:
        VocabularyError: a special token is missing, or an added token has an id that transformers would not give it.
    """

    def __init__(self, vocabulary: Vocabulary, config: TokenizerConfig) -> None:
        self.vocabulary = vocabulary
        self.config = config
        ids = {token: number for number, token in enumerate(vocabulary.tokens)}
        if missing := [token for token in (UNK, CLS, SEP, MASK) if token not in ids]:
            msg = (
                f"the vocabulary ({len(vocabulary.tokens)} tokens) has no {', '.join(missing)}; use the vocab.txt of a "
                "BERT checkpoint, one token a line"
            )
            raise VocabularyError(msg)
        self._unk, self._cls, self._sep, self._mask = ids[UNK], ids[CLS], ids[SEP], ids[MASK]
        self._backend = _build_backend(ids, config)
        ids.pop("", None)  # it counts for the ids of added tokens, but is not a token
        self._ids = ids | {token.content: token.id for token in config.added_tokens}
        self._stripping = {token.id for token in config.added_tokens if token.lstrip or token.rstrip}
        names = [*vocabulary.tokens, *[""] * (config.rows - len(vocabulary.tokens))]
        for token in config.added_tokens:
            names[token.id] = token.content
        self.tokens = tuple(names)

    def encode(self, text: str, *, truncate: bool = False, masks: bool = True) -> Encoded:
        """Tokenize a text.

        Args:
            text: the text.
            truncate: truncate a text that is too long, keeping equal parts on both sides of its masks; without masks,
                keep the start. The spans still refer to the whole text.
            masks: whether the text needs a [MASK].

        Raises:
            InputError: see `check_text`; or the text has no tokens or too many, or with ``truncate`` its masks are too
                far apart.
            TextTypeError: the text is not a str.
        """
        check_text(text, masks=masks)
        return self.encode_checked(text, truncate=truncate, masks=masks)

    def encode_checked(self, text: str, *, truncate: bool = False, masks: bool = True) -> Encoded:
        """Tokenize a text that passed `check_text` (see `encode`).

        Raises:
            InputError: the text has no tokens, or too many.
        """
        ids, spans = self._tokenize(text)
        if not ids:
            msg = "the text has spaces and invisible characters only; write a sentence"
            raise InputError(msg)
        room = self.config.max_length - 2
        if len(ids) > room:
            if not truncate:
                msg = (
                    f"the text is {len(ids) + 2} tokens long with [CLS] and [SEP], {len(ids) - room} more than the "
                    f"{self.config.max_length} that the model reads; shorten it"
                )
                raise InputError(msg + (", or keep the part around the masks with truncate=True" if masks else ""))
            kept = _around([place for place, token in enumerate(ids) if token == self._mask], len(ids), room)
            ids, spans = ids[kept], spans[kept]
        input_ids = (self._cls, *ids, self._sep)
        token_spans = ((0, 0), *spans, (len(text), len(text)))
        positions = tuple(place for place, token in enumerate(input_ids) if token == self._mask)
        return Encoded(text, input_ids, positions, tuple(token_spans[place] for place in positions), token_spans)

    def token_id(self, token: str) -> int | None:
        """Return a token's id, or None for an unknown token."""
        return self._ids.get(token)

    def word_ids(self, word: str) -> tuple[int, ...]:
        """Tokenize a word that replaces masks, one token each.

        Args:
            word: a word of any length, or a piece with ``##`` as `Prediction.token_str` has it.

        Raises:
            InputError: the word is empty, has a mask, or is not in the vocabulary.
            TextTypeError: the word is not a str.
        """
        if not isinstance(word, str):
            msg = f"a word must be a str, not {type(word).__name__}"
            raise TextTypeError(msg)
        if unreadable := _UNREADABLE.search(word):
            msg = f"the word {word!r} has the unreadable character U+{ord(unreadable[0]):04X}; remove it"
            raise InputError(msg)
        if word.startswith("##") and (piece := self.token_id(word)) is not None:
            return (piece,)
        ids, spans = self._tokenize(word)
        if not ids:
            msg = f"the word {word!r} is empty; write a word"
            raise InputError(msg)
        if self._mask in ids:
            msg = f"the word {word!r} has a [MASK]; write the word that replaces it"
            raise InputError(msg)
        if self._unk in ids:
            start, end = spans[ids.index(self._unk)]
            msg = f"the word {word!r} has {word[start:end]!r}, which is not in the model's vocabulary"
            raise InputError(msg)
        return tuple(ids)

    def _tokenize(self, text: str) -> tuple[list[int], list[Span]]:
        """Return token ids and spans, without [CLS] and [SEP]."""
        pieces = self._backend.encode(text, add_special_tokens=False)
        ids, spans = pieces.ids, pieces.offsets
        if self._stripping:  # exclude the spaces that the token's match includes
            spans = [
                _without_spaces(text, span) if token in self._stripping else span
                for token, span in zip(ids, spans, strict=True)
            ]
        return ids, spans


def _build_backend(ids: dict[str, int], config: TokenizerConfig) -> Any:
    """Build the same `tokenizers.Tokenizer` as transformers."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

    # The library numbers new tokens from the size of the vocabulary; transformers counts all empty lines of vocab.txt
    # as one token. An empty word never occurs, so no other id changes.
    new = [token.id for token in config.added_tokens if token.content not in ids]
    if min(new, default=0) > len(ids):
        ids = ids | {"": len(ids)}
    backend = Tokenizer(models.WordPiece(ids, unk_token=UNK, max_input_chars_per_word=100))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.tokenize_chinese_chars,
        strip_accents=config.strip_accents,
        lowercase=config.do_lower_case,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    added = [
        AddedToken(**{name: value for name, value in asdict(token).items() if name != "id"})
        for token in config.added_tokens
    ]
    if MASK not in [token.content for token in config.added_tokens]:
        added.append(AddedToken(MASK, normalized=False, special=True))
    backend.add_tokens(added)
    for token in config.added_tokens:
        if (given := backend.token_to_id(token.content)) != token.id:
            msg = (
                f"the added token {token.content!r} has id {token.id} in the server's configuration, and {given} in "
                "transformers; export the model again"
            )
            raise VocabularyError(msg)
    return backend


def _without_spaces(text: str, span: Span) -> Span:
    start, end = span
    matched = text[start:end]
    return end - len(matched.lstrip()), start + len(matched.rstrip())


def _around(masks: list[int], length: int, room: int) -> slice:
    """Return ``room`` of ``length`` tokens, centred on the masks."""
    first, last = (masks[0], masks[-1]) if masks else (0, 0)
    if last - first >= room:
        msg = (
            f"the first and the last [MASK] are {last - first} tokens apart, the model reads {room} at once; "
            "split the text"
        )
        raise InputError(msg)
    start = min(max((first + last + 1 - room) // 2, 0), length - room)
    return slice(start, start + room)
