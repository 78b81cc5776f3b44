"""Whole words for all masks together: the best of all, and in few requests."""

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pytest
from bert_mlm_client import FillMask, InputError, Prediction
from bert_mlm_client.drive import drive
from bert_mlm_client.exchanges import fill_jointly
from bert_mlm_client.transport import Answer, Request
from bert_mlm_client.wire.tensors import Array
from numpy.typing import NDArray

from tests.client.exchanges.table_model import MASK, TOKENS, TableModel

SIZE = len(TOKENS)


def likelihood(table: TableModel, row: tuple[int, ...], tokens: tuple[int, ...]) -> float:
    """By the definition: each token given all the others."""
    masks = [place for place, one in enumerate(row) if one == MASK]
    filled = list(row)
    for position, token in zip(masks, tokens, strict=True):
        filled[position] = token
    total = 0.0
    for position, token in zip(masks, tokens, strict=True):
        others = [*filled[:position], MASK, *filled[position + 1 :]]
        total += math.log(table.probabilities(others, position)[token])
    return total


def ranked(table: TableModel, row: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every filling there is, best first."""
    every = itertools.product(range(SIZE), repeat=row.count(MASK))
    return sorted(every, key=lambda tokens: -likelihood(table, row, tokens))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("text", "width"), [("一[MASK][MASK]二", SIZE**2), ("[MASK]一[MASK]三[MASK]", SIZE**3)])
def test_a_beam_wide_enough_finds_what_trying_everything_finds(seed: int, text: str, width: int) -> None:
    table = TableModel(seed)
    tokenizer = table.client().tokenizer()

    def send(request: Request) -> Answer:
        return Answer(table.run(request.signature, request.inputs, request.outputs))

    [fillings] = drive(fill_jointly(tokenizer, [text], 5, width=width), send)
    row = tokenizer.encode(text).input_ids
    assert [filling.tokens for filling in fillings] == ranked(table, row)[:5]
    assert fillings[0].log_likelihood == pytest.approx(likelihood(table, row, fillings[0].tokens), rel=1e-5)


def test_the_usual_beam_finds_the_best_of_a_small_vocabulary(client: FillMask, table: TableModel) -> None:
    text = "一[MASK][MASK][MASK]二"
    best = ranked(table, client.tokenizer().encode(text).input_ids)[0]
    assert client.fill(text, joint=True)[0].tokens == best


def test_the_score_is_the_geometric_mean_of_the_tokens_probabilities_given_the_others(
    client: FillMask, table: TableModel
) -> None:
    text = "一[MASK]二[MASK][MASK]"
    row = client.tokenizer().encode(text).input_ids
    for filling in client.fill(text, joint=True):
        assert filling.log_likelihood == pytest.approx(likelihood(table, row, filling.tokens), rel=1e-5)
        assert filling.score == pytest.approx(math.exp(filling.log_likelihood / 3))


def test_one_mask_is_filled_as_without_joint(client: FillMask) -> None:
    together = client.fill("一[MASK]二", joint=True)
    alone = [one for one in client.fill("一[MASK]二") if isinstance(one, Prediction)]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone])
    assert [(one.token_str, one.sequence) for one in together] == [(one.token_str, one.sequence) for one in alone]


def test_masks_side_by_side_are_one_word(client: FillMask) -> None:
    for filling in client.fill("一[MASK][MASK]二[MASK]", joint=True):
        texts = [TOKENS[token] for token in filling.tokens]
        first, second = filling.words
        assert first.replace(" ", "") == texts[0] + texts[1].removeprefix("##")
        assert second == texts[2]
        assert filling.sequence == f"一{first.removeprefix('##')}二{second.removeprefix('##')}"
        assert filling.token_str == f"{first} {second}"


@pytest.mark.parametrize(("masks", "requests"), [(1, 1), (2, 3), (4, 5)])
def test_an_answer_takes_a_request_for_each_mask_and_one_to_rank(
    client: FillMask, table: TableModel, masks: int, requests: int
) -> None:
    client.fill("一" + "[MASK]" * masks, joint=True)
    assert len(table.questions()) == requests


def test_texts_are_filled_together_as_each_alone(client: FillMask, table: TableModel) -> None:
    texts = ["一[MASK][MASK]", "[MASK]", "[MASK]二[MASK]三[MASK]"]
    together = client.fill(texts, 3, joint=True)
    assert len(table.questions()) == 4
    for text, fillings in zip(texts, together, strict=True):
        for filling, alone in zip(fillings, client.fill(text, 3, joint=True), strict=True):
            assert filling.tokens == alone.tokens
            assert filling.score == pytest.approx(alone.score, rel=1e-5)


def test_as_many_answers_as_asked_for_best_first_and_all_different(client: FillMask) -> None:
    fillings = client.fill("[MASK][MASK]一", SIZE, joint=True)
    scores = [filling.score for filling in fillings]
    assert len({filling.tokens for filling in fillings}) == SIZE
    assert scores == sorted(scores, reverse=True)


def test_punctuation_and_special_tokens_can_be_left_out(client: FillMask) -> None:
    left = {TOKENS.index(token) for token in (*TOKENS[:5], "，")}
    plain = client.fill("[MASK][MASK]一", SIZE, joint=True)
    assert any(left & set(filling.tokens) for filling in plain)
    for filling in client.fill("[MASK][MASK]一", SIZE, joint=True, skip_punctuation=True):
        assert not left & set(filling.tokens)


def test_masks_that_can_hold_punctuation_alone_have_no_filling() -> None:
    class Stop(TableModel):
        def _at_masks(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
            found = super()._at_masks(inputs)
            found[..., TOKENS.index("，")] = 1
            return found

    with Stop(top_k=1).client() as client:
        assert client.fill("[MASK][MASK]一", 1, joint=True, skip_punctuation=True) == []
        assert client.fill(["[MASK]一", "[MASK][MASK]"], 1, joint=True, skip_punctuation=True) == [[], []]


def test_top_k_beyond_what_the_server_answers_with_is_refused(client: FillMask) -> None:
    with pytest.raises(InputError, match=f"top_k is {SIZE + 1}, this model answers with {SIZE}"):
        client.fill("[MASK]一", SIZE + 1, joint=True)


def test_no_texts_have_no_answers(client: FillMask, table: TableModel) -> None:
    assert client.fill([], joint=True) == []
    assert not table.questions()
