"""Read the vocabulary and the tokenizer's settings, which the server's `tokenizer` signature returns."""

import hashlib
import json
from codecs import BOM_UTF8
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from bert_mlm_client.errors import VocabularyError

__all__ = ["AddedToken", "TokenizerConfig", "Vocabulary", "check_match"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    r"""The tokens by id.

    Attributes:
        tokens: the lines of vocab.txt; an empty one is a row of the embeddings without a name.
        digest: the SHA-256 of the tokens joined with ``\n``, in hexadecimal.
    """

    tokens: tuple[str, ...]
    digest: str

    @classmethod
    def parse(cls, content: bytes) -> Self:
        r"""Parse the bytes of a vocab.txt.

        Lines end in ``\n`` or ``\r\n`` alone: U+2028 is token 343 of bert-base-chinese. A byte-order mark and empty
        lines at the end are dropped.

        Raises:
            VocabularyError: the bytes are not UTF-8.
        """
        try:
            text = content.removeprefix(BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            place = error.start + len(content) - len(error.object)
            msg = f"the vocabulary is not UTF-8 text (byte {place}); use the vocab.txt of the model's checkpoint"
            raise VocabularyError(msg) from error
        text = text.replace("\r\n", "\n").rstrip("\n")
        return cls(tuple(text.split("\n")), hashlib.sha256(text.encode()).hexdigest())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a vocab.txt.

        Raises:
            VocabularyError: the file cannot be read or is not UTF-8.
        """
        try:
            return cls.parse(path.read_bytes())
        except OSError as error:
            msg = f"the vocabulary {path} cannot be read: {error.strerror}"
            raise VocabularyError(msg) from error


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token that is matched in the text before WordPiece splits it. Names are Hugging Face's.

    Attributes:
        id: its id: that of a line of vocab.txt, or one beyond them.
        content: the token as it is written.
        single_word: match it only where it is not part of a word.
        lstrip: include the spaces before it in the match.
        rstrip: include the spaces after it in the match.
        normalized: match it in the normalised text (lower-cased, for example), not in the raw text.
        special: it is a special token, such as [NUM].
    """

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """The tokenizer's settings. Names and defaults are those of Hugging Face's tokenizer_config.json.

    Attributes:
        do_lower_case: convert text to lower case.
        strip_accents: remove accents; None follows do_lower_case.
        tokenize_chinese_chars: make every Chinese character a word of its own.
        max_length: the longest input in tokens, [CLS] and [SEP] included.
        vocab_size: the number of tokens in vocab.txt, without those that were added to it; None where unknown.
        vocab_sha256: the vocabulary's digest; None where unknown.
        added_tokens: tokens that are matched before WordPiece, in the order of their ids; [MASK] only where its flags
            are not the usual ones.
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    max_length: int = 512
    vocab_size: int | None = None
    vocab_sha256: str | None = None
    added_tokens: tuple[AddedToken, ...] = ()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Parse the JSON that the `tokenizer` signature returns.

        Raises:
            VocabularyError: the JSON is damaged or one of its values is missing or of another type.
        """
        try:
            config = json.loads(content)
        except ValueError as error:
            msg = f"the server's tokenizer configuration is not JSON ({error}); export the model again"
            raise VocabularyError(msg) from error
        return cls(
            do_lower_case=_typed(config, "do_lower_case", bool),
            strip_accents=_typed(config, "strip_accents", bool, type(None)),
            tokenize_chinese_chars=_typed(config, "tokenize_chinese_chars", bool),
            max_length=_typed(config, "max_length", int),
            vocab_size=_typed(config, "vocab_size", int),
            vocab_sha256=_typed(config, "vocab_sha256", str),
            # Exports that know no added tokens leave them out.
            added_tokens=_added_tokens(_typed({"added_tokens": [], **config}, "added_tokens", list)),
        )

    @property
    def rows(self) -> int:
        """The number of ids up to the last token that has a name."""
        return max([self.vocab_size or 0, *(token.id + 1 for token in self.added_tokens)])


def check_match(vocabulary: Vocabulary, config: TokenizerConfig) -> None:
    """Check that the vocabulary is that of the server's model.

    Raises:
        VocabularyError: it is another one; the message has both sizes and digests.
    """
    if vocabulary.digest != config.vocab_sha256:
        msg = (
            f"the vocabulary is not the server's: {len(vocabulary.tokens)} tokens, SHA-256 {vocabulary.digest} here, "
            f"{config.vocab_size} tokens, {config.vocab_sha256} there; use the vocab.txt of the model that is served"
        )
        raise VocabularyError(msg)


def _added_tokens(listed: list[Any]) -> tuple[AddedToken, ...]:
    types: dict[str, type] = {"id": int, "content": str}
    return tuple(
        AddedToken(
            **{field.name: _typed(token, field.name, types.get(field.name, bool)) for field in fields(AddedToken)}
        )
        for token in listed
    )


def _typed(config: Any, name: str, *types: type) -> Any:
    """Return a value of the configuration, which must be exactly of one of the types: JSON's true is not a number."""
    value = config.get(name, ...) if isinstance(config, dict) else ...
    if type(value) not in types:
        msg = f"the server's tokenizer configuration has no valid {name!r}; export the model again"
        raise VocabularyError(msg)
    return value
