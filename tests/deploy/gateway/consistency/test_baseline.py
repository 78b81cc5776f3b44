import json
from pathlib import Path
from typing import Any

import pytest

from deploy.gateway.consistency.baseline import BaselineError
from deploy.gateway.consistency.golden_masks import read_baseline


def manifest(**baseline: Any) -> dict[str, Any]:
    mask = {"token_ids": [7, 3], "scores": [0.75, 0.125]}
    recorded = {"prompts": ["一[MASK]二[MASK]", "[MASK]"], "tensorflow": [mask] * 3, "onnx": [mask] * 3}
    return {"options": {"top_k": 100}, "shape": {"vocab_size": 98}, "baseline": recorded | baseline}


def write(folder: Path, content: Any) -> Path:
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_a_manifest_tells_prompts_answers_and_how_many_candidates_there_are(tmp_path: Path) -> None:
    baseline = read_baseline(write(tmp_path, manifest()))
    assert baseline.prompts == ["一[MASK]二[MASK]", "[MASK]"]
    assert baseline.answers["onnx"] == [{7: 0.75, 3: 0.125}] * 3
    assert baseline.top_k == 98
    assert [baseline.prompt_of(mask) for mask in range(3)] == ["一[MASK]二[MASK]", "一[MASK]二[MASK]", "[MASK]"]


def test_what_the_export_writes_is_what_the_gateway_reads(demo_version: Path) -> None:
    baseline = read_baseline(demo_version)
    assert baseline.top_k == 100
    assert len(baseline.prompts) >= 16
    for answers in baseline.answers.values():
        assert all(0.1 < sum(one.values()) < 1.00001 for one in answers)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({**manifest(), "baseline": {}}, "has no baseline, as it is from an older export; export the version again"),
        ({"options": {}}, "has no baseline"),
        ([], "AttributeError"),
        (manifest(prompts=["[MASK]"]), "answers for 3 masks, its prompts have 1"),
        (manifest(prompts=[], tensorflow=[], onnx=[]), "answers for 0 masks"),
        (manifest(onnx=[{"token_ids": [7], "scores": [0.5, 0.1]}] * 3), "ValueError"),
        (manifest(onnx=[{"token_ids": [7], "scores": [float("nan")]}] * 3), "a score is not from 0 to 1"),
        (manifest(onnx=[{"token_ids": [7]}] * 3), "KeyError: 'scores'"),
        (manifest(tensorflow=None), "TypeError"),
        ({**manifest(), "options": {}}, "KeyError: 'top_k'"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_with_what_to_do(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(BaselineError) as caught:
        read_baseline(write(tmp_path, content))
    assert words in str(caught.value)
    assert "export the version again" in str(caught.value)


def test_a_folder_without_manifest_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match=r"No such file .* set GATEWAY_MODEL_FOLDER to the folder of the served"):
        read_baseline(tmp_path / "7")


def test_a_file_that_is_no_json_is_damaged(tmp_path: Path) -> None:
    for content in (b'{"baseline": ', b"\xff\xfe"):
        (tmp_path / "manifest.json").write_bytes(content)
        with pytest.raises(BaselineError, match=r"manifest\.json is damaged"):
            read_baseline(tmp_path)
