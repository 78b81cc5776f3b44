"""Tests of the comparison of joint and independent filling."""

import itertools
from pathlib import Path

import pytest
from bert_mlm_client.transport import InProcess

from models.demo.idioms import (
    PATTERNS,
    CountingTransport,
    Example,
    independently,
    jointly,
    measure,
    read_examples,
    report,
)


@pytest.fixture(scope="module")
def transport(demo_version: Path) -> CountingTransport:
    """The shipped checkpoint's ONNX file, in this process."""
    from deploy.embedded.engines.onnx import OnnxEngine

    return CountingTransport(InProcess(OnnxEngine(demo_version)))


def test_the_shipped_sentences_have_one_idiom_each() -> None:
    examples = read_examples()
    assert 100 <= len(examples) <= 200
    assert len({example.before + example.after for example in examples}) == len(examples)
    assert len({example.idiom for example in examples}) >= 80
    assert all(8 <= len(example.masked(())) <= 40 for example in examples)


def test_a_line_without_an_idiom_is_named(tmp_path: Path) -> None:
    path = tmp_path / "idioms.txt"
    path.write_text("他[半途而废]。\n他[半途]。\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 2: '他\[半途\]。' has no \[idiom\] of four characters"):
        read_examples(path)


def test_some_of_an_idioms_characters_are_masked() -> None:
    example = Example("他", "半途而废", "。")
    assert example.masked((1, 3)) == "他半[MASK]而[MASK]。"
    assert example.hidden((1, 3)) == "途废"


def test_joint_filling_finds_more_idioms_for_every_top_k(transport: CountingTransport) -> None:
    alone = [Example("", idiom, "") for idiom in dict.fromkeys(example.idiom for example in read_examples())]
    places = PATTERNS["second and fourth"]
    apart, together = (measure(transport, alone, places, fill) for fill in (independently, jointly))
    assert len(set(together.right)) == len(set(apart.right)) == 1
    assert together.right[0] > apart.right[0] + 0.1
    assert together.among_five >= together.right[0]
    assert apart.requests == 1
    assert 2 <= together.requests <= 3


def test_the_report_has_both_ways_for_every_pattern(transport: CountingTransport) -> None:
    lines = list(report(transport, read_examples()[:2]))
    assert [line for line in lines if line.startswith(tuple("0123456789"))] == ["1 idioms alone", "2 sentences"]
    for title, name in itertools.product(PATTERNS, ("each by itself", "jointly")):
        assert sum(line.startswith(title) and name in line for line in lines) == (1 if title == "all four" else 2)
