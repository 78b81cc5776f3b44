import lzma
from pathlib import Path

import pytest

from models.demo import corpus


@pytest.mark.parametrize(
    ("line", "normal"),
    [
        ("　他说：「你好」 ", "他说：“你好”"),
        ("ＡＢＣ１２３ iPhone", "abc123 iphone"),
        ("中文 和 English 混排", "中文和english混排"),
        ("等等......", "等等……"),
        ("真的吗？好！（是；否）", "真的吗？好！（是；否）"),
        ("两字——破折", "两字——破折"),
    ],
)
def test_lines_are_normalised_to_the_vocabularys_forms(line: str, normal: str) -> None:
    assert corpus.normalise(line) == normal


def test_sentences_keep_their_ends_and_closing_quotes() -> None:
    assert corpus.sentences("他说：“走吧。”她没动！为什么") == ["他说：“走吧。”", "她没动！", "为什么"]


def test_texts_are_split_at_sentences_up_to_the_maximum() -> None:
    line = "一二三四。五六七八。九十。" + "长" * 30
    texts = list(corpus.cut(["短。短短。", line], 12))
    assert texts[:2] == ["短。", "短短。"]
    assert texts[2] == "一二三四。五六七八。"
    assert all(len(text) <= 12 for text in texts)


def test_lines_are_distinct_and_read_from_compressed_files_too(tmp_path: Path) -> None:
    path = tmp_path / "some.txt.xz"
    path.write_bytes(lzma.compress("甲。\n\n乙。\n甲。\n".encode()))
    assert list(corpus.read_lines(corpus.find(tmp_path, "some"))) == ["甲。", "乙。"]


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no corpus laws\.txt"):
        corpus.find(tmp_path, "laws")


def corpora_with(folder: Path, **lines: str) -> Path:
    for name in corpus.SHARES:
        (folder / f"{name}.txt").write_text(lines.get(name, "一句话。\n"), encoding="utf-8")
    return folder


def test_a_line_that_shares_a_sentence_with_the_held_out_text_is_dropped(tmp_path: Path) -> None:
    secret = next(s for _, text in corpus.held_out() for s in corpus.sentences(text) if len(s) > 10)
    folder = corpora_with(tmp_path, laws=f"前面一句。{secret}\n无关的一句。\n")
    laws = next(source for source in corpus.load(folder, 126) if source.name == "laws")
    assert laws.texts == ["无关的一句。"]


def test_idioms_are_listed_and_common_ones_twice(tmp_path: Path) -> None:
    folder = corpora_with(
        tmp_path,
        idioms_explained_and_in_context="罕见成语：解释。\n常用成语：解释。\n",
        modern_public_domain_books="\n".join(f"第{n}次用常用成语。" for n in "一二三四"),
    )
    sources = {source.name: source.texts for source in corpus.load(folder, 126)}
    assert set(sources["idioms"]) == {"罕见成语", "罕见成语。", "常用成语", "常用成语。"}
    assert set(sources["common_idioms"]) == {"常用成语", "常用成语。"}


def test_shares_add_up_to_all_training_tokens() -> None:
    for stage in (0, 1):
        assert sum(shares[stage] for shares in corpus.SHARES.values()) == pytest.approx(1)


def test_the_vocabulary_begins_with_special_tokens_and_ranks_characters_by_use() -> None:
    sources = [corpus.Source("a", ["好好好学学习", "a 好"], (1.0, 1.0))]
    tokens = corpus.vocabulary(sources, 112)
    assert tuple(tokens[:5]) == corpus.SPECIAL_TOKENS
    assert tokens[-3:] == ["好", "学", "习"]
    assert len(tokens) == len(set(tokens))
    assert "##a" in tokens
    assert " " not in tokens


def test_held_out_text_is_long_enough() -> None:
    texts = corpus.held_out()
    assert len(texts) == 1340
    assert len({name for name, _ in texts}) == 10
