"""Character spans of tokens, and truncation around masks."""

import pytest
from bert_mlm_client.errors import InputError
from bert_mlm_client.tokens import MASK, Encoded, Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client import tokenizer_equality as equality
from tests.client.scripted import SPECIAL, TOKENS

SMALL = Vocabulary.parse("\n".join((*TOKENS, "\u0307", "##\u0307")).encode())


def tokens_at_spans(encoded: Encoded) -> list[tuple[str, str]]:
    """Return tokens (without [CLS] and [SEP]) with their characters."""
    pairs = zip(encoded.input_ids, encoded.token_spans, strict=True)
    return [(SMALL.tokens[number], encoded.text[start:end]) for number, (start, end) in pairs][1:-1]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("北[MASK]京", [("北", "北"), (MASK, MASK), ("京", "京")]),
        ("[MASK][MASK]", [(MASK, MASK), (MASK, MASK)]),
        ("😀北👨‍👩‍👧[MASK]", [("[UNK]", "😀"), ("北", "北"), ("[UNK]", "👨‍👩‍👧"), (MASK, MASK)]),
        ("\t北 \n 京\u2028[MASK] ", [("北", "北"), ("京", "京"), (MASK, MASK)]),
        ("ThE\u200b BE\u00adRT[MASK]", [("the", "ThE"), ("bert", "BE\u00adRT"), (MASK, MASK)]),
        ("e\u0301 É[MASK]", [("e", "e"), ("e", "É"), (MASK, MASK)]),
        ("İ[MASK]", [("i", "İ"), (MASK, MASK)]),
        ("𠀀a1[MASK]", [("𠀀", "𠀀"), ("a", "a"), ("##1", "1"), (MASK, MASK)]),
        ("！[MASK]！", [("！", "！"), (MASK, MASK), ("！", "！")]),
    ],
)
def test_each_token_has_the_span_of_its_characters(text: str, tokens: list[tuple[str, str]]) -> None:
    encoded = Tokenizer(SMALL, TokenizerConfig()).encode(text)
    assert tokens_at_spans(encoded) == tokens
    assert (encoded.token_spans[0], encoded.token_spans[-1]) == ((0, 0), (len(text), len(text)))


def test_a_character_that_lower_casing_makes_two_is_the_span_of_both() -> None:
    encoded = Tokenizer(SMALL, TokenizerConfig(strip_accents=False)).encode("İ[MASK]")
    assert tokens_at_spans(encoded) == [("i", "İ"), ("##\u0307", "İ"), (MASK, MASK)]


@given(
    text=st.lists(
        st.one_of(
            st.sampled_from([MASK, "北京", "the bert", " "]),
            st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5),
            *(st.text(alphabet, max_size=5) for alphabet in equality.ALPHABETS),
        ),
        min_size=1,
    ).map("".join),
    lower=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_the_text_of_a_span_tokenizes_to_its_token(text: str, lower: bool) -> None:
    tokenizer = Tokenizer(SMALL, TokenizerConfig(do_lower_case=lower, max_length=2**30))
    try:
        encoded = tokenizer.encode(text, masks=False)
    except InputError:
        return
    spans = encoded.token_spans
    assert list(spans) == sorted(spans)
    for number, (start, end) in list(zip(encoded.input_ids, spans, strict=True))[1:-1]:
        assert start < end
        alone = tokenizer.encode(encoded.text[start:end], masks=False)
        known = [SMALL.tokens[piece].removeprefix("##") for piece in alone.input_ids[1:-1]]
        # An unknown word is one token of any length; a known piece may be a word by itself.
        assert SMALL.tokens[number].removeprefix("##") in known or "[UNK]" in known


def test_the_length_counts_cls_and_sep() -> None:
    tokenizer = Tokenizer(SMALL, TokenizerConfig(max_length=5))
    assert len(tokenizer.encode("北京[MASK]").input_ids) == 5
    with pytest.raises(InputError, match=r"6 tokens long with \[CLS\] and \[SEP\], 1 more than the 5 that"):
        tokenizer.encode("北京[MASK]。")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("中国的[MASK]是北京", "国的[MASK]是北"),  # as much on both sides
        ("[MASK]中国的首都是", "[MASK]中国的首"),  # unused room on the left goes to the right
        ("中国的首都是[MASK]", "国的首都是[MASK]"[1:]),
        ("中国的首[MASK]是[MASK]北京天气", "首[MASK]是[MASK]北"),
        ("中国[MASK]的首都[MASK]北京", "[MASK]的首都[MASK]"),
        ("中国[MASK]京", "中国[MASK]京"),  # short enough as it is
    ],
)
def test_a_long_text_is_truncated_around_its_masks(text: str, kept: str) -> None:
    tokenizer = Tokenizer(SMALL, TokenizerConfig(max_length=7))
    encoded = tokenizer.encode(text, truncate=True)
    assert encoded.input_ids == tokenizer.encode(kept).input_ids
    assert "".join(characters for _, characters in tokens_at_spans(encoded)) == kept
    assert [text[start:end] for start, end in encoded.mask_spans] == [MASK] * text.count(MASK)
    assert encoded.text == text


def test_masks_too_far_apart_are_an_error() -> None:
    tokenizer = Tokenizer(SMALL, TokenizerConfig(max_length=7))
    with pytest.raises(InputError, match=r"first and the last .* are 5 tokens apart, the model reads 5 at once"):
        tokenizer.encode("[MASK]中国的首[MASK]", truncate=True)


def test_a_long_text_without_masks_keeps_its_beginning() -> None:
    encoded = Tokenizer(SMALL, TokenizerConfig(max_length=5)).encode("中国的首都", truncate=True, masks=False)
    assert [characters for _, characters in tokens_at_spans(encoded)] == ["中", "国", "的"]


@given(left=st.integers(0, 700), middle=st.integers(0, 700), right=st.integers(0, 700))
@settings(max_examples=100, deadline=None)
def test_a_truncated_text_is_full_and_keeps_both_sides_alike(left: int, middle: int, right: int) -> None:
    text = "北" * left + MASK + "京" * middle + MASK + "都" * right
    tokenizer = Tokenizer(SMALL, TokenizerConfig(max_length=512))
    if middle > 508:
        with pytest.raises(InputError, match="tokens apart"):
            tokenizer.encode(text, truncate=True)
        return
    encoded = tokenizer.encode(text, truncate=True)
    assert len(encoded.input_ids) == min(512, left + middle + right + 4)
    before = encoded.mask_positions[0] - 1
    after = len(encoded.input_ids) - 2 - encoded.mask_positions[1]
    assert abs(before - after) <= 1 or before == left or after == right


@pytest.mark.parametrize(
    ("word", "tokens"),
    [
        ("北京", ["北", "京"]),
        ("Bert", ["bert"]),
        ("be", ["b", "##e"]),
        (" 首 都 ", ["首", "都"]),
        ("##e", ["##e"]),
    ],
)
def test_a_candidate_is_tokenized_like_text(word: str, tokens: list[str]) -> None:
    ids = Tokenizer(SMALL, TokenizerConfig()).word_ids(word)
    assert [SMALL.tokens[number] for number in ids] == tokens


@pytest.mark.parametrize("token", [token for token in TOKENS if token not in {*SPECIAL, "\u2028", "##\u2028"}])
def test_every_token_that_a_prediction_can_have_is_a_candidate(token: str) -> None:
    assert Tokenizer(SMALL, TokenizerConfig()).word_ids(token) == (SMALL.tokens.index(token),)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "'' is empty; write a word"),
        (" \t", "is empty"),
        ("\u200b", "is empty"),
        ("北鑫", "'北鑫' has '鑫', which is not in the model's vocabulary"),
        ("😀", "has '😀'"),
        ("[UNK]", r"has '\['"),
        ("北[MASK]", r"has a \[MASK\]"),
        ("北\x07", r"has the unreadable character U\+0007"),
        ("\ud83d", r"has the unreadable character U\+D83D"),
    ],
)
def test_an_invalid_word_is_rejected(word: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tokenizer(SMALL, TokenizerConfig()).word_ids(word)


@pytest.mark.parametrize("word", [None, 3, b"x"])
def test_a_candidate_is_a_string(word: str) -> None:
    with pytest.raises(TypeError, match="a word must be a str"):
        Tokenizer(SMALL, TokenizerConfig()).word_ids(word)
