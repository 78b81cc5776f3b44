import codecs
from dataclasses import replace

import pytest

from export.finetune.errors import LabelledTextError
from export.finetune.examples import Columns, Example, read_examples
from tests.export.finetune.conftest import Write

COLUMNS = Columns()
EXPECTED = [Example(2, "床前明月光", None, ("诗",)), Example(3, '他说："好，"', None, ("话",))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", 'text\tlabel\n床前明月光\t诗\n他说："好，"\t话\n'),
        ("a.TSV", 'label\tother\ttext\r\n诗\tx\t床前明月光\r\n话\t\t他说："好，"'),
        ("a.csv", 'text,label\n床前明月光,诗\n"他说：""好，""",话\n'),
        ("a.csv", '\ufefflabel,text\r\n诗,床前明月光\r\n话,"他说：""好，"""\r\n'),
    ],
)
def test_tables_are_read_by_column_name(write: Write, name: str, content: str) -> None:
    assert read_examples(write(name, content), COLUMNS) == EXPECTED


def test_json_lines_are_read_by_key(write: Write) -> None:
    path = write("a.jsonl", '{"id": 1, "label": "诗", "text": "床前明月光"}\n{"text": "好\\n的", "label": 7}\n')
    assert read_examples(path, COLUMNS) == [
        Example(1, "床前明月光", None, ("诗",)),
        Example(2, "好\n的", None, ("7",)),
    ]


def test_header_names_the_columns_of_a_file_without_one(write: Write) -> None:
    path = write("a.txt", "今天\t3\n明月\t4\n")
    found = read_examples(path, replace(COLUMNS, text="title", header=("title", "label")))
    assert found == [Example(1, "今天", None, ("3",)), Example(2, "明月", None, ("4",))]


def test_pairs_have_a_second_text(write: Write) -> None:
    path = write("a.tsv", "a\tb\tlabel\n今天\t明天\t1\n")
    assert read_examples(path, Columns("a", "label", "b")) == [Example(2, "今天", "明天", ("1",))]


def test_several_labels_are_separated_or_listed(write: Write) -> None:
    columns = replace(COLUMNS, separator="|")
    table = read_examples(write("a.tsv", "text\tlabel\n今\t体育|财经\n天\t体育\n月\t\n"), columns)
    assert [example.labels for example in table] == [("体育", "财经"), ("体育",), ()]
    path = write("a.jsonl", '{"text": "今", "label": ["体育", "财经"]}\n{"text": "天", "label": []}\n')
    assert [example.labels for example in read_examples(path, columns)] == [("体育", "财经"), ()]


def test_line_numbers_count_lines_inside_quoted_cells(write: Write) -> None:
    path = write("a.csv", 'text,label\n"今\n天",1\n明,2\n')
    assert [example.line for example in read_examples(path, COLUMNS)] == [2, 4]


def test_only_line_feeds_end_a_line_of_tsv(write: Write) -> None:
    assert read_examples(write("a.tsv", "text\tlabel\n今\u2028天\t1\n"), COLUMNS)[0].text == "今\u2028天"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", "text", "is not .tsv, .txt, .csv, .jsonl, .ndjson; rename it"),
        ("a.tsv", "", "has no column 'text' .its first line is nothing."),
        ("a.tsv", "text\tlabel\n", "has no labelled texts"),
        ("a.tsv", "今天\t3\n", "has no column 'text' .its first line is 今天, 3.*--header"),
        ("a.tsv", "text\tlabel\ttext\n今\t1\t天\n", "has two columns named 'text'; rename one"),
        ("a.csv", "text,label,label\n今,1,2\n", "has two columns named 'label'"),
        ("a.tsv", "text\tlabel\n今\t1\n\t2\n", "line 3: the text is empty"),
        ("a.tsv", "text\tlabel\n \u3000\t2\n", "line 2: the text is empty"),
        ("a.tsv", "text\tlabel\n今\t \n", "line 2: the label is empty"),
        ("a.tsv", "text\tlabel\n\n今\t1\n", "line 2 is empty; remove it"),
        ("a.tsv", "text\tlabel\n今\t1\t2\n", r"line 2 has 3 columns instead of 2 \(text, label\)"),
        ("a.csv", 'text,label\n"今"天,1\n', "line 2: invalid CSV"),
        ("a.csv", 'text,label\n今,1\n"天,1\n', "line 3: invalid CSV"),
        ("a.jsonl", '{"text": "今", "label": 1}\n{"text"\n', "line 2: invalid JSON"),
        ("a.jsonl", "[1]\n", "line 1 is not a JSON object"),
        ("a.jsonl", '{"text": "今", "text": "天", "label": 1}\n', "line 1: invalid JSON .a key is repeated"),
        ("a.jsonl", '{"title": "今", "label": 1}\n', "line 1 has no 'text' .its keys: title, label"),
        ("a.jsonl", '{"text": null, "label": 1}\n', "line 1: the text is null; write a string"),
        ("a.jsonl", '{"text": "今", "label": true}\n', "line 1: the label is true; write a string"),
        ("a.jsonl", '{"text": "今", "label": ["a"]}\n', "line 1 has a list of labels; add --multi-label"),
    ],
)
def test_a_damaged_file_is_one_sentence(write: Write, name: str, content: str, message: str) -> None:
    with pytest.raises(LabelledTextError, match=message):
        read_examples(write(name, content), COLUMNS)


def test_a_label_of_a_text_must_not_repeat(write: Write) -> None:
    with pytest.raises(LabelledTextError, match="line 2 has a label twice"):
        read_examples(write("a.tsv", "text\tlabel\n今\ta,b,a\n"), replace(COLUMNS, separator=","))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "text\tlabel\n今天天气\t话\n".encode("gbk"),
            "line 2 is not UTF-8, the file is probably GB18030.*iconv -f GB18030",
        ),
        (codecs.BOM_UTF16_LE + "text\tlabel\n今\t话\n".encode("utf-16-le"), "probably UTF-16.*iconv -f UTF-16"),
        (b"text\tlabel\nab\xff\xff\t1\n", "line 2 is not UTF-8; convert it with `iconv -f ENCODING"),
    ],
)
def test_another_encoding_is_named(write: Write, content: bytes, message: str) -> None:
    path = write("a.tsv", "")
    path.write_bytes(content)
    with pytest.raises(LabelledTextError, match=message):
        read_examples(path, COLUMNS)


def test_a_missing_file_is_one_sentence(write: Write) -> None:
    with pytest.raises(LabelledTextError, match="cannot be read: No such file"):
        read_examples(write("a.tsv", "").with_name("b.tsv"), COLUMNS)
