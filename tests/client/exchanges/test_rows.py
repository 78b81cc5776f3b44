"""Rows are grouped with little padding, and answers are split again."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from bert_mlm_client import FillMask, ProtocolError
from bert_mlm_client.batching import MAX_PADDING, MAX_ROWS, MIN_LENGTH, batches
from bert_mlm_client.transport import InProcess
from bert_mlm_client.wire.tensors import Array
from hypothesis import given
from hypothesis import strategies as st

from tests.client.exchanges.table_model import TableModel


@given(st.lists(st.integers(1, 512), max_size=300))
def test_every_row_is_in_one_group_and_no_group_is_too_large_or_too_padded(lengths: list[int]) -> None:
    groups = batches(lengths)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        counted = [max(lengths[index], MIN_LENGTH) for index in group]
        assert len(group) <= MAX_ROWS
        assert sum(counted) >= (1 - MAX_PADDING) * max(counted) * len(group)


def test_rows_of_near_lengths_share_a_group() -> None:
    assert batches([40, 50, 49, 20]) == [[1, 2, 0, 3]]


def test_short_rows_of_any_length_share_a_group() -> None:
    assert batches([3, 16, 9]) == [[0, 1, 2]]


def test_a_row_much_shorter_than_a_long_one_is_in_another_group() -> None:
    assert batches([512, 20]) == [[0], [1]]


def test_many_sentences_of_mixed_length_are_few_groups() -> None:
    lengths = np.random.default_rng(0).integers(8, 50, 256).tolist()
    assert len(batches(lengths)) <= 5


def test_a_short_text_does_not_wait_in_the_request_of_a_long_one(client: FillMask, table: TableModel) -> None:
    client.fill_masks(["[MASK]", "[MASK]", "[MASK]" * 20 + "一" * 18])
    assert [inputs["input_ids"].shape for _, inputs in table.questions()] == [(1, 40), (2, 3)]


def test_padded_rows_are_answered_as_alone(client: FillMask, table: TableModel) -> None:
    texts = ["一二[MASK]三", "[MASK]二三", "一[MASK]二[MASK]三四", "四[MASK]一"]
    together = client.fill_masks(texts, top_k=3)
    assert [inputs["input_ids"].shape for _, inputs in table.questions()] == [(4, 8)]
    assert together == [client.fill_masks(text, top_k=3) for text in texts]


def test_an_answer_may_be_wider_than_requested(client: FillMask, table: TableModel) -> None:
    texts = ["一[MASK]", "[MASK]二"]
    expected = client.fill(texts), client.score(texts[0], ["二", "三四"]), client.explain(texts[0], method="attention")
    table.wider = 2
    answers = client.fill(texts), client.score(texts[0], ["二", "三四"]), client.explain(texts[0], method="attention")
    assert answers == expected


class _Narrow(TableModel):
    """A model whose answers lack a column."""

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        answer = super().run(signature, inputs, outputs)
        return answer if signature == "tokenizer" else {name: array[:, :0] for name, array in answer.items()}


@pytest.mark.parametrize("method", ["fill", "score", "attention"])
def test_an_answer_of_another_shape_is_rejected(method: str) -> None:
    ask = {
        "fill": lambda client: client.fill("[MASK]"),
        "score": lambda client: client.score("[MASK]", ["一"]),
        "attention": lambda client: client.explain("[MASK]", method="attention"),
    }
    with FillMask(InProcess(_Narrow())) as client, pytest.raises(ProtocolError, match="exported by this project"):
        ask[method](client)
