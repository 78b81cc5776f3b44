"""Test the genre sets in the repository and how they are made."""

import re
from collections import Counter
from pathlib import Path

import pytest

from models.genre import dataset

FIRST = "甲乙丙丁戊己庚辛壬癸"


@pytest.fixture(scope="module")
def train() -> tuple[list[str], list[str]]:
    return dataset.read(dataset.TRAIN)


@pytest.fixture(scope="module")
def dev() -> tuple[list[str], list[str]]:
    return dataset.read(dataset.DEV)


def test_every_genre_has_equally_many_passages(
    train: tuple[list[str], list[str]], dev: tuple[list[str], list[str]]
) -> None:
    assert Counter(train[1]) == dict.fromkeys(dataset.SOURCES, dataset.TRAIN_PASSAGES)
    assert Counter(dev[1]) == dict.fromkeys(dataset.SOURCES, dataset.DEV_PASSAGES)


def test_train_and_dev_share_no_passage_and_no_clause(
    train: tuple[list[str], list[str]], dev: tuple[list[str], list[str]]
) -> None:
    assert len(set(train[0]) | set(dev[0])) == len(train[0]) + len(dev[0])
    clauses = {clause for text in dev[0] for clause in dataset.clauses(text)}
    assert [text for text in train[0] if not clauses.isdisjoint(dataset.clauses(text))] == []


def test_the_texts_have_no_quotes_and_end_alike(
    train: tuple[list[str], list[str]], dev: tuple[list[str], list[str]]
) -> None:
    for text in (*train[0], *dev[0]):
        assert re.fullmatch(r"[\w，。 .%°×±+=/&-]+", text), text
        assert text.endswith("。")
        assert 12 <= len(text) <= 40


def test_the_genres_have_equally_many_texts_of_each_length(train: tuple[list[str], list[str]]) -> None:
    bands = Counter(
        (label, band) for text, label in zip(*train, strict=True) for band in dataset.LENGTHS if len(text) in band
    )
    assert len(bands) == len(dataset.SOURCES) * len(dataset.LENGTHS)
    assert len(set(bands.values())) == 1


def test_both_files_are_small_and_of_permissive_sources() -> None:
    assert sum(path.stat().st_size for path in (dataset.TRAIN, dataset.DEV)) < 1_500_000
    assert not [name for name in dataset.SOURCES.values() if "wiki" in name]


@pytest.mark.parametrize(
    ("line", "cleaned"),
    [
        ("第十二条 本办法自发布之日起施行。", "本办法自发布之日起施行。"),
        ("（三）设立标志；定期检查", "设立标志。定期检查。"),
        ("1. 打开“终端”，输入命令：", "打开终端，输入命令。"),
        ("他说：“走吧！”", "他说。走吧。"),
        ("油、盐、酱——各一勺……", "油，盐，酱，各一勺。"),
        ("《红楼梦》（上）", "红楼梦上。"),
        ("3.5 克盐", "3.5 克盐。"),
    ],
)
def test_layout_is_removed(line: str, cleaned: str) -> None:
    assert dataset.clean(line) == cleaned


def test_passages_are_whole_sentences_of_a_usable_length() -> None:
    short, middle, long = "一二三。", "一二三四五六七八九十一。", "长" * 60 + "。"
    assert dataset.passages(short + middle + long) == [short + middle, middle]
    assert dataset.passages("sudo apt-get install。") == []


@pytest.mark.parametrize(
    ("line", "vernacular"),
    [("我看着窗外的雨，想起了他们。", True), ("子曰：学而时习之，不亦说乎。", False), ("春眠不觉晓。", False)],
)
def test_vernacular_text_is_told_from_literary_text(line: str, vernacular: bool) -> None:
    assert dataset.is_vernacular(line) is vernacular


def test_of_idioms_only_the_meaning_is_kept() -> None:
    lines = ["一曝十寒：比喻做事没有恒心，不能坚持。", "他做事一曝十寒。"]
    assert list(dataset.texts("idiom", lines)) == ["比喻做事没有恒心，不能坚持。"]


def test_an_editors_note_is_no_poem() -> None:
    assert list(dataset.texts("tang_poem", ["见《北户录》卷三", "床前明月光，疑是地上霜。"])) == [
        "床前明月光，疑是地上霜。"
    ]


@pytest.mark.parametrize("line", ["献文闻\ue844罪状。", "好吃😋。", "请看 https://example.com 的说明。"])
def test_lines_with_lost_characters_or_addresses_are_dropped(line: str) -> None:
    assert list(dataset.texts("technology", [line])) == []


def corpora_with(folder: Path, lines: int) -> Path:
    """Write corpora of distinct lines, with passages of every length."""
    for genre, name in enumerate(dataset.SOURCES.values()):
        texts = []
        for number in range(lines):
            word = f"{FIRST[genre]}{''.join(FIRST[int(digit)] for digit in f'{number:04}')}"
            text = "".join(f"{mark}{word}们的这样。" for mark in "子丑寅卯")
            texts.append(f"一字千金：{text}" if name.startswith("idioms") else text)
        (folder / f"{name}.txt").write_text("\n".join(texts), encoding="utf-8")
    return folder


def test_the_sets_are_the_same_for_the_same_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "TRAIN_PASSAGES", 40)
    monkeypatch.setattr(dataset, "DEV_PASSAGES", 8)
    monkeypatch.setattr(dataset, "LENGTHS", (range(12, 24), range(24, 41)))
    corpora = corpora_with(tmp_path, 60)
    once, again = dataset.make(corpora), dataset.make(corpora)
    assert once == again
    train, dev = once
    assert (len(train), len(dev)) == (400, 80)


def test_too_small_a_corpus_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        dataset.main(["--corpora", str(corpora_with(tmp_path, 5)), "--output", str(tmp_path)])
    assert "too few passages" in capsys.readouterr().err
    assert not (tmp_path / "train.tsv").exists()


def test_a_missing_corpus_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        dataset.main(["--corpora", str(tmp_path)])
    assert "no corpus poetry_tang_simp.txt" in capsys.readouterr().err
