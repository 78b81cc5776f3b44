"""Decoding of ids and scores into predictions."""

import numpy as np
import pytest
from bert_mlm_client.decode import decode, is_chinese, is_punctuation, join_tokens
from bert_mlm_client.errors import InputError, VocabularyError
from bert_mlm_client.results import Prediction
from bert_mlm_client.tokens import Encoded
from tokenizers.normalizers import BertNormalizer

from tests.support.exported import DEMO

TOKENS = ("[PAD]", "都", "##京", "the", "\u2028", "")
ONE = Encoded("The 首[MASK]  是", (), (3,), ((5, 11),), ())
TWO = Encoded("[MASK]😀[MASK]", (), (1, 3), ((0, 6), (7, 13)), ())


def test_the_sequence_is_the_users_own_text_with_the_token_in_place_of_the_mask() -> None:
    answer = decode(ONE, np.array([[1, 2]]), np.array([[0.5, 0.25]]), tokens=TOKENS, top_k=2)
    assert answer == [[Prediction(0.5, 1, "都", "The 首都  是"), Prediction(0.25, 2, "##京", "The 首京  是")]]


def test_several_masks_have_a_list_each() -> None:
    answer = decode(TWO, np.array([[1], [3]]), np.array([[0.5], [0.25]]), tokens=TOKENS, top_k=1)
    assert answer == [[Prediction(0.5, 1, "都", "都😀[MASK]")], [Prediction(0.25, 3, "the", "[MASK]😀the")]]


def test_rows_of_other_requests_are_dropped() -> None:
    ids, scores = np.array([[1], [999]]), np.array([[0.5], [0.25]])
    assert decode(ONE, ids, scores, tokens=TOKENS, top_k=1) == [[Prediction(0.5, 1, "都", "The 首都  是")]]


def test_more_candidates_than_the_server_has_are_rejected() -> None:
    with pytest.raises(InputError, match="top_k is 3, this model answers with 2"):
        decode(ONE, np.array([[1, 2]]), np.array([[0.5, 0.25]]), tokens=TOKENS, top_k=3)


@pytest.mark.parametrize("token", [-1, 5, 6])
def test_an_id_without_a_name_is_rejected(token: int) -> None:
    with pytest.raises(VocabularyError, match=f"token {token}, which the vocabulary does not name"):
        decode(ONE, np.array([[token]]), np.array([[0.5]]), tokens=TOKENS, top_k=1)


def test_without_punctuation_the_next_candidates_are_used() -> None:
    ids, scores = np.array([[0, 1, 4, 3, 2]]), np.array([[0.5, 0.2, 0.1, 0.05, 0.01]])
    answer = decode(ONE, ids, scores, tokens=TOKENS, top_k=2, skip_punctuation=True)
    assert answer == [[Prediction(0.2, 1, "都", "The 首都  是"), Prediction(0.05, 3, "the", "The 首the  是")]]


def test_without_punctuation_there_may_be_fewer_candidates() -> None:
    [answer] = decode(
        ONE, np.array([[0, 4, 1]]), np.array([[0.5, 0.2, 0.1]]), tokens=TOKENS, top_k=3, skip_punctuation=True
    )
    assert [candidate.token_str for candidate in answer] == ["都"]


@pytest.mark.parametrize(
    "token", ["，", "。", "##，", "——", "￥", "+", "[UNK]", "[unused12]", "[MASK]", "\u2028", "…", "##"]
)
def test_punctuation_symbols_and_special_tokens_are_not_words(token: str) -> None:
    assert is_punctuation(token)


@pytest.mark.parametrize("token", ["都", "##京", "the", "7", "##0", "ｗ", "、二", "[X", "①", "🀄二"])
def test_letters_digits_and_characters_are_words(token: str) -> None:
    assert not is_punctuation(token)


@pytest.mark.parametrize(
    ("tokens", "word"),
    [
        (["北", "京"], "北京"),
        (["iphone", "15"], "iphone 15"),
        (["play", "##ing"], "playing"),
        (["北", "the", "京"], "北the京"),
        (["c", "+", "+"], "c++"),
        (["##a", "##b"], "##ab"),
        ([], ""),
    ],
)
def test_tokens_in_a_row_spell_words(tokens: list[str], word: str) -> None:
    assert join_tokens(tokens) == word


def test_chinese_characters_are_those_that_bert_separates() -> None:
    normalizer = BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    tokens = [token for token in (DEMO / "vocab.txt").read_text(encoding="utf-8").splitlines() if len(token) == 1]
    tokens += "のカ한ㄅعß〇豈㐀𠀀"
    older = [token for token in tokens if token < "\U00030000"]  # BERT's ranges lack Unicode 13's extension G
    assert [token for token in older if is_chinese(token) != (normalizer.normalize_str(token) == f" {token} ")] == []
    assert is_chinese("𰬸")
