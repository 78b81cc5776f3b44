"""Fine-tune a classifier from labelled text, or resume."""

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from export.finetune.errors import TrainingError
from export.finetune.examples import read_examples
from export.finetune.layout import TrainingFolder
from export.finetune.preparation import Inputs, Report, prepare
from export.finetune.process import run_trainer
from export.finetune.result import publish
from export.json_file import read_json


def finetune(
    inputs: Inputs, output: Path, *, resume: bool, force: bool, save_every_s: float, report: Report
) -> dict[str, Any]:
    """Write a classifier's checkpoint and return its metrics.

    Args:
        inputs: the checkpoint, the labelled text and the options.
        output: the folder to write.
        resume: continue an interrupted training if there is one.
        force: replace an existing output, discard an interrupted training.
        save_every_s: seconds between saved states.
        report: called with one sentence at each stage.

    Raises:
        TrainingError: the output exists, or the training failed.
        LabelledTextError: a file of labelled text is damaged.
        CheckpointError: the checkpoint is damaged or not BERT.
        KeyboardInterrupt: the training was interrupted.
    """
    folder = TrainingFolder.of(output)
    if output.exists() and not force:
        msg = f"{output} exists: choose another --output, or replace it with --force"
        raise TrainingError(msg)
    if folder.root.exists() and not resume:
        if not force:
            msg = f"{folder.root} has an interrupted training: continue it with --resume, or discard it with --force"
            raise TrainingError(msg)
        shutil.rmtree(folder.root)
    is_begun = folder.root.exists()
    if not is_begun:
        prepare(inputs, folder, save_every_s=save_every_s, report=report)
    with _locked(folder) as lock:
        if is_begun:
            _check_settings(folder, inputs.settings())
            report(f"Resuming the training in {folder.root}.")
        if not folder.outcome.exists():  # else it was interrupted after the last epoch
            _train(folder, lock)
        metrics = publish(folder, read_examples(inputs.dev, inputs.options.columns), output)
    scores = metrics["dev"]
    report(
        f"Wrote {output} (epoch {metrics['best_epoch']}): accuracy {scores['accuracy']:.4f}, macro-F1 "
        f"{scores['macro_f1']:.4f} on the {scores['texts']:,} texts of {inputs.dev}."
    )
    return metrics


@contextmanager
def _locked(folder: TrainingFolder) -> Iterator[int]:
    """Lock the folder and yield the lock's file descriptor."""
    with folder.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"another process is training in {folder.root}; wait for its end"
            raise TrainingError(msg) from None
        yield file.fileno()


def _train(folder: TrainingFolder, lock: int) -> None:
    try:
        run_trainer(folder, lock)
    except BaseException:
        if not folder.state.exists():  # nothing that could be resumed
            shutil.rmtree(folder.root)
        raise


def _check_settings(folder: TrainingFolder, settings: Mapping[str, Any]) -> None:
    """Check that the options and files have not changed.

    Files may have moved; their digests count.
    """
    before = _flat(read_json(folder.settings))
    now = _flat(settings)
    places = {"model.model", "texts.train.file", "texts.dev.file", "texts.class_weights.file", "options.class_weights"}
    changed = [key for key in now | before if key not in places and now.get(key) != before.get(key)]
    if changed:
        key = changed[0]
        msg = (
            f"{folder.root} was started with {key} = {before.get(key)!r}, not {now.get(key)!r}: repeat its options and "
            "files, or discard it with --force and without --resume"
        )
        raise TrainingError(msg)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
