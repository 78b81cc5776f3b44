"""Parsing of input lines into requests."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest
from bert_mlm_client import InputError
from bert_mlm_client.cli.csv_records import MAX_LINES
from bert_mlm_client.cli.formats import Format, format_of
from bert_mlm_client.cli.lines import Layout, Line, read
from hypothesis import given
from hypothesis import strategies as st


def lines_of(content: bytes | str, form: Format = "plain", places: Sequence[str] = ()) -> list[Line[Any]]:
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read(io.BytesIO(raw), Layout(form, places, lambda *values: values)))


def questions(content: bytes | str, form: Format = "plain", places: Sequence[str] = ()) -> list[Any]:
    return [line.question for line in lines_of(content, form, places)]


def test_a_plain_line_is_a_text_with_its_spaces_and_is_passed_through() -> None:
    first, second = lines_of("一[MASK]\n 二\t \n")
    assert first == Line(1, ("一[MASK]",), {"text": "一[MASK]"})
    assert second == Line(2, (" 二\t ",), {"text": " 二\t "})


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1)))
def test_only_line_feeds_end_a_line(texts: list[str]) -> None:
    expected = [text.removeprefix("\ufeff") if number == 0 else text for number, text in enumerate(texts)]
    found = [text for (text,) in questions("\n".join(texts))]
    assert found == [text for text in expected if text.strip()]


def test_blank_lines_are_skipped_and_counted() -> None:
    assert [line.number for line in lines_of("\n一\n \t\n\u3000\n二\n\n")] == [2, 5]


def test_crlf_and_byte_order_mark_are_not_text() -> None:
    assert questions("\ufeff一\r\n二\r\n".encode()) == [("一",), ("二",)]


def test_a_last_line_needs_no_end() -> None:
    assert questions("一\n二") == [("一",), ("二",)]


def test_a_line_of_another_encoding_fails_alone() -> None:
    first, second = lines_of("好\n".encode("gbk") + "好\n".encode())
    assert isinstance(first.question, InputError)
    assert str(first.question) == "invalid UTF-8 at byte 1; convert the file"
    assert second.question == ("好",)


def test_a_json_line_is_read_by_field_and_passed_through() -> None:
    [line] = lines_of('{"id": 7, "b": "二", "a": "一"}\n', "jsonl", ["a", "b"])
    assert line == Line(1, ("一", "二"), {"id": 7, "b": "二", "a": "一"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "invalid JSON: Expecting property name"),
        ("[" * 100_000, "invalid JSON: maximum recursion depth"),
        ('["一"]', "the line is JSON but not an object: a list"),
        ('{"id": 7, "txt": "一"}', "the line has no 'text' but 'id', 'txt'"),
        ("{}", "the line has no 'text' but nothing"),
    ],
)
def test_an_invalid_json_line_has_an_error(content: str, message: str) -> None:
    [line] = lines_of(content, "jsonl", ["text"])
    assert isinstance(line.question, InputError)
    assert str(line.question).startswith(message)


def test_a_line_without_text_is_passed_through() -> None:
    [line] = lines_of('{"id": 7}', "jsonl", ["text"])
    assert line.fields == {"id": 7}


def test_columns_are_selected_by_number() -> None:
    assert questions("一\t二\t三\n", "tsv", ["2"]) == [("二",)]
    assert questions("一\t二\t三\n", "tsv", ["3", "1"]) == [("三", "一")]


def test_all_columns_are_the_default() -> None:
    assert questions("一\t二\t三\n四\t五\n", "tsv") == [("一", "二", "三"), ("四", "五")]


def test_columns_without_names_are_passed_through_as_a_list() -> None:
    assert lines_of("一\t二\n", "tsv", ["1"])[0].fields == {"columns": ["一", "二"]}


def test_columns_by_name_read_the_first_line_as_header() -> None:
    [line] = lines_of("id\ttext\n7\t一\n", "tsv", ["text"])
    assert line == Line(2, ("一",), {"id": "7", "text": "一"})


def test_quotes_in_columns_are_text() -> None:
    assert questions('"一\t二"\n', "tsv", ["1"]) == [('"一',)]


def test_a_missing_column_is_reported() -> None:
    found = questions("一\n", "tsv", ["2"]) + questions("id\ttext\n7\n", "tsv", ["text"])
    assert [str(error) for error in found] == ["the line has no column 2: it has 1", "the line has no 'text' but 'id'"]


def test_a_column_missing_in_the_header_ends_the_run() -> None:
    with pytest.raises(InputError, match="the first line has no column named 'text' but 'id', 'txt'"):
        lines_of("id\ttxt\n", "tsv", ["text"])
    with pytest.raises(InputError, match="no column named"):
        lines_of("", "tsv", ["text"])


def test_a_cell_without_a_header_is_reported() -> None:
    found = questions("id\ttext\t\n7\t一\t二\n8\t三\t\n", "tsv", ["text"])
    assert str(found[0]) == "the line has 3 columns, and the first line names 2"
    assert found[1] == ("三",)


def test_a_duplicate_header_ends_the_run() -> None:
    with pytest.raises(InputError, match="two columns named 'text'; rename one, or give --column a number"):
        lines_of("text\tid\ttext\n一\t7\t二\n", "tsv", ["text"])
    assert questions("text\ttext\n", "tsv", ["2"]) == [("text",)]


@pytest.mark.parametrize("form", ["plain", "tsv"])
def test_json_without_a_format_option_ends_the_run(form: Format) -> None:
    content = '\ufeff\n{"text": "一"}\n二\n'
    message = f"line 2 is a JSON object; give --format jsonl, or --format {form} if it is the text itself"
    with pytest.raises(InputError, match=message):
        list(read(io.BytesIO(content.encode()), Layout(form, (), lambda *values: values, guessed=True)))
    assert questions(content, form) == [('{"text": "一"}',), ("二",)]


@pytest.mark.parametrize("form", ["plain", "tsv"])
@pytest.mark.parametrize(
    "content",
    [
        '["一"]\n',
        '[{"text": "一"}]',
        '[\n  {"text": "一"}\n]\n',
        '[{"text": "一"},\n{"text": "二"}]',
        '[["一", "二"],\n',
        "[1, 2]",
    ],
)
def test_a_json_array_without_a_format_option_ends_the_run(form: Format, content: str) -> None:
    message = rf"line 1 starts a JSON array; .* jq .* --format jsonl, or --format {form} if it is the text itself"
    with pytest.raises(InputError, match=message):
        list(read(io.BytesIO(content.encode()), Layout(form, (), lambda *values: values, guessed=True)))
    first = content.split("\n", maxsplit=1)[0]
    assert questions(content, form)[0] == (first,)


@pytest.mark.parametrize("content", ["[\n", '[{"text": "一"},\n', '[ {\n"text"'])
def test_an_array_over_several_lines_is_not_json_lines(content: str) -> None:
    with pytest.raises(InputError, match="line 1 starts a JSON array; write one JSON object a line"):
        lines_of(content, "jsonl", ["text"])


def test_an_object_over_several_lines_without_a_format_option_ends_the_run() -> None:
    with pytest.raises(InputError, match="line 1 is a JSON object"):
        list(read(io.BytesIO(b'{\n "text": "a"\n}\n'), Layout("plain", (), lambda *values: values, guessed=True)))


@pytest.mark.parametrize("first", ["{一}", "{}", "[]", "[MASK]", "[1] 一", "[[MASK]", '"一"', "5"])
def test_json_other_than_a_document_is_a_text(first: str) -> None:
    layout = Layout("plain", (), lambda *values: values, guessed=True)
    assert [line.question for line in read([first.encode(), "二".encode()], layout)] == [(first,), ("二",)]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jsonl", "jsonl"),
        ("A.NDJSON", "jsonl"),
        ("a.tsv", "tsv"),
        ("a.CSV", "csv"),
        ("a.json", None),
        ("a.txt", None),
        ("a", None),
        ("", None),
    ],
)
def test_the_format_follows_the_file_name(name: str, form: Format | None) -> None:
    assert format_of(name) == form


def test_csv_columns_are_read_by_name() -> None:
    content = 'id,text,说明\r\n7,"一,""二""",\n8,"三\n\n四",五\n\n9,六\n'
    first, second, third = lines_of(content, "csv", ["text"])
    assert first == Line(2, ('一,"二"',), {"id": "7", "text": '一,"二"', "说明": ""})
    assert second == Line(3, ("三\n\n四",), {"id": "8", "text": "三\n\n四", "说明": "五"})
    assert third == Line(7, ("六",), {"id": "9", "text": "六"})


def test_csv_columns_by_number_have_no_header_and_all_columns_have_one() -> None:
    assert questions("一,二\n三,四\n", "csv", ["2"]) == [("二",), ("四",)]
    assert questions("text,a,b\n一,二,三\n", "csv") == [("一", "二", "三")]


def test_a_column_missing_in_the_csv_header_ends_the_run() -> None:
    message = "the first line has no column named 'text' but 'id', '标题'; name one with --column"
    with pytest.raises(InputError, match=message):
        lines_of("id,标题\n", "csv", ["text"])


def test_an_optional_column_or_field_is_read_where_it_is() -> None:
    layout = Layout("csv", ["text"], lambda *values: values, optional=["text_pair"])
    assert [line.question for line in read([b"text_pair,text\n", b"b,a\n", b",c\n"], layout)] == [("a", "b"), ("c", "")]
    layout = Layout("jsonl", ["text"], lambda *values: values, optional=["text_pair"])
    lines = [b'{"text": "a"}', b'{"text": "a", "text_pair": "b"}']
    assert [line.question for line in read(lines, layout)] == [("a",), ("a", "b")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [('8,"三', "a quote is not closed"), ('8,"三"四', "',' expected after '\"'"), ("8,三\r四", "new-line character")],
)
def test_a_damaged_csv_record_fails_alone(line: str, problem: str) -> None:
    first, damaged, *rest = lines_of(f"id,text\n7,一\n{line}\n9,五\n10,六\n", "csv", ["text"])
    assert isinstance(damaged.question, InputError)
    assert str(damaged.question).startswith(f"invalid CSV: {problem}")
    assert [(each.number, each.question) for each in (first, damaged, *rest) if each is not damaged] == [
        (2, ("一",)),
        (4, ("五",)),
        (5, ("六",)),
    ]
    assert damaged.number == 3


def test_a_csv_record_has_a_limit_of_lines() -> None:
    lines = ["id,text", '1,"一', *(f"{number},二" for number in range(2, MAX_LINES + 3))]
    found = lines_of("\n".join(lines), "csv", ["text"])
    assert isinstance(found[0].question, InputError)
    assert [line.question for line in found[1:]] == [("二",)] * (MAX_LINES + 1)


def test_a_csv_line_of_another_encoding_fails_alone() -> None:
    content = b"text\n" + "好\n".encode("gbk") + '"好\n'.encode() + "好\n".encode("gbk") + "好\n".encode()
    found = [line.question for line in lines_of(content, "csv", ["text"])]
    assert [str(each) for each in found[:3]] == [
        "invalid UTF-8 at byte 1; convert the file",
        'invalid CSV: a quote is not closed; a cell with " or a line end is quoted, and its " are doubled',
        "invalid UTF-8 at byte 1; convert the file",
    ]
    assert found[3] == ("好",)


CELLS = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])).filter(lambda cell: cell.strip())


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=8))
def test_csv_is_read_as_pythons_writer_writes_it(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([["a", "b"], *rows])
    assert questions(written.getvalue(), "csv", ["a", "b"]) == [tuple(row) for row in rows]
