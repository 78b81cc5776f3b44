"""Tests of the similarity evaluation and of the shipped whitening."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models.demo.similarity import PAIRS, SOURCES, Pair, read_pairs, report, running_text, spearman, triples_in_order


def test_spearman_matches_a_published_example() -> None:
    # Wikipedia, "Spearman's rank correlation coefficient": intelligence against hours of television a week.
    intelligence = np.array([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], np.float64)
    hours = np.array([7, 27, 2, 50, 28, 29, 20, 12, 6, 17], np.float64)
    assert spearman(intelligence, hours) == pytest.approx(-29 / 165)


def test_equal_values_share_their_mean_rank() -> None:
    one, other = np.array([1, 2, 2, 3], np.float64), np.array([10, 20, 30, 40], np.float64)
    assert spearman(one, other) == pytest.approx(np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 3, 4])[0, 1])


def test_a_triple_is_correct_if_the_nearer_sentence_scores_higher() -> None:
    pairs = [Pair("甲", "乙", 5), Pair("甲", "丙", 3), Pair("甲", "丁", 0), Pair("戊", "己", 5), Pair("戊", "庚", 0)]
    assert triples_in_order(pairs, np.array([0.9, 0.5, 0.1, 0.2, 0.3])) == (3, 4)
    assert triples_in_order(pairs, np.zeros(5)) == (0, 4)


def test_the_shipped_pairs_are_distinct_and_cover_grades_evenly() -> None:
    pairs = read_pairs()
    assert 150 <= len(pairs) <= 250
    assert Counter(pair.grade for pair in pairs) == dict.fromkeys([5, 3, 1, 0], len(pairs) // 4)
    sentences = [sentence for pair in pairs for sentence in (pair.sentence, pair.other)]
    assert len({pair.other for pair in pairs}) == len(pairs)
    assert not {pair.other for pair in pairs} & {pair.sentence for pair in pairs}
    assert all(4 <= len(sentence) <= 30 for sentence in sentences)
    assert PAIRS.read_text(encoding="utf-8").endswith("\n")


def test_running_text_pairs_a_sentence_with_the_next_and_a_random_one(tmp_path: Path) -> None:
    text = "甲甲甲甲甲甲甲。乙乙乙乙乙乙乙乙。短。\n丙丙丙丙丙丙丙丙。丁丁丁丁丁丁丁丁。\n只有一个句子的一行。\n"
    for name in SOURCES:
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    pairs = running_text(tmp_path)
    following = {"甲甲甲甲甲甲甲。": "乙乙乙乙乙乙乙乙。", "丙丙丙丙丙丙丙丙。": "丁丁丁丁丁丁丁丁。"}
    assert len(pairs) == 2 * 2 * len(SOURCES)
    assert [pair.other for pair in pairs[::2]] == [following[pair.sentence] for pair in pairs[::2]]
    assert {pair.other for pair in pairs[1::2]} <= following.keys() | set(following.values())
    assert [pair.grade for pair in pairs] == [5, 0] * (len(pairs) // 2)


def test_the_report_has_a_column_for_each_measure() -> None:
    pairs = [Pair("甲", "乙", 5), Pair("甲", "丁", 0)]
    lines = list(report(pairs, {"whitened cosine": np.array([0.75, -0.25]), "cosine": np.array([0.5, 0.75])}))
    assert lines[0].split(maxsplit=2) == ["2", "pairs", "whitened cosine                      cosine"]
    assert lines[1].split()[-2:] == ["1.000", "-1.000"]
    assert "1 of 1 (100.0%)" in lines[2]
    assert "0 of 1 (0.0%)" in lines[2]
    assert "-0.25 .. -0.25 .. -0.25" in lines[4]


def test_whitening_centres_unrelated_pairs_at_0_and_keeps_ranks(demo_version: Path) -> None:
    from bert_mlm_client.drive import drive
    from bert_mlm_client.exchanges import load_model, similarity
    from bert_mlm_client.transport import Answer, Request

    from deploy.embedded.engines.onnx import OnnxEngine

    engine = OnnxEngine(demo_version)

    def answer(requests: Sequence[Request]) -> list[Answer]:
        return [Answer(engine.run(request.signature, request.inputs, request.outputs)) for request in requests]

    pairs = read_pairs()
    model = drive(load_model(None), answer)
    found = drive(similarity(model.tokenizer, [(pair.sentence, pair.other) for pair in pairs]), answer)
    grades = np.array([pair.grade for pair in pairs], np.float64)
    whitened, raw = np.array([one.score for one in found]), np.array([one.cosine for one in found])
    assert spearman(whitened, grades) > 0.7
    assert spearman(whitened, grades) > spearman(raw, grades) - 0.02
    assert abs(np.median(whitened[grades == 0])) < 0.1
    assert np.median(raw[grades == 0]) > 0.3
