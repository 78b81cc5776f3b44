"""Parsing of input lines into requests."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
from bert_mlm_client import InputError
from bert_mlm_client.cli.lines import Format, Layout, Line, format_of, read
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


@pytest.mark.parametrize("first", ["{一}", "{}", '["一"]', "[MASK]", '"一"'])
def test_json_other_than_an_object_is_a_text(first: str) -> None:
    layout = Layout("plain", (), lambda *values: values, guessed=True)
    assert [line.question for line in read([first.encode(), "二".encode()], layout)] == [(first,), ("二",)]


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.jsonl", "jsonl"), ("A.NDJSON", "jsonl"), ("a.tsv", "tsv"), ("a.txt", None), ("a", None), ("", None)],
)
def test_the_format_follows_the_file_name(name: str, form: Format | None) -> None:
    assert format_of(name) == form
