"""The command: options, bad input, and runs that are interrupted and resumed."""

import shutil
from pathlib import Path

import pytest

from deploy.batch.__main__ import main
from deploy.batch.arguments import parse
from deploy.batch.errors import BatchError
from tests.deploy.batch.conftest import Ray, Write, answers

FEW = [f"今天天气真[MASK]，第{number}天。" for number in range(10)]


def arguments(source: Path, model: Path, *more: str, task: str = "fill") -> list[str]:
    return [
        *("--input", str(source), "--output", str(source.parent / "out"), "--task", task),
        *("--model", str(model), "--chunk-rows", "2", "--threads", "1", *more),
    ]


def test_a_run_that_is_stopped_continues_with_what_is_missing(
    write: Write, demo_version: Path, ray: Ray, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write("a.txt", "\n".join(FEW))
    command = arguments(source, demo_version)
    output = source.parent / "out"
    ray.stop_after = 3
    assert main(command) == 130
    assert "6 of 10 rows are in" in capsys.readouterr().err
    assert not (output / "_SUCCESS").exists()
    ray.stop_after = None
    assert main(command) == 0
    assert "6 of 10 rows are in" in capsys.readouterr().err
    assert ray.asked == [0, 1, 2, 3, 4]
    assert [one["text"] for one in answers(output)] == FEW
    assert (output / "_SUCCESS").exists()
    assert main(command) == 0
    assert ray.asked == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == f"batch: {output} is complete: 10 rows, 0 failed\n"


def test_an_error_that_ends_a_run_says_how_to_continue(
    write: Write, demo_version: Path, ray: Ray, capsys: pytest.CaptureFixture[str]
) -> None:
    ray.stop_after, ray.stops_with = 1, BatchError
    source = write("a.txt", "\n".join(FEW))
    assert main(arguments(source, demo_version)) == 1
    assert capsys.readouterr().err.endswith(
        f"2 of 10 rows are in {source.parent}/out; run the same command to continue\n"
    )


def test_failed_rows_are_counted_over_all_runs(
    write: Write, demo_version: Path, ray: Ray, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write("a.txt", "\n".join([FEW[0], "没有", FEW[1], FEW[2]]))
    ray.stop_after = 1
    assert main(arguments(source, demo_version)) == 130
    ray.stop_after = None
    assert main(arguments(source, demo_version)) == 3
    assert "4 rows in" in capsys.readouterr().err.splitlines()[-1]
    assert main(arguments(source, demo_version)) == 3
    assert "is complete: 4 rows, 1 failed" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--top-k", "3"), ("--truncate",), ("--chunk-rows", "5")])
def test_another_run_does_not_mix_with_the_output(
    write: Write, demo_version: Path, ray: Ray, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    source = write("a.txt", "\n".join(FEW))
    ray.stop_after = 1
    main(arguments(source, demo_version))
    assert main(arguments(source, demo_version, *more)) == 1
    assert "is the output of another run" in capsys.readouterr().err.splitlines()[-1]
    assert ray.asked == [0]


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (
            '{"id": 1, "text": "[MASK]"}\n{"id": 1, "text": "[MASK]"}\n',
            ("--id-column", "id"),
            "the id 1 is in in.jsonl:1",
        ),
        ('{"id": 1}\n', (), "the first row of in.jsonl has no column 'text' but 'id'; name one with --columns"),
        ('{"text": "今天[MASK]。"}\n'.encode("gbk"), (), "in.jsonl is not UTF-8; if it is GBK, give --encoding gbk"),
        ("", (), "the input has no rows: in.jsonl"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    *,
    write: Write,
    demo_version: Path,
    ray: Ray,
    capsys: pytest.CaptureFixture[str],
    content: str | bytes,
    more: tuple[str, ...],
    message: str,
) -> None:
    source = write("in.jsonl", content)
    assert main(arguments(source, demo_version, *more)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"batch: {message}")
    assert not (source.parent / "out").exists()
    assert ray.asked == []


def test_a_folder_that_is_no_model_is_named(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write("a.txt", FEW[0])
    assert main(arguments(source, tmp_path / "nothing")) == 1
    assert "nothing is not a model; export one with python -m export" in capsys.readouterr().err
    (tmp_path / "empty/3").mkdir(parents=True)
    assert main(arguments(source, tmp_path / "empty")) == 1
    assert "empty/3 has no assets.extra/model.int8.onnx; export the model again" in capsys.readouterr().err


def test_the_newest_version_is_used(write: Write, demo_version: Path, ray: Ray, tmp_path: Path) -> None:
    shutil.copytree(demo_version, tmp_path / "models/9")
    (tmp_path / "models/10").symlink_to(demo_version)
    source = write("a.txt", FEW[0])
    assert main(arguments(source, tmp_path / "models")) == 0
    assert main(arguments(source, tmp_path / "models/9")) == 0  # the same model by its manifest
    assert ray.asked == [0]


@pytest.mark.parametrize(
    ("task", "more", "message"),
    [
        ("similarity", (), "a line of a .txt file is a single text without columns; use .jsonl, .csv or .parquet"),
        ("fill", ("--id-column", "id"), "a line of a .txt file is a single text without columns"),
    ],
)
def test_lines_of_text_have_no_columns(
    *,
    write: Write,
    demo_version: Path,
    capsys: pytest.CaptureFixture[str],
    task: str,
    more: tuple[str, ...],
    message: str,
) -> None:
    assert main(arguments(write("a.txt", "x"), demo_version, *more, task=task)) == 1
    assert capsys.readouterr().err.startswith(f"batch: {message}")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--task", "similarity", "--columns", "a"], "similarity needs 2 columns, not 1"),
        (["--task", "classify", "--columns", "a", "b", "c"], "classify needs 1 or 2 columns, not 3"),
        (["--task", "features", "--top-k", "3"], "features has no --top-k"),
        (["--task", "proofread", "--threshold", "1.5"], "--threshold must be between 0 and 1, not 1.5"),
        (["--task", "fill", "--spacing", "5"], "--spacing is for proofread, and is at least 2"),
        (["--task", "proofread", "--spacing", "1"], "--spacing is for proofread, and is at least 2"),
        (["--task", "fill", "--workers", "0"], "0 is not a whole number from 1 to 10,000"),
        (["--task", "explain"], "invalid choice: 'explain'"),
    ],
)
def test_wrong_options_are_rejected(more: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--input", "a.jsonl", "--output", "out", *more])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_defaults_are_those_of_bert_mlm() -> None:
    options = [parse(["--input", "x", "--output", "y", "--task", task]) for task in ("fill", "classify", "features")]
    assert [one.top_k for one in options] == [5, 1, None]
    assert {(one.workers, one.threads, one.chunk_rows) for one in options} == {(None, 0, 1024)}
