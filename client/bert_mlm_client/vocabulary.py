"""Parse the vocabulary and the tokenizer's settings."""

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
    r"""Tokens by id.

    Attributes:
        tokens: the lines of vocab.txt; an empty line is an embedding row without a token.
        digest: the SHA-256 of the tokens joined with ``\n``, in hexadecimal.
    """

    tokens: tuple[str, ...]
    digest: str

    @classmethod
    def parse(cls, content: bytes) -> Self:
        r"""Parse the bytes of a vocab.txt.

        Only ``\n`` and ``\r\n`` end a line: U+2028 is token 343 of bert-base-chinese. A byte-order mark and empty
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
    """Token that is matched before WordPiece.

    The field names are those of Hugging Face.

    Attributes:
        id: its id, in vocab.txt or beyond its end.
        content: its text.
        single_word: match it only as a whole word.
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
    """Settings of the tokenizer.

    Names and defaults are those of Hugging Face's tokenizer_config.json.

    Attributes:
        do_lower_case: convert text to lower case.
        strip_accents: remove accents; None follows do_lower_case.
        tokenize_chinese_chars: make every Chinese character a word of its own.
        max_length: the longest input in tokens, [CLS] and [SEP] included.
        vocab_size: the number of tokens in vocab.txt, without added tokens; None if unknown.
        vocab_sha256: the vocabulary's digest; None if unknown.
        added_tokens: tokens that are matched before WordPiece, in the order of their ids; [MASK] only if its flags
            differ from the default.
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
            VocabularyError: the JSON is invalid, or a value is missing or has the wrong type.
        """
        try:
            config = json.loads(content)
        except ValueError as error:
            msg = f"the server's tokenizer configuration is not JSON ({error}); export the model again"
            raise VocabularyError(msg) from error
        return cls(
            do_lower_case=typed(config, "do_lower_case", bool),
            strip_accents=typed(config, "strip_accents", bool, type(None)),
            tokenize_chinese_chars=typed(config, "tokenize_chinese_chars", bool),
            max_length=typed(config, "max_length", int),
            vocab_size=typed(config, "vocab_size", int),
            vocab_sha256=typed(config, "vocab_sha256", str),
            # Older exports have no such field.
            added_tokens=_added_tokens(typed({"added_tokens": [], **config}, "added_tokens", list)),
        )

    @property
    def rows(self) -> int:
        """Return the number of ids, added tokens included."""
        return max([self.vocab_size or 0, *(token.id + 1 for token in self.added_tokens)])


def check_match(vocabulary: Vocabulary, config: TokenizerConfig) -> None:
    """Check that the vocabulary matches the server's model.

    Raises:
        VocabularyError: it does not match; the message has both sizes and digests.
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
            **{field.name: typed(token, field.name, types.get(field.name, bool)) for field in fields(AddedToken)}
        )
        for token in listed
    )


def typed(config: Any, name: str, *types: type) -> Any:
    """Return a value of the configuration after a type check."""
    # Exact types: a bool is an int in Python, but not in JSON.
    value = config.get(name, ...) if isinstance(config, dict) else ...
    if type(value) not in types:
        msg = f"the server's tokenizer configuration has no valid {name!r}; export the model again"
        raise VocabularyError(msg)
    return value
