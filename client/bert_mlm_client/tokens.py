"""Tokenize text as Hugging Face's BertTokenizer does."""

from dataclasses import asdict, dataclass
from typing import Any

from bert_mlm_client.errors import TRUNCATE, InputError, VocabularyError
from bert_mlm_client.texts import MASK, UNREADABLE, TextTypeError, check_text
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

__all__ = ["MASK", "Encoded", "TextTypeError", "Tokenizer", "check_text"]

UNK, CLS, SEP = "[UNK]", "[CLS]", "[SEP]"

Span = tuple[int, int]
"""Start and end of a part of a text."""


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
                kept = "the part around the masks" if masks else "the start"
                raise self._too_long(kept, len(ids) + 2)
            window = _around([place for place, token in enumerate(ids) if token == self._mask], len(ids), room)
            ids, spans = ids[window], spans[window]
        input_ids = (self._cls, *ids, self._sep)
        token_spans = ((0, 0), *spans, (len(text), len(text)))
        positions = tuple(place for place, token in enumerate(input_ids) if token == self._mask)
        return Encoded(text, input_ids, positions, tuple(token_spans[place] for place in positions), token_spans)

    def encode_sequence(self, text: str, text_pair: str | None = None, *, truncate: bool = False) -> tuple[int, ...]:
        """Return the token ids of a checked text or pair.

        They are those of Hugging Face's tokenizer: [CLS] text [SEP], or [CLS] text [SEP] text_pair [SEP].

        Args:
            text: the text.
            text_pair: the second text of a pair.
            truncate: truncate what is too long for the model at the end, of a pair the longer text first.

        Raises:
            InputError: a text has no tokens, or there are too many.
        """
        parts = [self._tokenize(part)[0] for part in (text, text_pair) if part is not None]
        if not all(parts):
            msg = "the text has spaces and invisible characters only; write a sentence"
            raise InputError(msg)
        length, room = sum(map(len, parts)), self.config.max_length - 1 - len(parts)
        if length > room:
            if not truncate:
                kept = "the start" if text_pair is None else "the starts of both"
                raise self._too_long(kept, length + 1 + len(parts))
            parts = [part[:size] for part, size in zip(parts, _longest_first(list(map(len, parts)), room), strict=True)]
        return (self._cls, *(token for part in parts for token in (*part, self._sep)))

    def _too_long(self, kept: str, length: int) -> InputError:
        limit = self.config.max_length
        msg = (
            f"the text is {length} tokens long with [CLS] and [SEP], {length - limit} more than the {limit} that the "
            f"model reads; shorten it, or keep {kept} with {TRUNCATE}"
        )
        return InputError(msg, option=TRUNCATE)

    @property
    def mask_id(self) -> int:
        """Return the id of [MASK]."""
        return self._mask

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
        if unreadable := UNREADABLE.search(word):
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


def _longest_first(lengths: list[int], room: int) -> list[int]:
    """Return the lengths after truncation.

    Of two texts the longer one is truncated first, then both to one half. As Hugging Face's tokenizers, which keep the
    odd token of the longer one (truncation.rs, LongestFirst).
    """
    if len(lengths) == 1:
        return [room]
    short = min(*lengths, room // 2)
    kept = [short, room - short]
    return kept if lengths[0] <= lengths[1] else kept[::-1]
