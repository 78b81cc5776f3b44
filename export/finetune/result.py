"""Write a trained classifier's folder with its report."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from export.finetune.examples import Example
from export.finetune.layout import TrainingFolder
from export.finetune.metrics import by_label, confusion, one_hot, outcomes, predict, probabilities, summarise
from export.finetune.picture import draw
from export.json_file import read_json

MISTAKES = 500
"""The largest number of lines of mistakes.tsv."""

_OUTCOMES = ("right", "missed", "false alarm", "rightly none")


def publish(folder: TrainingFolder, dev: Sequence[Example], output: Path) -> dict[str, Any]:
    """Publish the result and return its metrics.

    The reports are written, and the result is moved to ``output``. An existing ``output`` is replaced.
    """
    outcome = read_json(folder.outcome)
    config = read_json(folder.result / "config.json")
    labels = [config["id2label"][str(number)] for number in range(len(config["id2label"]))]
    logits: NDArray[np.float32] = load_file(folder.dev_logits)["logits"]
    targets = load_file(folder.texts)["dev.targets"]
    metrics = _metrics(folder, outcome, logits, targets, labels)
    content = json.dumps(metrics, ensure_ascii=False, indent=2) + "\n"
    (folder.result / "metrics.json").write_text(content, encoding="utf-8")
    (folder.result / "confusion_matrix.svg").write_text(_picture(logits, targets, labels), encoding="utf-8")
    _write_mistakes(folder.result / "mistakes.tsv", dev, logits, targets, labels)
    weights = folder.best(outcome["best_epoch"])
    if weights.is_file():  # else a kill followed
        weights.rename(folder.result / "model.safetensors")
    _move(folder.result, output)
    shutil.rmtree(folder.root)
    return metrics


def _metrics(
    folder: TrainingFolder,
    outcome: dict[str, Any],
    logits: NDArray[np.float32],
    targets: NDArray[Any],
    labels: Sequence[str],
) -> dict[str, Any]:
    is_multi = targets.ndim == 2
    counts = outcomes(logits, targets) if is_multi else confusion(logits, targets)
    return {
        "dev": {
            **summarise(logits, targets),
            "texts": len(targets),
            "by_label": by_label(logits, targets, labels),
            "outcomes" if is_multi else "confusion": counts.tolist(),
        },
        **outcome,
        **read_json(folder.settings),
        "plan": read_json(folder.plan),
    }


def _picture(logits: NDArray[np.float32], targets: NDArray[Any], labels: Sequence[str]) -> str:
    if targets.ndim == 2:
        return draw("Texts of dev by label (rows) and outcome", labels, _OUTCOMES, outcomes(logits, targets))
    title = "Texts of dev by label (rows) and prediction (columns)"
    return draw(title, labels, labels, confusion(logits, targets))


def _write_mistakes(
    path: Path, dev: Sequence[Example], logits: NDArray[np.float32], targets: NDArray[Any], labels: Sequence[str]
) -> None:
    """Write the texts with wrong labels, the worst first.

    A mistake is worse the lower the probability of the right answer.
    """
    is_multi = targets.ndim == 2
    predicted, expected = predict(logits, multi_label=is_multi), one_hot(targets, len(labels))
    likely = probabilities(logits, multi_label=is_multi)
    right = np.where(expected == 1, likely, 1 - likely)
    worst_label = np.where(predicted == expected, np.inf, right).min(axis=1)
    wrong = np.flatnonzero(np.isfinite(worst_label))
    worst = wrong[np.argsort(worst_label[wrong], kind="stable")][:MISTAKES]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, dialect="excel-tab", lineterminator="\n")
        has_pairs = dev[0].pair is not None
        writer.writerow(["line", "label", "predicted", "probability", "text", *(["text_pair"] if has_pairs else [])])
        for number in worst:
            example = dev[number]
            names = [label for label, is_predicted in zip(labels, predicted[number], strict=True) if is_predicted]
            texts = [example.text, *([example.pair] if has_pairs else [])]
            writer.writerow(
                [example.line, ", ".join(example.labels), ", ".join(names), f"{worst_label[number]:.4f}", *texts]
            )


def _move(folder: Path, output: Path) -> None:
    """Rename the folder, replacing an existing output."""
    if not output.exists():
        folder.rename(output)
        return
    old = output.with_name(f"{output.name}.old")
    shutil.rmtree(old, ignore_errors=True)  # left by a kill
    output.rename(old)
    folder.rename(output)
    shutil.rmtree(old)
