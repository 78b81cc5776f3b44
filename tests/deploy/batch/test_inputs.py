"""Files of paths, folders, globs and URLs."""

from pathlib import Path

import fsspec
import pytest

from deploy.batch.errors import BatchError
from deploy.batch.plan import find_inputs
from tests.deploy.batch.conftest import Write


def names(*patterns: str) -> list[str]:
    return [file.name for file in find_inputs(patterns)[0]]


def test_files_of_globs_and_folders_are_sorted_and_hidden_ones_left_out(write: Write, tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "_SUCCESS", ".hidden.txt", "sub/c.txt"):
        write(f"in/{name}", "x")
    assert names(f"{tmp_path}/in/*.txt") == ["a.txt", "b.txt"]
    assert names(f"{tmp_path}/in/*.txt", f"{tmp_path}/in/sub", f"{tmp_path}/in/a.txt") == [
        "a.txt",
        "b.txt",
        "sub/c.txt",
    ]
    assert names(f"file://{tmp_path}/in/a.txt") == ["a.txt"]


def test_files_of_the_same_name_are_told_apart(write: Write, tmp_path: Path) -> None:
    write("x/part.jsonl", "{}")
    write("y/part.jsonl", "{}")
    assert names(f"{tmp_path}/*/part.jsonl") == ["x/part.jsonl", "y/part.jsonl"]


def test_urls_are_found_like_paths() -> None:
    with fsspec.open("memory://inputs/a.csv", "wb") as file:
        file.write(b"text\nx\n")
    files, file_format = find_inputs(["memory://inputs/*.csv"])
    assert ([file.name for file in files], file_format) == (["a.csv"], "csv")
    assert files[0].url.startswith("memory://")


@pytest.mark.parametrize(
    ("files", "pattern", "message"),
    [
        (["a.txt"], "*.csv", "there is no file "),
        (["a.txt.gz"], "*", r"the format of .*/a\.txt\.gz is unknown; its name must end in \.txt, \.jsonl"),
        (["a.txt", "b.csv"], "*", r".*/a\.txt and .*/b\.csv have different formats; run each format alone"),
    ],
)
def test_other_files_are_rejected(write: Write, tmp_path: Path, files: list[str], pattern: str, message: str) -> None:
    for name in files:
        write(f"in/{name}", "x")
    with pytest.raises(BatchError, match=message):
        find_inputs([f"{tmp_path}/in/{pattern}"])
