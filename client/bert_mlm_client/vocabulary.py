"""The vocabulary and how text is cut with it, as the server's `tokenizer` signature tells them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bert_mlm_client.errors import VocabularyError


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens, each at the place of its id.

    Attributes:
        tokens: the lines of vocab.txt.
        digest: the SHA-256 of vocab.txt without its final newline, in hexadecimal.
    """

    tokens: tuple[str, ...]
    digest: str

    @classmethod
    def parse(cls, content: bytes) -> Self:
        r"""Read the bytes of a vocab.txt.

        Lines end in ``\n`` and nowhere else: in bert-base-chinese U+2028, a line separator, is token 343.

        Raises:
            VocabularyError: the bytes are not UTF-8.
        """
        content = content.removesuffix(b"\n")
        try:
            tokens = tuple(content.decode().split("\n"))
        except UnicodeDecodeError as error:
            msg = f"the vocabulary is not UTF-8 text (byte {error.start}); use the vocab.txt of the model's checkpoint"
            raise VocabularyError(msg) from error
        return cls(tokens, hashlib.sha256(content).hexdigest())

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
    """A token that is found in the text before it is tokenized, with Hugging Face's names.

    Attributes:
        id: its id; beyond the lines of vocab.txt, or that of a line.
        content: the token as the text has it.
        single_word: it is not found inside a word.
        lstrip: it takes the spaces before it.
        rstrip: it takes the spaces after it.
        normalized: it is found in the normalised text, such as lower-cased, instead of the raw one.
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
    """How text is cut, with the names of Hugging Face's tokenizer_config.json and its defaults.

    Attributes:
        do_lower_case: whether capitals become small letters.
        strip_accents: whether accents are dropped; None does as do_lower_case says.
        tokenize_chinese_chars: whether every Chinese character is a word of its own.
        max_length: the longest input in tokens, [CLS] and [SEP] included.
        vocab_size: how many tokens the vocabulary has; None where unknown.
        vocab_sha256: the vocabulary's digest; None where unknown.
        added_tokens: tokens beyond BERT's five special ones, in the order of their ids; [MASK] where it takes spaces.
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
        """Read the JSON that the `tokenizer` signature answers with.

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
        )


def check_match(vocabulary: Vocabulary, config: TokenizerConfig) -> None:
    """Check that the vocabulary is the one that the server's model was trained with.

    Raises:
        VocabularyError: it is another one; the message has both sizes and digests.
    """
    if vocabulary.digest != config.vocab_sha256:
        msg = (
            f"the vocabulary is not the server's: {len(vocabulary.tokens)} tokens, SHA-256 {vocabulary.digest} here, "
            f"{config.vocab_size} tokens, {config.vocab_sha256} there; use the vocab.txt of the model that is served"
        )
        raise VocabularyError(msg)


def _typed(config: Any, name: str, *types: type) -> Any:
    """Return one value of the configuration, an exact instance of one of the types (JSON's true is no number)."""
    value = config.get(name, ...) if isinstance(config, dict) else ...
    if type(value) not in types:
        msg = f"the server's tokenizer configuration has no valid {name!r}; export the model again"
        raise VocabularyError(msg)
    return value
