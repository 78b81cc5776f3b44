"""Answers of a worker, without Ray."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from bert_mlm_client import FillMask, InProcess, TextClassifier, TextPair

from deploy.batch.chunk import Chunk
from deploy.batch.errors import BatchError
from deploy.batch.layout import Layout
from deploy.batch.output import Output
from deploy.batch.plan import find_inputs, make_plan
from deploy.batch.tasks import Task
from deploy.batch.worker import Job, Worker
from deploy.embedded.engines.onnx import OnnxEngine
from tests.deploy.batch.conftest import Write, answers

TEXTS = ("床前[MASK]月光。", "中国的首[MASK]是北京。", "春[MASK]不觉晓，处处闻啼[MASK]。")


def answered(path: Path, task: Task, layout: Layout, model: Path, rows: int = 100) -> list[dict[str, Any]]:
    """Answer a file in this process."""
    files, _ = find_inputs([str(path)])
    folder = path.parent / "out"
    Output(str(folder)).begin({})
    worker = Worker(Job(task, layout, model, str(folder), threads=1))
    for chunk in make_plan(files, layout, rows).chunks:
        worker.run(chunk)
    return answers(folder)


def lines(*documents: object) -> str:
    return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in documents)


def test_masks_are_filled_as_by_the_client(write: Write, demo_version: Path) -> None:
    path = write("a.txt", "\n".join(TEXTS))
    found = answered(path, Task("fill", top_k=2), Layout("txt"), demo_version, rows=2)
    with FillMask(InProcess(OnnxEngine(demo_version, threads=1))) as client:
        expected = [client.fill_masks(text, 2) for text in TEXTS]
    assert [(one["id"], one["text"]) for one in found] == [(f"a.txt:{n}", text) for n, text in enumerate(TEXTS, 1)]
    assert [prediction["token_str"] for prediction in found[0]["answer"]] == [one.token_str for one in expected[0][0]]
    assert found[1]["answer"][0]["score"] == pytest.approx(expected[1][0][0].score, abs=1e-3)
    assert [[one["token"] for one in mask] for mask in found[2]["answer"]] == [
        [one.token for one in mask] for mask in expected[2]
    ]


def test_bad_rows_have_an_error_each_and_cost_no_other(write: Write, demo_version: Path) -> None:
    texts = [TEXTS[0], "", None, 7, "没有掩码。", "长" * 200 + "[MASK]", "a\x00[MASK]", TEXTS[1]]
    path = write("a.jsonl", lines(*({"id": number, "text": text} for number, text in enumerate(texts))) + "{\n")
    found = answered(path, Task("fill", top_k=1), Layout("jsonl", id_column="id"), demo_version)
    assert [one["id"] for one in found] == [*range(8), None]
    assert [number for number, one in enumerate(found) if "answer" in one] == [0, 7]
    messages = [one["error"] for one in found if "error" in one]
    wanted = ("is empty", "not None", "not 7", "has no [MASK]", "--truncate", "U+0000", "invalid JSON")
    assert all(part in message for part, message in zip(wanted, messages, strict=True))
    assert found[-1] == {
        "id": None,
        "source": "a.jsonl:9",
        "error": messages[-1],
        "error_type": "InputError",
    }
    assert (found[3]["source"], found[3]["text"]) == ("a.jsonl:4", 7)


def test_a_long_text_is_truncated_if_asked(write: Write, demo_version: Path) -> None:
    path = write("a.txt", "[MASK]" + "长" * 200)
    (found,) = answered(path, Task("fill", top_k=1, truncate=True), Layout("txt"), demo_version)
    assert len(found["answer"]) == 1


def test_pairs_are_compared(write: Write, demo_version: Path) -> None:
    path = write("a.jsonl", lines({"a": "今天下雨。", "b": "今天下雨。"}, {"a": "今天下雨。"}))
    equal, damaged = answered(path, Task("similarity"), Layout("jsonl", columns=("a", "b")), demo_version)
    assert equal["answer"]["score"] == pytest.approx(1, abs=1e-3)
    assert (equal["a"], equal["b"]) == ("今天下雨。", "今天下雨。")
    assert damaged["error"] == "the row has no 'b' but 'a'"


def test_vectors_have_the_size_of_the_model(write: Write, demo_version: Path) -> None:
    (found,) = answered(write("a.txt", "春天来了。"), Task("features"), Layout("txt"), demo_version)
    assert {name: len(found["answer"][name]) for name in ("cls", "mean")} == {"cls": 256, "mean": 256}
    assert math.isfinite(sum(found["answer"]["mean"]))


@pytest.mark.parametrize("spacing", [None, 3])
def test_texts_are_proofread(write: Write, demo_version: Path, spacing: int | None) -> None:
    path = write("a.txt", "今天天气真好。")
    task = Task("proofread", top_k=2, threshold=0.9, spacing=spacing)
    (found,) = answered(path, task, Layout("txt"), demo_version)
    assert len(found["answer"]["characters"]) == 7
    assert all(len(suspect["suggestions"]) <= 2 for suspect in found["answer"]["suspects"])


def test_texts_are_classified(write: Write, tiny_classifier_version: Path) -> None:
    (found,) = answered(write("a.txt", "今天下雨。"), Task("classify"), Layout("txt"), tiny_classifier_version)
    with TextClassifier(InProcess(OnnxEngine(tiny_classifier_version, threads=1)), model="news") as client:
        expected = client.classify("今天下雨。", None)
    assert [one["label"] for one in found["answer"]] == [one.label for one in expected]


def test_a_pair_is_one_question() -> None:
    question = Task("classify", top_k=1).question()
    assert question.build("一", "二") == TextPair("一", "二")


def test_a_model_of_another_task_ends_the_run(write: Write, tiny_classifier_version: Path) -> None:
    with pytest.raises(BatchError, match="bert-mlm classify"):
        answered(write("a.txt", TEXTS[0]), Task("fill", top_k=1), Layout("txt"), tiny_classifier_version)


@pytest.mark.parametrize("count", [99, 100])
def test_options_that_suit_no_row_end_the_run(write: Write, demo_version: Path, count: int) -> None:
    path = write("a.txt", "没有掩码。\n" * count)
    if count < 100:
        found = answered(path, Task("fill", top_k=1), Layout("txt"), demo_version)
        assert len(found) == count
        return
    with pytest.raises(BatchError, match=r"the first 100 rows all fail, stopped: the text has no \[MASK\]"):
        answered(path, Task("fill", top_k=1), Layout("txt"), demo_version)
    assert answers(path.parent / "out") == []


def test_ray_gets_counts_and_messages(write: Write, demo_version: Path, tmp_path: Path) -> None:
    path = write("a.txt", TEXTS[0])
    files, _ = find_inputs([str(path)])
    (chunk,) = make_plan(files, Layout("txt"), 10).chunks
    Output(str(tmp_path / "out")).begin({})
    job = Job(Task("fill", top_k=1), Layout("txt"), demo_version, str(tmp_path / "out"), threads=1)
    gone = Chunk(1, f"{path}.gone", "gone.txt", 0, 1, 1, 1)
    counts = Worker(job)({"chunk": [chunk.to_json(), gone.to_json()]})
    assert (counts["number"], counts["rows"], counts["failed"]) == ([0, 1], [1, 0], [0, 0])
    assert counts["error"][0] == ""
    assert counts["error"][1].startswith("gone.txt, from line 1: [Errno 2]")
