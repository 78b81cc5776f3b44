"""Added tokens are matched exactly as by transformers."""

from dataclasses import replace

import pytest
import tokenizers
from bert_mlm_client.errors import InputError, VocabularyError
from bert_mlm_client.exchanges.gaps import find_gaps
from bert_mlm_client.exchanges.targets import target_tokens
from bert_mlm_client.tokens import MASK, Tokenizer
from bert_mlm_client.vocabulary import AddedToken, TokenizerConfig, Vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers

from tests.client import tokenizer_equality as equality
from tests.client.scripted import TOKENS

VOCABULARY = Vocabulary.parse("\n".join((*TOKENS, "[unused1]", "[", "]", "num", "é", "##x")).encode())
NUM = AddedToken(len(VOCABULARY.tokens), "[NUM]", normalized=False, special=True)
CONTENTS = (
    "[NUM]",
    "[num]",
    "<e1>",
    "</e1>",
    "[unused1]",
    "北京",
    "the",
    "E",
    "é",
    "New York",
    "##x",
    "ab",
    "。",
    "[MASK]",
)
FLAGS = st.fixed_dictionaries(
    dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), st.booleans())
)
SPACES = st.sampled_from(["", " ", "  ", "\u3000", "\t", "\u2028"])


def reference(config: TokenizerConfig, added: list[tokenizers.AddedToken]) -> tokenizers.Tokenizer:
    """Return transformers' BERT tokenizer with added tokens, then special ones."""
    ids = {token: number for number, token in enumerate(VOCABULARY.tokens)}
    built = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    built.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.tokenize_chinese_chars,
        strip_accents=config.strip_accents,
        lowercase=config.do_lower_case,
    )
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.add_tokens(added)
    known = {token.content for token in added}
    built.add_special_tokens([token for token in (*equality.OTHER_SPECIAL, MASK) if token not in known])
    return built


@st.composite
def added_tokens(draw: st.DrawFn) -> list[tokenizers.AddedToken]:
    # The library does not define which of two tokens with the same normal form is matched; it differs by run.
    contents = draw(
        st.lists(st.sampled_from(CONTENTS), unique_by=lambda content: content.lower().replace("é", "e"), max_size=5)
    )
    return [tokenizers.AddedToken(content, **draw(FLAGS)) for content in contents]


def id_in(built: tokenizers.Tokenizer, content: str) -> int:
    number = built.token_to_id(content)
    assert number is not None
    return number


def as_config(
    config: TokenizerConfig, built: tokenizers.Tokenizer, added: list[tokenizers.AddedToken]
) -> TokenizerConfig:
    """Return an export's configuration for added tokens."""
    listed = [
        AddedToken(
            id_in(built, token.content),
            token.content,
            single_word=token.single_word,
            lstrip=token.lstrip,
            rstrip=token.rstrip,
            normalized=token.normalized,
            special=token.special,
        )
        for token in added
    ]
    return replace(config, max_length=2**30, added_tokens=tuple(sorted(listed, key=lambda token: token.id)))


@given(
    added=added_tokens(),
    parts=st.lists(
        st.one_of(
            st.sampled_from(CONTENTS),
            st.sampled_from(CONTENTS).map(str.swapcase),
            st.sampled_from(["a", "the", "北", "中国", "。", "É", "x", MASK]),
            *(st.text(alphabet, max_size=4) for alphabet in equality.ALPHABETS),
        ),
        max_size=8,
    ),
    between=SPACES,
    config=st.builds(
        TokenizerConfig,
        do_lower_case=st.booleans(),
        strip_accents=st.sampled_from([None, True, False]),
        tokenize_chinese_chars=st.booleans(),
    ),
)
@settings(max_examples=1000, deadline=None)
def test_any_added_tokens_are_matched_as_the_library_matches_them(
    added: list[tokenizers.AddedToken], parts: list[str], between: str, config: TokenizerConfig
) -> None:
    built = reference(config, added)
    ours = Tokenizer(VOCABULARY, as_config(config, built, added))
    text = between.join(parts)
    expected = built.encode(text, add_special_tokens=False)
    ids, spans = ours._tokenize(text)
    assert ids == expected.ids
    stripping = {token.content for token in added if token.lstrip or token.rstrip}
    for number, span, (start, end) in zip(ids, spans, expected.offsets, strict=True):
        if ours.tokens[number] in stripping:
            assert text[span[0] : span[1]] == text[start:end].strip()
            assert start <= span[0] <= span[1] <= end
        else:
            assert span == (start, end)


def test_an_added_token_has_a_name_and_an_id() -> None:
    tokenizer = Tokenizer(VOCABULARY, TokenizerConfig(vocab_size=len(VOCABULARY.tokens), added_tokens=(NUM,)))
    assert tokenizer.encode("北[NUM]京[MASK]").input_ids[2] == NUM.id
    assert tokenizer.tokens[NUM.id] == "[NUM]"
    assert tokenizer.token_id("[NUM]") == NUM.id
    assert tokenizer.word_ids("[NUM]") == (NUM.id,)


def test_an_added_token_can_be_explained_and_other_special_tokens_cannot() -> None:
    mask = AddedToken(VOCABULARY.tokens.index(MASK), MASK, rstrip=True, normalized=False, special=True)
    tokenizer = Tokenizer(VOCABULARY, TokenizerConfig(added_tokens=(mask, NUM)))
    gaps = find_gaps(tokenizer.encode("北[MASK]京"))
    assert target_tokens(tokenizer, ["[NUM]"], gaps, joint=False) == [(NUM.id,)]
    for special in (MASK, "[UNK]", "[unused1]"):
        with pytest.raises(InputError, match="is a special token"):
            target_tokens(tokenizer, [special], gaps, joint=False)


@pytest.mark.parametrize("text", ["北 [MASK]  京", "北[MASK] 京", "[MASK]"])
def test_a_mask_that_takes_spaces_leaves_them_in_the_text(text: str) -> None:
    mask = AddedToken(VOCABULARY.tokens.index(MASK), MASK, lstrip=True, rstrip=True, normalized=False, special=True)
    encoded = Tokenizer(VOCABULARY, TokenizerConfig(added_tokens=(mask,))).encode(text)
    [(start, end)] = encoded.mask_spans
    assert text[start:end] == MASK


def test_the_flags_of_mask_are_the_configurations() -> None:
    mask = AddedToken(VOCABULARY.tokens.index(MASK), MASK, single_word=True, normalized=False, special=True)
    tokenizer = Tokenizer(VOCABULARY, TokenizerConfig(added_tokens=(mask,)))
    assert len(tokenizer.encode("the [MASK]", masks=False).mask_positions) == 1
    assert not tokenizer.encode("the[MASK]", masks=False).mask_positions


@pytest.mark.parametrize(
    "token",
    [
        replace(NUM, id=NUM.id + 2),
        replace(NUM, id=NUM.id - 1),
        replace(NUM, id=10**9),
        AddedToken(0, "[unused1]"),
    ],
)
def test_an_id_that_transformers_would_not_give_is_rejected(token: AddedToken) -> None:
    with pytest.raises(VocabularyError, match="in transformers; export the model again"):
        Tokenizer(VOCABULARY, TokenizerConfig(added_tokens=(token,)))


def test_an_empty_line_counts_where_new_tokens_are_numbered() -> None:
    # transformers reads an empty line at the end as a token, which our vocabulary drops.
    tokenizer = Tokenizer(VOCABULARY, TokenizerConfig(added_tokens=(replace(NUM, id=NUM.id + 1),)))
    assert tokenizer.encode("[NUM]", masks=False).input_ids[1] == NUM.id + 1
    assert tokenizer.tokens[NUM.id : NUM.id + 2] == ("", "[NUM]")


def test_a_row_without_a_name_in_the_middle_is_never_an_answer_to_text() -> None:
    vocabulary = Vocabulary.parse("\n".join([*TOKENS[:5], "", *TOKENS[5:]]).encode())
    tokenizer = Tokenizer(vocabulary, TokenizerConfig())
    shifted = [
        number + (number >= 5) for number in Tokenizer(VOCABULARY, TokenizerConfig()).encode("北 京[MASK]").input_ids
    ]
    assert list(tokenizer.encode("北 京[MASK]").input_ids) == shifted
    assert tokenizer.token_id("") is None
