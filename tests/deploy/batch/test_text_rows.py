"""Rows of text files, cut into chunks."""

import json
from pathlib import Path

import pytest

from deploy.batch.errors import BatchError
from deploy.batch.layout import Layout, Row
from deploy.batch.plan import Plan, find_inputs, make_plan
from deploy.batch.rows import open_reader
from deploy.batch.rows import text as text_module
from tests.deploy.batch.conftest import Write

TXT = Layout("txt")
JSONL = Layout("jsonl", id_column="id")
CSV = Layout("csv", id_column="id")


def plan_of(path: Path, layout: Layout, rows: int = 2) -> Plan:
    files, _ = find_inputs([str(path)])
    return make_plan(files, layout, rows)


def rows_of(path: Path, layout: Layout, rows: int = 2) -> list[Row]:
    reader = open_reader(layout)
    return [row for chunk in plan_of(path, layout, rows).chunks for row in reader.read(chunk)]


def values(rows: list[Row]) -> list[tuple[object, ...]]:
    return [(row.id, *row.values) if row.error is None else (row.id, str(row.error)) for row in rows]


def test_lines_keep_their_numbers_and_blank_ones_are_no_rows(write: Write) -> None:
    path = write("a.txt", "\ufeff一\r\n\n  \n二\u2028三\n四")
    assert values(rows_of(path, TXT)) == [("a.txt:1", "一"), ("a.txt:4", "二\u2028三"), ("a.txt:5", "四")]


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("name", "content", "layout"),
    [
        ("a.txt", "一\n\n二\n三\n\n四\n", TXT),
        ("a.jsonl", '{"id":1,"text":"一"}\n\n{"id":2}\n{"id":3,"text":"三"}\nno\n{"id":4,"text":"四"}', JSONL),
        ("a.csv", 'id,text\n1,"一\n二"\n\n2,"三, ""四"""\n3,"五\n4,六\n5,七,八\n6,"九\n\n十"\n', CSV),
    ],
)
def test_chunks_have_the_rows_of_the_whole_file(
    write: Write, name: str, content: str, layout: Layout, rows: int
) -> None:
    path = write(name, content)
    plan = plan_of(path, layout, rows)
    found = rows_of(path, layout, rows)
    # An unclosed quote has another message if the chunk ends before the line that shows it.
    described = [(row.place, row.id, row.values, row.error is None) for row in found]
    whole = [(row.place, row.id, row.values, row.error is None) for row in rows_of(path, layout, 1000)]
    assert described == whole
    assert [chunk.number for chunk in plan.chunks] == list(range(len(plan.chunks)))
    assert [chunk.rows for chunk in plan.chunks[:-1]] == [rows] * (len(plan.chunks) - 1)
    assert plan.rows == len(found) >= 4
    assert plan.digest == plan_of(path, layout, 1000).digest


def test_ids_keep_their_types_and_strings_stay_strings(write: Write) -> None:
    documents = [{"id": "007", "text": "2024-01-02"}, {"id": "7", "text": "1.50"}, {"id": "2024-01-02", "text": "x"}]
    path = write("a.jsonl", "".join(f"{json.dumps(one)}\n" for one in documents))
    assert values(rows_of(path, JSONL)) == [("007", "2024-01-02"), ("7", "1.50"), ("2024-01-02", "x")]
    path = write("b.jsonl", '{"id": 12345678901234567890, "text": "x"}\n')
    assert values(rows_of(path, JSONL)) == [(12345678901234567890, "x")]
    path = write("c.csv", "id,text\n007,2024-01-02\n7,1.50\n")
    assert values(rows_of(path, CSV)) == [("007", "2024-01-02"), ("7", "1.50")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "invalid JSON"),
        ("[1]", "not an object: a list"),
        ('{"text": "一"}', "no 'id' but 'text'"),
        ('{"id": 1.5, "text": "一"}', "a string or an integer, not 1.5"),
        ('{"id": true, "text": "一"}', "a string or an integer, not True"),
        ('{"id": "", "text": "一"}', "the id is empty"),
        (b"\xff", "invalid utf-8 at byte 1"),
    ],
)
def test_a_damaged_row_has_an_error_and_costs_no_other(write: Write, line: str | bytes, message: str) -> None:
    raw = line if isinstance(line, bytes) else line.encode()
    path = write("a.jsonl", b'{"id": 1, "text": "a"}\n' + raw + '\n{"id": 2, "text": "二三"}\n'.encode())
    first, damaged, last = rows_of(path, JSONL)
    assert values([first, last]) == [(1, "a"), (2, "二三")]
    assert (damaged.id, damaged.place) == (None, "a.jsonl:2")
    assert message in str(damaged.error)


def test_a_row_without_its_text_keeps_its_id(write: Write) -> None:
    path = write("a.jsonl", '{"id": 1, "text": "一"}\n{"id": 2, "body": "二"}\n')
    _, row = rows_of(path, JSONL)
    assert (row.id, str(row.error)) == (2, "the row has no 'text' but 'id', 'body'")


def test_gbk_is_read_with_its_option_and_recognized_without(write: Write) -> None:
    gbk = Layout("csv", id_column="编号", columns=("文本",), encoding="gbk")
    path = write("a.csv", "编号,文本\n1,今天下雨。\n".encode("gbk"))
    assert values(rows_of(path, gbk)) == [("1", "今天下雨。")]
    with pytest.raises(BatchError, match=r"a\.csv is not UTF-8; if it is GBK, give --encoding gbk"):
        plan_of(path, CSV)
    path = write("b.csv", "编号,文本\n1,今天下雨。\n")
    with pytest.raises(BatchError, match=r"b\.csv is UTF-8; leave out --encoding gbk"):
        plan_of(path, gbk)
    path = write("c.txt", "今天下雨。\n".encode("utf-16"))
    with pytest.raises(BatchError, match=r"c\.txt is UTF-16; convert it to UTF-8"):
        plan_of(path, TXT)


@pytest.mark.parametrize(
    ("name", "content", "layout", "message"),
    [
        ("a.csv", "id,body\n1,x\n", CSV, "a.csv has no column 'text' but 'id', 'body'; name one with --columns"),
        ("a.csv", "no,text\n1,x\n", CSV, "a.csv has no column 'id' but 'no', 'text'; name one with --id-column"),
        ("a.csv", "id,text,text\n1,x,y\n", CSV, "a.csv has two columns named 'text'; rename one"),
        ("a.csv", 'id,"text\n1,x\n', CSV, "a.csv has no header: invalid CSV: a quote is not closed"),
        ("a.csv", "", CSV, "a.csv has no column 'id' but nothing"),
        ("a.csv", "id,text\n", CSV, "the input has no rows: a.csv"),
        ("a.txt", "\n \n", TXT, "the input has no rows: a.txt"),
        ("a.jsonl", '{"id": 1, "body": "x"}\n', JSONL, "the first row of a.jsonl has no column 'text'"),
        ("a.jsonl", '[{"id": 1}]\n', JSONL, "a.jsonl is a JSON array; write one object a line"),
        ("a.jsonl", '[\n{"id": 1}\n]\n', JSONL, "a.jsonl is a JSON array"),
    ],
)
def test_a_file_without_the_layout_is_rejected(
    write: Write, name: str, content: str, layout: Layout, message: str
) -> None:
    with pytest.raises(BatchError) as caught:
        plan_of(write(name, content), layout)
    assert str(caught.value).startswith(message)


def test_a_line_without_end_is_rejected(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_LINE_BYTES", 10)
    with pytest.raises(BatchError, match=r"line 2 of a\.txt is longer than"):
        plan_of(write("a.txt", "x\n" + "y" * 11), TXT)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ('{"id": 1, "text": "x"}', '{"id": 1, "text": "y"}', "the id 1 is in a.jsonl:1 and in b.jsonl:1; make the ids"),
        ('{"id": "1", "text": "x"}', '{"id": 1, "text": "y"}', "the id in a.jsonl:1 is a string and the id in b.jsonl"),
    ],
)
def test_ids_are_unique_and_of_one_type_over_all_files(write: Write, first: str, second: str, message: str) -> None:
    folder = write("in/a.jsonl", first).parent
    write("in/b.jsonl", second)
    with pytest.raises(BatchError) as caught:
        plan_of(folder, JSONL)
    assert str(caught.value).startswith(message)


def test_another_content_has_another_digest(write: Write) -> None:
    digests = {plan_of(write("a.txt", content), TXT).digest for content in ("一\n二\n", "一\n三\n", "一\n二")}
    assert len(digests) == 3
