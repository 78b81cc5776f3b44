"""Compare fine-tuning with random weights and a linear model.

    .venv/bin/python -m models.demo.classification --train TRAIN --dev DEV [--header text,label] [--seeds 0 1 2]

All three learn the same lines. The recipe is the best found for the checkpoint on news titles; what follows ``--``
replaces it, as options of ``python -m export.finetune``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sklearn.metrics import accuracy_score, f1_score

from export import ExportError
from export.finetune.examples import Columns, Example, read_examples
from models.genre.baselines import linear_model

MODEL = Path(__file__).parent
RECIPE = (
    "--epochs=4",
    "--patience=0",
    "--learning-rate=0.001",
    "--pooling=mean",
    "--hidden-dropout=0.1",
    "--mask-characters=0.1",
)


@dataclass(frozen=True, slots=True)
class Score:
    """A model's score on the dev lines.

    Attributes:
        accuracy: the share of correct labels.
        macro_f1: the mean of the labels' F1.
    """

    accuracy: float
    macro_f1: float


def fine_tuned(train: Path, dev: Path, output: Path, options: Sequence[str]) -> Score:
    """Fine-tune by the command and return its score.

    Raises:
        CalledProcessError: it failed, with its own message.
    """
    command = [sys.executable, "-m", "export.finetune", "--train", str(train), "--dev", str(dev), *options]
    subprocess.run([*command, "--output", str(output)], check=True, stdout=sys.stderr)  # noqa: S603 - a fixed command
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))["dev"]
    return Score(metrics["accuracy"], metrics["macro_f1"])


def linear(train: Sequence[Example], dev: Sequence[Example]) -> Score:
    """Return the score of a linear model over character n-grams."""
    wanted = [example.labels[0] for example in dev]
    model = linear_model().fit([example.text for example in train], [example.labels[0] for example in train])
    found = model.predict([example.text for example in dev])
    return Score(float(accuracy_score(wanted, found)), float(f1_score(wanted, found, average="macro")))


def first_lines(path: Path, count: int, folder: Path, *, header: bool) -> Path:
    """Copy the first labelled lines of a file."""
    lines = path.read_text(encoding="utf-8").split("\n")[: count + header]
    copy = folder / path.name
    copy.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return copy


def row(name: str, scores: Sequence[Score]) -> str:
    """Return a table row of both figures' mean and range."""
    cells = []
    for values in ([score.accuracy for score in scores], [score.macro_f1 for score in scores]):
        spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
        cells.append(f"{sum(values) / len(values):.3f}{spread}")
    return f"{name:36}{cells[0]:26}{cells[1]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare fine-tuning with random weights and a linear model."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.classification", description=main.__doc__)
    parser.add_argument("--train", type=Path, required=True, help="labelled lines, as for python -m export.finetune")
    parser.add_argument("--dev", type=Path, required=True, help="labelled lines to measure on")
    parser.add_argument("--header", help="names of the columns, if the first line is data, such as text,label")
    parser.add_argument("--lines", type=int, help="use the first lines of TRAIN only")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the fine-tuned models (default 0)")
    parser.add_argument("--model", default=str(MODEL), help="checkpoint (default models/demo)")
    parser.add_argument("recipe", nargs="*", default=RECIPE, metavar="-- OPTION", help="options of export.finetune")
    options = parser.parse_args(arguments)
    header = [f"--header={options.header}"] if options.header else []
    columns = Columns(header=tuple(options.header.split(",")) if options.header else None)
    with tempfile.TemporaryDirectory() as name:
        folder, train = Path(name), options.train
        try:
            if options.lines:
                train = first_lines(train, options.lines, folder, header=not options.header)
            train_examples, dev_examples = read_examples(train, columns), read_examples(options.dev, columns)
            print(f"{f'{len(train_examples)} train, {len(dev_examples)} dev':36}{'accuracy':26}macro-F1", flush=True)
            print(row("linear, characters 1 to 3", [linear(train_examples, dev_examples)]), flush=True)
            for start, flags in (("fine-tuned", []), ("fine-tuned, from random weights", ["--from-scratch"])):
                scores = []
                for seed in options.seeds:
                    recipe = [f"--model={options.model}", f"--seed={seed}", *header, *options.recipe, *flags]
                    scores.append(fine_tuned(train, options.dev, folder / f"{start}-{seed}", recipe))
                print(row(start, scores), flush=True)
        except (ExportError, OSError) as error:
            print(f"classification: {error}", file=sys.stderr)
            return 1
        except subprocess.CalledProcessError:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
