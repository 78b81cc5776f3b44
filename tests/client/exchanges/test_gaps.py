"""Masks side by side are one gap."""

from bert_mlm_client import FillMask
from bert_mlm_client.exchanges.gaps import Gap, find_gaps, replace


def test_masks_side_by_side_are_one_gap(client: FillMask) -> None:
    encoded = client.tokenizer().encode("一[MASK][MASK]二[MASK]")
    assert find_gaps(encoded) == [Gap(0, 2, (1, 13)), Gap(2, 3, (14, 20))]


def test_spaces_between_masks_belong_to_the_gap(client: FillMask) -> None:
    encoded = client.tokenizer().encode("[MASK]  [MASK] 一")
    assert find_gaps(encoded) == [Gap(0, 2, (0, 14))]


def test_words_take_the_place_of_spans() -> None:
    assert replace("一[MASK]二[MASK]", [(1, 7), (8, 14)], ["三", "ab四"]) == "一三二ab四"
    assert replace("一", [], []) == "一"
