"""The output folder and its checkpoint."""

from pathlib import Path

import fsspec
import pytest

from deploy.batch.errors import BatchError
from deploy.batch.output import CHECKPOINT, SUCCESS, Committed, Output

RECIPE = {"task": "fill", "top_k": 5, "input": "abc"}
LINES = [b'{"id": 1}\n', b'{"id": 2}\n']


@pytest.fixture(params=["path", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder that is not there, on the disk or in an object store."""
    return str(tmp_path / "out") if request.param == "path" else f"memory://{tmp_path.name}/out"


def test_committed_parts_are_there_after_a_restart(url: str) -> None:
    output = Output(url)
    assert output.begin(RECIPE) == {}
    for number in (0, 7, 1_234_567):
        assert output.commit(number, LINES, failed=1) == Committed(number, 2, 1, 20)
    committed = Output(url).begin(RECIPE)
    assert sorted(committed) == [0, 7, 1_234_567]
    assert committed[7] == Committed(7, 2, 1, 20)


def test_a_part_is_whole_before_its_name_is_there(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    output.begin(RECIPE)
    (tmp_path / CHECKPOINT / "0123.tmp").write_bytes(LINES[0])  # of a killed worker
    output.commit(0, LINES, failed=0)
    assert sorted(Output(str(tmp_path)).begin(RECIPE)) == [0]
    assert not list(tmp_path.rglob("*.tmp"))
    assert sorted(one.name for one in tmp_path.iterdir()) == [CHECKPOINT, "part-000000.jsonl"]


def test_a_part_that_was_written_twice_has_its_rows_once(url: str) -> None:
    output = Output(url)
    output.begin(RECIPE)
    output.commit(0, LINES, failed=0)
    output.commit(0, LINES, failed=0)
    assert Output(url).begin(RECIPE) == {0: Committed(0, 2, 0, 20)}


@pytest.mark.parametrize("content", [None, LINES[0]])
def test_a_missing_or_truncated_part_is_asked_again(tmp_path: Path, content: bytes | None) -> None:
    output = Output(str(tmp_path))
    output.begin(RECIPE)
    output.commit(0, LINES, failed=0)
    output.commit(1, LINES, failed=0)
    part = tmp_path / "part-000001.jsonl"
    part.unlink() if content is None else part.write_bytes(content)
    assert list(Output(str(tmp_path)).begin(RECIPE)) == [0]


def test_a_folder_with_files_and_no_checkpoint_is_rejected(url: str) -> None:
    with fsspec.open(f"{url}/part-000000.jsonl", "wb", auto_mkdir=True) as file:
        file.write(LINES[0])
    with pytest.raises(BatchError, match=r"out has files but no checkpoint, for example part-000000\.jsonl; choose an"):
        Output(url).begin(RECIPE)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (RECIPE | {"top_k": 3}, r"the output of another run \(top k 5, now 3\); choose another folder"),
        (RECIPE | {"input": "d"}, r'\(input "abc", now "d"\)'),
        ({"task": "fill", "input": "abc"}, r"\(top k 5, now null\)"),
    ],
)
def test_another_run_is_rejected(url: str, recipe: dict[str, object], message: str) -> None:
    output = Output(url)
    output.begin(RECIPE)
    output.commit(0, LINES, failed=0)
    with pytest.raises(BatchError, match=message):
        Output(url).begin(recipe)
    assert list(Output(url).begin(RECIPE)) == [0]


def test_an_output_without_answers_takes_other_options(url: str) -> None:
    Output(url).begin(RECIPE)
    other = RECIPE | {"top_k": 3}
    assert Output(url).begin(other) == {}
    Output(url).commit(0, LINES, failed=0)
    assert list(Output(url).begin(other)) == [0]


def test_a_complete_output_says_so(url: str) -> None:
    output = Output(url)
    output.begin(RECIPE)
    output.complete()
    storage, path = fsspec.core.url_to_fs(f"{url}/{SUCCESS}")
    assert storage.isfile(path)
    assert Output(url).begin(RECIPE) == {}
