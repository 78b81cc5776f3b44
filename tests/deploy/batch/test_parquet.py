"""Rows of Parquet files."""

from pathlib import Path
from typing import Any

import pytest

from deploy.batch.errors import BatchError
from deploy.batch.layout import Layout, Row
from deploy.batch.plan import Plan, find_inputs, make_plan
from deploy.batch.rows import open_reader

pa = pytest.importorskip("pyarrow", reason="make ray installs PyArrow")
pq = pytest.importorskip("pyarrow.parquet")

LAYOUT = Layout("parquet", id_column="id")


def write(path: Path, groups: int = 1, **columns: Any) -> Path:
    table = pa.table(columns)
    pq.write_table(table, path, row_group_size=max(1, -(-table.num_rows // groups)))
    return path


def plan_of(path: Path, layout: Layout = LAYOUT, rows: int = 2) -> Plan:
    return make_plan(find_inputs([str(path)])[0], layout, rows)


def rows_of(path: Path, layout: Layout = LAYOUT, rows: int = 2) -> list[Row]:
    reader = open_reader(layout)
    return [row for chunk in plan_of(path, layout, rows).chunks for row in reader.read(chunk)]


@pytest.mark.parametrize("groups", [1, 2, 7])
@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_chunks_have_every_row_once(tmp_path: Path, groups: int, rows: int) -> None:
    path = write(tmp_path / "a.parquet", groups, other=[0.5] * 7, id=[*range(7)], text=[f"第{n}" for n in range(7)])
    found = rows_of(path, rows=rows)
    assert [(row.place, row.id, *row.values) for row in found] == [
        (f"a.parquet:{n + 1}", n, f"第{n}") for n in range(7)
    ]


def test_ids_keep_their_types_and_bad_rows_have_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", id=["007", None, "7"], text=["2024-01-02", "x", None])
    first, second, third = rows_of(path)
    assert (first.id, first.values) == ("007", ("2024-01-02",))
    assert (second.id, str(second.error)) == (None, "an id must be a string or an integer, not None")
    assert (third.id, third.values) == ("7", (None,))
    path = write(tmp_path / "b.parquet", id=pa.array([2**63], pa.uint64()), text=pa.array(["x"]).dictionary_encode())
    assert [(row.id, row.values) for row in rows_of(path)] == [(2**63, ("x",))]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1], "body": ["x"]}, "a.parquet has no column 'text' but 'id', 'body'; name one with --columns"),
        ({"id": [1], "text": [b"x"]}, "column 'text' of a.parquet is binary; a text must be a string"),
        ({"id": [1], "text": [3]}, "column 'text' of a.parquet is int64; a text must be a string"),
        ({"id": [1.0], "text": ["x"]}, "column 'id' of a.parquet is double; an id must be a string or an integer"),
        ({"id": [1, 1], "text": ["x", "y"]}, "the id 1 is in a.parquet:1 and in a.parquet:2; make the ids unique"),
        ({"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())}, "the input has no rows: a.parquet"),
    ],
)
def test_a_file_without_the_layout_is_rejected(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(BatchError) as caught:
        plan_of(write(tmp_path / "a.parquet", **columns))
    assert str(caught.value) == message


def test_files_of_different_types_are_rejected(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", id=[1], text=["x"])
    write(tmp_path / "b.parquet", id=["1"], text=["x"])
    with pytest.raises(
        BatchError, match=r"the id in a\.parquet:1 is an integer and the id in b\.parquet:1 is a string"
    ):
        plan_of(tmp_path)


def test_another_file_of_that_name_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"text\n")
    with pytest.raises(BatchError, match=r"a\.parquet is not a Parquet file"):
        plan_of(tmp_path / "a.parquet")


def test_other_content_has_another_digest(tmp_path: Path) -> None:
    digests = {
        plan_of(write(tmp_path / "a.parquet", id=[1, 2], text=texts)).digest for texts in (["x", "y"], ["x", "z"])
    }
    assert len(digests) == 2


def test_addresses_of_arrow_are_read_and_written() -> None:
    """Use the file systems of PyArrow as for S3, in memory."""
    from deploy.batch.storage import Storage

    storage = Storage("mock://bucket/in")
    storage.make_folder("mock://bucket/in")
    storage.write("mock://bucket/in/a.txt", b"x\n", scratch="mock://bucket")
    assert storage.find("mock://bucket/in/*.txt") == ["mock://bucket/in/a.txt"]
    assert storage.sizes("mock://bucket/in") == {"a.txt": 2}
    assert storage.read("mock://bucket/in/a.txt") == b"x\n"
    with storage.open("mock://bucket/in/a.txt") as file:
        assert file.readlines() == [b"x\n"]
    with pytest.raises(BatchError, match="could not open nothing://x"):
        Storage("nothing://x")
