"""Test the comparison of classifiers, with the small checkpoint."""

from pathlib import Path

import pytest

from models.demo import classification
from models.demo.classification import Score, row
from tests.conftest import TINY
from tests.torch_environment import needs_torch

POEM, WEATHER = "床前明月光，疑是地上霜。", "今天天气真好。"


def labelled(path: Path, *rows: tuple[str, str]) -> Path:
    path.write_text("".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")
    return path


@needs_torch
@pytest.mark.usefixtures("warm_torch")
def test_the_table_has_the_three_models_trained_on_the_first_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # After the first four lines the labels are wrong, which no model survives.
    wrong = [(POEM, "weather"), (WEATHER, "poem")] * 20
    train = labelled(tmp_path / "train.txt", *[(POEM, "poem"), (WEATHER, "weather")] * 2, *wrong)
    dev = labelled(tmp_path / "dev.txt", (POEM, "poem"), (WEATHER, "weather"))
    files = [f"--train={train}", f"--dev={dev}", "--header=text,label", "--lines=4"]
    recipe = ["--epochs=20", "--learning-rate=0.01", "--patience=0"]
    assert classification.main([*files, "--seeds", "1", "2", f"--model={TINY}", "--", *recipe]) == 0
    title, *rows = capfd.readouterr().out.splitlines()
    assert title.split() == ["4", "train,", "2", "dev", "accuracy", "macro-F1"]
    assert rows == [
        row("linear, characters 1 to 3", [Score(1, 1)]),
        row("fine-tuned", [Score(1, 1)] * 2),
        row("fine-tuned, from random weights", [Score(1, 1)] * 2),
    ]


def test_a_row_has_the_mean_and_the_range_of_the_seeds() -> None:
    cells = row("fine-tuned", [Score(0.875, 0.8), Score(0.885, 0.9)]).split("  ")
    assert [cell.strip() for cell in cells if cell] == [
        "fine-tuned",
        "0.880 (0.875 to 0.885)",
        "0.850 (0.800 to 0.900)",
    ]


def test_a_file_without_its_header_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = labelled(tmp_path / "train.txt", (POEM, "poem"), (WEATHER, "weather"))
    assert classification.main([f"--train={train}", f"--dev={train}"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"classification: {train} has no column 'text'")
    assert said.count("\n") == 1
