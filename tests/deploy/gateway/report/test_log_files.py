"""Read damaged, foreign, compressed and rotating log files."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import duckdb
import pytest

from deploy.gateway.report.database import open_database
from deploy.gateway.report.errors import ReportError
from deploy.gateway.report.figures import Report
from deploy.gateway.report.query import read_report
from deploy.gateway.report.time_range import TimeRange
from tests.deploy.gateway.report.conftest import END, line
from tests.deploy.gateway.report.generate import Line, write

ReportOf = Callable[..., Report]


@pytest.mark.parametrize(
    "foreign",
    [
        '{"timestamp":"2026-04-05T06:31:00.000Z","module":"infer',
        '{"timestamp":"2026-04-05T06:31:00.000Z","mod{"timestamp":"2026-04-05T06:31:00.000Z","module":"inference"}',
        "Traceback (most recent call last):",
        "[1, 2, 3]",
        '"text"',
        "{}",
        '{"timestamp":"yesterday"}',
        '{"level":"INFO"}',
        "\x00\x00\x00\x00",
        "\ufffd}}}",
    ],
)
def test_a_torn_or_foreign_line_is_counted_and_the_others_are_read(
    tmp_path: Path, day: TimeRange, foreign: str
) -> None:
    log = tmp_path / "gateway.log"
    write([line(1)], log)
    whole = log.read_text(encoding="utf-8")
    log.write_text(f"{whole}{foreign}\n{whole}", encoding="utf-8")
    report = read_report(log, day)
    assert (report.totals.sentences, report.source.unreadable_lines, report.source.lines) == (2, 1, 2)


def test_a_line_torn_at_the_end_of_the_file_is_counted(tmp_path: Path, day: TimeRange) -> None:
    log = tmp_path / "gateway.log"
    write([line(1), line(2)], log)
    log.write_bytes(log.read_bytes()[:-20])
    report = read_report(log, day)
    assert (report.totals.sentences, report.source.unreadable_lines) == (1, 1)


def test_bytes_that_are_no_utf_8_are_counted(tmp_path: Path, day: TimeRange) -> None:
    log = tmp_path / "gateway.log"
    write([line(1)], log)
    log.write_bytes(b'{"timestamp":"2026-04-05T06:31:00.000Z","error":"\xff\xfe"}\n' + log.read_bytes())
    report = read_report(log, day)
    assert (report.totals.sentences, report.source.unreadable_lines) == (1, 1)


def test_a_value_of_the_wrong_type_does_not_hide_the_line(report_of: ReportOf) -> None:
    report = report_of(line(batch_size="many"), line(total_time_ms="slow"), line(3))
    assert report.source.lines + report.source.unreadable_lines == 3
    assert report.totals.sentences >= 1


def test_a_very_long_line_is_read(report_of: ReportOf) -> None:
    assert report_of(line(input_text="长" * 1_000_000)).totals.sentences == 1


def test_unknown_fields_and_modules_are_ignored(report_of: ReportOf) -> None:
    report = report_of(line(new_field={"nested": [1]}), line(module="something", task="new", status="new"))
    assert (report.totals.sentences, report.source.lines) == (1, 2)


def test_a_log_without_lines_of_the_range_gives_an_empty_report(report_of: ReportOf) -> None:
    report = report_of(line(-7200), hours=1)
    assert report.source.lines == 0
    assert report.totals.success_share is None
    assert (report.latency, report.errors, report.calls_by_day, report.alerts) == ((), (), (), ())


def test_a_log_that_was_last_written_before_the_range_is_not_opened(report_of: ReportOf) -> None:
    assert report_of(line(0), since=END).source.files == 0


def test_a_torn_gzip_file_is_named(tmp_path: Path, day: TimeRange, lines: list[Line]) -> None:
    log = tmp_path / "gateway.log.1.gz"
    write(lines[:3000], log)
    log.write_bytes(log.read_bytes()[:9000])
    with pytest.raises(ReportError, match=r"cannot be read.*gateway\.log\.1\.gz|gateway\.log\.1\.gz.*cannot be read"):
        read_report(tmp_path, day)


def test_names_with_wildcards_and_quotes_are_read_as_they_are(tmp_path: Path, day: TimeRange) -> None:
    folder = tmp_path / "it's [1-3]*; DROP TABLE line; --"
    folder.mkdir()
    write([line()], folder / "gateway.log")
    assert read_report(folder, day).totals.sentences == 1


def test_the_database_reads_its_files_and_nothing_else(tmp_path: Path) -> None:
    log, other = tmp_path / "gateway.log", tmp_path / "secret.json"
    write([line()], log)
    other.write_text('{"secret": 1}\n')
    with open_database([log]) as connection:
        assert connection.execute("SELECT count(*) FROM read_text($1)", [str(log)]).fetchone() == (1,)
        for query in (
            f"FROM read_json('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'written.csv'}'",
            f"COPY (SELECT 1) TO '{log}'",
            f"ATTACH '{tmp_path / 'a.db'}'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SET memory_limit = '10GB'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(query).fetchall()
    assert sorted(tmp_path.iterdir()) == [log, other]


def test_no_line_is_missed_or_counted_twice_while_files_are_rotated(tmp_path: Path, day: TimeRange) -> None:
    log, written, stop = tmp_path / "gateway.log", count(), threading.Event()
    done = [0]

    def keep_writing() -> None:
        while not stop.is_set():
            with log.open("a") as file:
                file.write(json.dumps(line()) + "\n")
            done[0] += 1
            if next(written) % 25 == 24:  # rarely enough for a reader on a busy machine
                log.rename(tmp_path / f"gateway.log.{done[0]}")
            stop.wait(0.002)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        while not done[0]:
            stop.wait(0.01)
        for _ in range(10):
            before = done[0]
            sentences = read_report(log, day).totals.sentences
            assert before <= sentences <= done[0] + 1
    finally:
        stop.set()
        writer.join()
    assert read_report(log, day).totals.sentences == done[0]


def test_a_file_that_is_renamed_before_duckdb_opens_it_is_read(
    tmp_path: Path, day: TimeRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "gateway.log"
    write([line()], log)
    opened: list[Sequence[Path]] = []

    @contextmanager
    def open_and_rotate(files: Sequence[Path], threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
        with open_database(files, threads) as connection:
            if not opened:
                log.rename(tmp_path / "gateway.log.1")
            opened.append(files)
            yield connection

    monkeypatch.setattr("deploy.gateway.report.query.open_database", open_and_rotate)
    assert read_report(log, day).totals.sentences == 1
    assert len(opened) == 2
