import json
import re
import time
from pathlib import Path

import pytest

from loadtest.request_log import __main__ as command
from loadtest.request_log.client import CUT_OFF, ask, questions
from loadtest.request_log.lines import SentRequest, compare


def test_every_answer_has_one_line_across_restarts_and_rotations(
    demo_servable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--requests", "400", "--processes", "2", "--connections", "8", "--terminate-s", "0.5"]
    arguments += ["--max-bytes", "20000", "--limit-s", "120", "--servable", str(demo_servable), "--work", str(tmp_path)]
    status = command.main(arguments)
    said = capsys.readouterr()
    assert status == 0, said
    assert "0 missing, 0 too many, 0 unreadable" in said.out
    [answered] = re.findall(r"^(\d+) of 400 requests were answered \((.*)\),$", said.out, re.MULTILINE)
    assert answered[0] == "400"
    found = re.fullmatch(r"(\d+) with 200, (\d+) with 400(?:, (\d+) with 503)?", answered[1])
    assert found, answered
    [cut_off] = re.findall(r"^(\d+) requests were cut off", said.out, re.MULTILINE)
    unanswered = int(cut_off) + int(found[3] or 0)  # a terminated gateway answers requests in flight with 503
    assert abs(int(found[2]) - 40) <= unanswered, "one in ten has no [MASK]; each request that was cut off is replaced"
    [terminated] = re.findall(r"^(\d+) gateways ended by SIGTERM", said.out, re.MULTILINE)
    assert int(terminated) >= 2, "one in the middle and the last"
    [rotations] = re.findall(r"the log rotated (\d+) times", said.out)
    assert int(rotations) >= 3
    assert len(list((tmp_path / "logs").iterdir())) == int(rotations) + 1


def test_a_failed_server_start_is_a_one_line_error(
    demo_servable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--servable", str(demo_servable), "--work", str(tmp_path / "work"), "--", "--engine=nix"]
    assert command.main(arguments) == 1
    assert capsys.readouterr().err.startswith("request_log: the server did not start")


def test_refused_connections_are_retried_until_the_limit(refusing_port: int) -> None:
    began = time.monotonic()
    assert ask(refusing_port, "0", questions(), 10, began + 0.2) == []
    assert time.monotonic() - began < 5


def test_requests_are_of_all_kinds() -> None:
    asked = questions()
    sizes = [sentences for _, _, sentences in asked]
    assert set(sizes) == {1, 3}
    assert all(len(json.loads(body)["inputs"]) == 3 for path, body, _ in asked if path == "/v1/fill-mask")
    assert [path for path, _, _ in asked].count("/v1/explain") == len(asked) // 10
    without = [body for _, body, _ in asked if "[MASK]" not in body.decode()]
    assert len(without) == len(asked) // 10


def log(folder: Path, *lines: str) -> Path:
    file = folder / "gateway.log"
    file.write_text("".join(lines), encoding="utf-8")
    return file


def line(request_id: str, status: str = "success") -> str:
    return json.dumps({"module": "inference", "request_id": request_id, "status": status}) + "\n"


def test_matching_lines_have_no_faults(tmp_path: Path) -> None:
    asked = [
        SentRequest("a", 1, 200),
        SentRequest("b", 2, 200),
        SentRequest("c", 1, 400),
        SentRequest("d", 1, CUT_OFF),
        SentRequest("e", 1, CUT_OFF),
    ]
    asked.append(SentRequest("f", 0, 503))
    resource = json.dumps({"module": "resource"}) + "\n"
    lines = [line("a"), line("b", "low_confidence"), line("b"), line("c", "failed"), line("d"), resource]
    found = compare(asked, [log(tmp_path, *lines)])
    assert found.is_flawless
    assert (found.answered, found.lines, found.other_lines, found.files) == (4, 5, 1, 1)
    assert (found.cut_off_lines, found.unread) == (1, 1)


@pytest.mark.parametrize(
    ("asked", "lines", "fault"),
    [
        (SentRequest("a", 1, 200), [], "missing"),
        (SentRequest("a", 3, 200), [line("a"), line("a")], "missing"),
        (SentRequest("a", 1, 503), [], "missing"),
        (SentRequest("a", 1, 200), [line("a"), line("a")], "surplus"),
        (SentRequest("a", 1, CUT_OFF), [line("a"), line("a")], "surplus"),
        (SentRequest("a", 0, 503), [line("a", "failed")], "surplus"),
        (SentRequest("a", 1, 200), [line("a"), line("z")], "surplus"),
        (SentRequest("a", 1, 200), [line("a"), '{"module": "inf\n'], "unreadable"),
        (SentRequest("a", 1, 200), [line("a"), "7\n"], "unreadable"),
        (SentRequest("a", 1, CUT_OFF), [line("a").rstrip()], "unreadable"),
        (SentRequest("a", 1, 200), [line("a", "failed")], "contrary"),
        (SentRequest("a", 1, 400), [line("a")], "contrary"),
    ],
)
def test_all_faults_are_counted(tmp_path: Path, asked: SentRequest, lines: list[str], fault: str) -> None:
    found = compare([asked], [log(tmp_path, *lines)])
    assert not found.is_flawless
    faults = {name: getattr(found, name) for name in ("missing", "surplus", "unreadable", "contrary")}
    assert {name: count for name, count in faults.items() if count} == {fault: 1}
