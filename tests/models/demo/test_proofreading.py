"""Tests of the measurement of proofreading."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from bert_mlm_client import FillMask, Proofreading, Suspect
from bert_mlm_client.transport import InProcess

from models.demo import proofreading
from models.demo.proofreading import Error, agreement, common_characters, confuse, report, same_shape, same_sound, speed

TEXTS = ["今天天气很好，我们去公园散步吧。", "他说话总是绵里藏针，让人不舒服。"]


@pytest.fixture(scope="module")
def client(demo_version: Path) -> Iterator[FillMask]:
    """A client of the shipped checkpoint's ONNX file, in this process."""
    from deploy.embedded.engines.onnx import OnnxEngine

    with FillMask(InProcess(OnnxEngine(demo_version))) as client:
        yield client


def test_characters_of_the_same_sound_are_common_and_another() -> None:
    confusions = same_sound()
    assert {"器", "起"} <= set(confusions["气"])
    assert "天" not in confusions["气"]
    common = set(common_characters())
    assert len(common) == 2500
    assert all(one in common and one not in others and set(others) <= common for one, others in confusions.items())


def test_shapes_are_groups_of_known_characters() -> None:
    confusions = same_shape()
    assert confusions["未"] == ["末"]
    assert set(confusions["己"]) == {"已"}
    known = set(common_characters(8000))
    assert set(confusions) <= known
    lines = proofreading.SHAPES.read_text(encoding="utf-8").split()
    assert all(len(set(line)) == len(line) > 1 for line in lines)
    assert len(set(lines)) == len(lines) > 150


def test_an_error_replaces_one_character_and_the_choice_is_fixed() -> None:
    errors = confuse(TEXTS, same_sound())
    assert errors == confuse(TEXTS, same_sound())
    for text, error in zip(TEXTS, errors, strict=True):
        assert f"{error.text[: error.place]}{error.right}{error.text[error.place + 1 :]}" == text
        assert error.text[error.place] in same_sound()[error.right]
    assert confuse(["abc。"], same_sound()) == []


def test_an_error_is_found_by_its_place() -> None:
    suspect = Suspect(0.1, "汽", 3, 4, ())
    answer = Proofreading("今天天汽", (), (Suspect(0.1, "今", 0, 1, ()), suspect))
    assert proofreading.suspect_of(Error("今天天汽", 3, "气"), answer) is suspect
    assert proofreading.suspect_of(Error("今天天汽", 2, "天"), answer) is None


def test_the_shipped_checkpoint_finds_a_wrong_character(client: FillMask) -> None:
    [suspect] = [one for one in client.proofread("今天天汽很好。").suspects if one.start == 3]
    assert (suspect.token_str, suspect.suggestions[0].token_str) == ("汽", "气")


def test_the_answer_is_that_of_single_questions(client: FillMask) -> None:
    answer = client.proofread(TEXTS[0], 0.05)
    for one in answer.characters:
        candidates = client.fill(f"{TEXTS[0][: one.start]}[MASK]{TEXTS[0][one.end :]}", top_k=100)
        scores = {each.token_str: each.score for each in candidates}
        if one.token_str in scores:
            assert one.score == pytest.approx(scores[one.token_str], rel=0.02)
        else:
            assert one.score <= candidates[-1].score * 1.02
        for suspect in answer.suspects:
            if suspect.start == one.start:
                chinese = [each for each in candidates if re.fullmatch("[\u4e00-\u9fff]", each.token_str)]
                assert suspect.suggestions[0].token_str == chinese[0].token_str


def test_the_report_has_a_line_for_each_threshold_and_recall_falls(client: FillMask) -> None:
    head, _, _, *rows = report(client, TEXTS)
    assert head == "2 texts, 28 Chinese characters, 2 errors of same sound, 2 errors of same shape"
    assert [float(row.split()[0]) for row in rows] == list(proofreading.THRESHOLDS)
    for column in (1, 3, 5, 6):
        values = [float(row.split()[column].removesuffix("%")) for row in rows]
        assert values == sorted(values, reverse=True)


def test_suspects_of_shared_rows_are_compared_with_those_of_rows_of_their_own(client: FillMask) -> None:
    _, _, *rows = agreement(client, TEXTS, 5)
    for row in rows:
        suspects, missed, further = map(int, row.split()[1:])
        assert (suspects > 0, missed, further) == (True, 0, 0)


def test_all_speeds_are_of_the_same_characters(client: FillMask) -> None:
    assert proofreading.one_by_one(client, TEXTS[0]) == len(client.proofread(TEXTS[0]).characters)
    single, alone, shared, verdict = speed(client, TEXTS[:1])
    assert single.startswith("single fill requests ")
    assert alone.startswith("proofread ")
    assert shared.startswith("proofread, spacing 5 ")
    assert re.fullmatch(r"(met|missed): \d+\.\d times, goal 10", verdict)
