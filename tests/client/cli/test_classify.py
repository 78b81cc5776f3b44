"""The command ``classify`` against scripted and real classifiers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bert_mlm_client import TextClassifier, TextPair

from tests.client.cli.process import Run
from tests.client.cli.test_commands import as_json
from tests.client.scripted import ScriptedClassifier, grpc_server

TEXTS = ["我们去散步吧", "北京的天气"]


@pytest.fixture
def genre_url(classifier: ScriptedClassifier) -> Iterator[str]:
    with grpc_server(classifier) as url:
        yield url


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("option", "top_k"), [((), 1), (("--top-k", "2"), 2), (("--top-k", "all"), None)])
def test_json_is_the_librarys_answer(run: Run, classifier_url: str, option: tuple[str, ...], top_k: int | None) -> None:
    with TextClassifier(classifier_url, "genre") as client:
        expected = as_json(client.classify(TEXTS, top_k))
    assert isinstance(expected, list)
    arguments = ["classify", "--model", "genre", "--url", classifier_url, *option]
    done = run(*arguments, TEXTS[0], "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == expected[0]
    assert json.loads(run(*arguments, *TEXTS, "--json").stdout) == expected
    assert documents(run(*arguments, *TEXTS).stdout) == [
        {"line": number, "text": text, "answer": answer}
        for number, (text, answer) in enumerate(zip(TEXTS, expected, strict=True), 1)
    ]


def test_the_table_shows_score_and_label(run: Run, genre_url: str) -> None:
    with TextClassifier(genre_url, "genre") as client:
        expected = client.classify(TEXTS[0], 2)
    arguments = ["classify", "--model", "genre", "--url", genre_url, "--top-k", "2", "--table"]
    header, _, *rows = [line.split() for line in run(*arguments, TEXTS[0]).stdout.splitlines()]
    assert header == ["score", "label"]
    assert rows == [[f"{each.score:.4f}", each.label] for each in expected]
    assert all([text] in [line.split() for line in run(*arguments, *TEXTS).stdout.splitlines()] for text in TEXTS)


def test_a_pair_is_a_text_and_an_option(run: Run, genre_url: str, classifier: ScriptedClassifier) -> None:
    classifier.text_pairs = True
    with TextClassifier(genre_url, "genre") as client:
        expected = as_json(client.classify(TextPair(*TEXTS)))
    arguments = ["classify", "--model", "genre", "--url", genre_url, TEXTS[0]]
    [found] = documents(run(*arguments, "--text-pair", TEXTS[1]).stdout)
    assert found == {"line": 1, "text": TEXTS[0], "text_pair": TEXTS[1], "answer": expected}
    assert f"{TEXTS[0]} | {TEXTS[1]}" not in run(*arguments, "--text-pair", TEXTS[1], "--table").stdout
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "trained on pairs of texts; give the second text as well, --text-pair, or a field or column" in done.stderr


@pytest.mark.parametrize(
    "case",
    [
        ("a.jsonl", '{{"text": "{0}", "text_pair": "{1}"}}\n', ()),
        ("a.jsonl", '{{"b": "{1}", "a": "{0}"}}\n', ("--field", "a", "--field", "b")),
        ("a.csv", "text_pair,text\n{1},{0}\n", ()),
        ("a.csv", "{1},{0}\n", ("--column", "2", "--column", "1")),
        ("a.tsv", "{0}\t{1}\n", ("--column", "1", "--column", "2")),
    ],
)
def test_pairs_are_read_from_fields_and_columns(
    run: Run, genre_url: str, classifier: ScriptedClassifier, tmp_path: Path, case: tuple[str, str, tuple[str, ...]]
) -> None:
    name, content, options = case
    classifier.text_pairs = True
    source = tmp_path / name
    source.write_text(content.format(*TEXTS), encoding="utf-8")
    done = run("classify", "--model", "genre", "--url", genre_url, "--input", source, *options)
    assert (done.returncode, done.stderr) == (0, "")
    with TextClassifier(genre_url, "genre") as client:
        assert documents(done.stdout)[0]["answer"] == as_json(client.classify(TextPair(*TEXTS)))


def test_a_file_is_classified_in_order_and_resumed(run: Run, genre_url: str, tmp_path: Path) -> None:
    texts = [f"{'京' * (number % 23)}{number % 10}{number // 10}" for number in range(1200)]
    source, output = tmp_path / "texts.txt", tmp_path / "labels.jsonl"
    source.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    arguments = ["classify", "--model", "genre", "--url", genre_url, "--input", source, "--output", output]
    done = run(*arguments, "--top-k", "2")
    assert (done.returncode, done.stdout) == (0, "")
    with TextClassifier(genre_url, "genre") as client:
        expected = as_json(client.classify(texts, 2))
    found = documents(output.read_text(encoding="utf-8"))
    assert [(each["line"], each["text"]) for each in found] == list(enumerate(texts, 1))
    assert [each["answer"] for each in found] == expected
    complete = output.read_bytes()
    assert run(*arguments, "--top-k", "2", "--resume").returncode == 0
    assert output.read_bytes() == complete


def test_a_long_line_fails_with_the_option_unless_it_is_given(run: Run, genre_url: str) -> None:
    arguments = ["classify", "--model", "genre", "--url", genre_url]
    given = f"{'京' * 40}\n{TEXTS[0]}\n"
    done = run(*arguments, given=given)
    assert done.returncode == 3
    assert "keep the start with --truncate" in documents(done.stdout)[0]["error"]
    assert done.stderr.startswith("bert-mlm: 2 lines, 1 failed (1 too long: --truncate); ")
    assert run(*arguments, "--truncate", given=given).returncode == 0


def test_a_model_of_the_other_task_is_one_clear_line(run: Run, grpc_url: str, genre_url: str) -> None:
    fills = "the model fills masks and has no labels; ask it with bert-mlm fill, or name a classifier"
    labels = "the model classifies texts and fills no masks; ask it with bert-mlm classify, or name a masked"
    for command, text, model, url, message in (
        ("classify", TEXTS[0], "bert_mlm", grpc_url, fills),
        ("fill", "[MASK]京", "genre", genre_url, labels),
    ):
        for given in (None, f"{text}\n" * 3):
            texts = [text] if given is None else []
            done = run(command, *texts, "--model", model, "--url", url, given=given)
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
            assert done.stderr.startswith(f"bert-mlm: {message}")
