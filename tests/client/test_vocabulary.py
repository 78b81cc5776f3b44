"""A vocabulary is split only at the line ends of vocab.txt."""

import hashlib
import json
from dataclasses import asdict, replace

import pytest
from bert_mlm_client.errors import VocabularyError
from bert_mlm_client.vocabulary import AddedToken, TokenizerConfig, Vocabulary, check_match


def test_only_newlines_separate_tokens() -> None:
    tokens = ("[PAD]", "\u2028", "\u2029", "\x85", "\x0b", "\x1c", "a\rb", "都", "\u2028", "", "京")
    assert Vocabulary.parse("\n".join(tokens).encode() + b"\n").tokens == tokens


@pytest.mark.parametrize(
    "content",
    [b"a\n\nb", b"a\n\nb\n", b"a\n\nb\n\n\n", b"a\r\n\r\nb", b"a\r\n\r\nb\r\n\r\n", b"\xef\xbb\xbfa\r\n\nb\n"],
)
def test_line_ends_and_a_byte_order_mark_change_neither_tokens_nor_digest(content: bytes) -> None:
    vocabulary = Vocabulary.parse(content)
    assert vocabulary.tokens == ("a", "", "b")
    assert vocabulary.digest == hashlib.sha256(b"a\n\nb").hexdigest()


def test_invalid_utf_8_is_rejected_with_its_place() -> None:
    for content, place in ((b"a\n\xff", 2), (b"\xef\xbb\xbfa\n\xff", 5)):
        with pytest.raises(VocabularyError, match=f"not UTF-8 text \\(byte {place}\\)"):
            Vocabulary.parse(content)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff"])
def test_a_configuration_that_is_not_a_json_object_is_rejected(content: bytes) -> None:
    with pytest.raises(VocabularyError, match="export the model again"):
        TokenizerConfig.parse(content)


CONFIG = {
    "do_lower_case": True,
    "strip_accents": None,
    "tokenize_chinese_chars": True,
    "max_length": 512,
    "vocab_size": 3,
    "vocab_sha256": "0",
}
NUM = AddedToken(3, "[NUM]", normalized=False, special=True)


def test_a_configuration_without_added_tokens_has_none() -> None:
    config = TokenizerConfig.parse(json.dumps(CONFIG).encode())
    assert config.added_tokens == ()
    assert config.rows == 3


def test_a_configuration_lists_added_tokens() -> None:
    tokens = (replace(NUM, id=1), NUM, replace(NUM, id=9, content="x", lstrip=True))
    content = {**CONFIG, "added_tokens": [asdict(token) for token in tokens]}
    config = TokenizerConfig.parse(json.dumps(content).encode())
    assert config.added_tokens == tokens
    assert config.rows == 10


@pytest.mark.parametrize(
    ("damaged", "name"),
    [
        (None, "added_tokens"),
        ({}, "added_tokens"),
        (["[NUM]"], "id"),
        ([{}], "id"),
        ([{**asdict(NUM), "id": "3"}], "id"),
        ([{**asdict(NUM), "content": 3}], "content"),
        ([{**asdict(NUM), "lstrip": 1}], "lstrip"),
    ],
)
def test_damaged_added_tokens_are_rejected(damaged: object, name: str) -> None:
    with pytest.raises(VocabularyError, match=f"no valid '{name}'; export the model again"):
        TokenizerConfig.parse(json.dumps({**CONFIG, "added_tokens": damaged}).encode())


def test_a_vocabulary_matches_its_own_digest() -> None:
    vocabulary = Vocabulary.parse(b"a\nb")
    check_match(vocabulary, TokenizerConfig(vocab_size=2, vocab_sha256=vocabulary.digest))
    with pytest.raises(VocabularyError, match="not the server's"):
        check_match(vocabulary, TokenizerConfig(vocab_size=2, vocab_sha256="0"))
