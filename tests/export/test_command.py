import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from export.__main__ import main
from tests.conftest import TINY


def export(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "export", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_command_says_in_plain_sentences_what_it_did_and_nothing_else(tmp_path: Path, precision: str) -> None:
    place = ("--output", str(tmp_path), "--name", "other", "--version", "7")
    done = export("--model", str(TINY), *place, "--precision", precision)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Checked 0.0 million weights in ")
    assert re.search(rf"^Wrote {tmp_path}/other/7 \(0\.\d MB\)\.$", done.stdout, re.MULTILINE)
    assert (tmp_path / "other/7/manifest.json").is_file()


def test_one_checkpoint_becomes_the_same_files_in_every_process(tiny_version: Path, tmp_path: Path) -> None:
    assert export("--model", str(TINY), "--output", str(tmp_path), "--version", "1").returncode == 0
    here, there = (
        json.loads((version / "manifest.json").read_text(encoding="utf-8"))["files"]
        for version in (tiny_version, tmp_path / "bert_mlm/1")
    )
    for files in (here, there):  # TensorFlow numbers a graph's functions by all that the process has made
        del files["saved_model.pb"], files["fingerprint.pb"]
    assert there == here


@pytest.mark.parametrize("version", ["0", "-1", "one", "1.5"])
def test_a_version_that_is_no_positive_number_is_refused(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--model", str(TINY), "--output", str(tmp_path), "--version", version])
    assert ended.value.code == 2
    assert "--version" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_one_line_and_status_1(tiny_copy: Path, tmp_path: Path) -> None:
    weights = tiny_copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    done = export("--model", str(tiny_copy), "--output", str(tmp_path / "out"))
    assert done.returncode == 1
    assert done.stderr.startswith("export: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
