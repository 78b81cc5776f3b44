"""Words of any length are compared in one round trip."""

import math
import re
from typing import Any

import numpy as np
import pytest
from bert_mlm_client import FillMask, InputError, UsageError

from tests.client.exchanges.table_model import MASK, TOKENS, TableModel, ids


def cut(text: str) -> list[str]:
    """Return a text's characters and masks."""
    return re.findall(r"\[MASK\]|.", text)


def chain(table: TableModel, before: str, word: tuple[str, ...], after: str) -> list[float]:
    """Compute the chain rule, with later tokens masked."""
    found = []
    for place, token in enumerate(word):
        left = [*cut(before), *word[:place]]
        row = ids(*left, *["[MASK]"] * (len(word) - place), *cut(after))
        found.append(float(table.probabilities(row, 1 + len(left))[TOKENS.index(token)]))
    return found


def test_a_word_of_one_token_has_its_plain_probability(client: FillMask, table: TableModel) -> None:
    [filling] = client.score("一[MASK]三", ["二"])
    assert filling.score == pytest.approx(chain(table, "一", ("二",), "三")[0])
    assert filling.log_likelihood == pytest.approx(math.log(filling.score))
    assert (filling.tokens, filling.words) == ((TOKENS.index("二"),), ("二",))
    assert (filling.token_str, filling.sequence) == ("二", "一二三")


@pytest.mark.parametrize("word", [("二", "四"), ("ab", "##c"), ("四", "四", "，")])
def test_a_longer_word_is_scored_token_by_token_from_the_left(
    client: FillMask, table: TableModel, word: tuple[str, ...]
) -> None:
    written = "".join(word).replace("##", "")
    [filling] = client.score("一[MASK]三", [written])
    expected = chain(table, "一", word, "三")
    assert filling.log_likelihood == pytest.approx(sum(np.log(expected)), rel=1e-5)
    assert filling.score == pytest.approx(np.prod(expected) ** (1 / len(word)), rel=1e-5)
    assert filling.tokens == tuple(TOKENS.index(token) for token in word)
    assert (filling.words, filling.sequence) == ((written,), f"一{written}三")


def test_a_gap_of_any_number_of_masks_takes_words_of_any_length(client: FillMask) -> None:
    words = ["二", "二四", "三三三"]
    one, two = client.score("一[MASK]", words), client.score("一[MASK] [MASK]", words)
    assert one == two


def test_answers_keep_order_and_repetitions(client: FillMask) -> None:
    words = ["三", "一二", "三", "，"]
    fillings = client.score("[MASK]一", words)
    assert [filling.token_str for filling in fillings] == words
    assert fillings[0] == fillings[2]


def test_candidates_take_one_request_and_equal_rows_are_sent_once(client: FillMask, table: TableModel) -> None:
    client.score("一[MASK]", ["一二", "一三", "二三", "四", "一二"])
    [(signature, inputs)] = table.questions()
    assert signature == "score_tokens"
    lengths = inputs["lengths"].tolist()
    rows = {tuple(row[:length]) for row, length in zip(inputs["input_ids"].tolist(), lengths, strict=True)}
    mask = "[MASK]"
    expected = [("一", mask), ("一", mask, mask), ("一", "一", mask), ("一", "二", mask)]
    assert len(lengths) == 4
    assert rows == {ids(*row) for row in expected}


def test_a_piece_of_a_word_is_written_without_its_signs(client: FillMask) -> None:
    [filling] = client.score("ab[MASK]一", ["##c"])
    assert (filling.token_str, filling.sequence) == ("##c", "abc一")


def test_no_candidates_have_no_answers(client: FillMask, table: TableModel) -> None:
    assert client.score("[MASK]一", []) == []
    assert not table.questions()


def test_several_gaps_take_a_word_each_of_any_length(client: FillMask, table: TableModel) -> None:
    [filling] = client.score("[MASK]一[MASK]", [("二", "三四")])
    first = chain(table, "", ("二",), "一[MASK][MASK]") + chain(table, "二一", ("三", "四"), "")
    last = chain(table, "[MASK]一", ("三", "四"), "") + chain(table, "", ("二",), "一三四")
    expected = math.log((math.prod(first) + math.prod(last)) / 2)
    assert filling.log_likelihood == pytest.approx(expected, rel=1e-5)
    assert filling.score == pytest.approx(math.exp(expected / 3), rel=1e-5)
    assert (filling.words, filling.token_str, filling.sequence) == (("二", "三四"), "二 三四", "二一三四")
    assert len(table.questions()) == 1


@pytest.mark.parametrize("text", ["[MASK]一[MASK]", "[MASK][MASK]二[MASK]"])
def test_a_candidate_without_a_word_for_each_gap_is_rejected(client: FillMask, text: str) -> None:
    with pytest.raises(InputError, match=r"the text has 2 gaps .* the candidate '一' is for 1; give each"):
        client.score(text, ["一"])
    with pytest.raises(InputError, match=r"^text 2 of 2: the text has 1 gap .* '一, 二' is for 2;"):
        client.choose([text, "[MASK]"], [("一", "二")])


@pytest.mark.parametrize("word", ["", "五", "一[MASK]"])
def test_a_candidate_outside_the_vocabulary_is_rejected(client: FillMask, word: str) -> None:
    with pytest.raises(InputError, match="the word"):
        client.score("[MASK]一", ["一", word])


def test_one_string_for_several_words_is_rejected_before_any_request(client: FillMask, table: TableModel) -> None:
    with pytest.raises(InputError, match="the candidates are a single str, '二三'; pass a list of words"):
        client.score("[MASK]一", "二三")
    with pytest.raises(InputError, match="pass a list of words"):
        client.choose("[MASK]一", "二三")
    assert not table.asked


def test_a_word_that_makes_the_text_too_long_is_rejected_or_truncates_it(client: FillMask) -> None:
    text = "一" * 37 + "[MASK]"
    with pytest.raises(InputError, match="42 tokens long"):
        client.score(text, ["一", "一三三"])
    assert len(client.score(text, ["一", "一三三"], truncate=True)) == 2


def test_a_probability_of_zero_is_the_worst_score_and_no_error(client: FillMask, table: TableModel) -> None:
    table._table[:, :, TOKENS.index("二")] = -1e3
    impossible, possible = client.score("[MASK]一", ["二", "三"])
    assert 0 <= impossible.score < 1e-30 < possible.score
    assert math.isfinite(impossible.log_likelihood)


def test_the_chosen_words_come_by_score_best_first(client: FillMask) -> None:
    words = ["二", "四四", "三三三", "，"]
    expected = sorted(client.score("一[MASK]", words), key=lambda filling: -filling.score)
    assert client.choose("一[MASK]", [*words, "二"]) == expected
    assert client.choose("一[MASK]", words, 2) == expected[:2]


def test_words_to_choose_for_several_texts_share_a_request(client: FillMask, table: TableModel) -> None:
    texts = ["一[MASK]", "[MASK]二", "三[MASK]三"]
    together = client.choose(texts, ["一", "四四"])
    assert len(table.questions()) == 1
    assert together == [client.choose(text, ["一", "四四"]) for text in texts]


@pytest.mark.parametrize(
    ("former", "method"),
    [({"joint": True}, "fill_words"), ({"targets": ["一"]}, "choose"), ({"targets": []}, "choose")],
)
def test_a_former_argument_of_fill_names_the_method_that_it_became(
    client: FillMask, table: TableModel, former: dict[str, Any], method: str
) -> None:
    with pytest.raises(UsageError, match=rf"^fill\(.*\) is now {method}\("):
        client.fill("[MASK]", **former)
    assert not table.asked
    assert client.fill("[MASK]", joint=False, targets=None)  # type: ignore[call-overload]  # the former defaults


def test_top_k_below_one_chooses_nothing(client: FillMask) -> None:
    with pytest.raises(InputError, match="top_k is 0; ask for 1 candidate or more"):
        client.choose("[MASK]", ["一"], 0)


def test_the_row_of_a_mask_is_masked(client: FillMask, table: TableModel) -> None:
    client.score("[MASK]", ["一"])
    assert table.questions()[0][1]["input_ids"].tolist() == [[TOKENS.index("[CLS]"), MASK, TOKENS.index("[SEP]")]]
