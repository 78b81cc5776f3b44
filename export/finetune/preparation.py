"""Write the folder that a training starts from."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from export.checkpoint import Checkpoint, expected_shapes, load_checkpoint
from export.checkpoint.weights import read_pooler
from export.finetune.encoding import EncodedTexts, TextEncoder
from export.finetune.errors import TrainingError
from export.finetune.examples import Example, read_examples
from export.finetune.labels import balanced_weights, encode_targets, order_labels, read_weights
from export.finetune.layout import TrainingFolder
from export.finetune.model_files import write_model_files
from export.finetune.options import BALANCED, FinetuneOptions
from export.finetune.plan import Plan
from export.source import CheckpointFiles, sha256_of

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files of a fine-tuning run.

    Attributes:
        files: the checkpoint's verified files.
        train: the training texts.
        dev: the texts to measure on.
        options: the options.
    """

    files: CheckpointFiles
    train: Path
    dev: Path
    options: FinetuneOptions

    def settings(self) -> dict[str, Any]:
        """Return the settings that determine the result, with digests."""
        weights = self.options.weights_file()
        texts = {"train": self.train, "dev": self.dev} | ({"class_weights": weights} if weights else {})
        return {
            "model": {"model": self.files.model, "revision": self.files.revision, "digests": self.files.digests},
            "texts": {name: {"file": str(path), "sha256": sha256_of(path)} for name, path in texts.items()},
            "options": self.options.recorded(),
        }


def prepare(inputs: Inputs, target: TrainingFolder, *, save_every_s: float, report: Report) -> None:
    """Write the training folder.

    Raises:
        LabelledTextError: a file of labelled text is damaged.
        CheckpointError: the checkpoint is damaged or not BERT.
        TrainingError: an option does not fit the checkpoint.
    """
    options = inputs.options
    train, dev = (read_examples(path, options.columns) for path in (inputs.train, inputs.dev))
    labels = order_labels(inputs.train, train)
    targets = {
        name: encode_targets(path, examples, labels, multi_label=options.multi_label)
        for name, path, examples in (("train", inputs.train, train), ("dev", inputs.dev, dev))
    }
    weights = _class_weights(options, targets["train"], labels)
    checkpoint = load_checkpoint(inputs.files.folder, lower_case=options.lower_case)
    _check_fit(inputs, checkpoint)
    length = options.length(checkpoint.tokenizer.max_length)
    encoder = TextEncoder(checkpoint, length)
    encoded = {"train": encoder.encode(inputs.train, train), "dev": encoder.encode(inputs.dev, dev)}
    report(
        f"Read {len(train):,} texts from {inputs.train} and {len(dev):,} from {inputs.dev}: {len(labels)} labels, up "
        f"to {max(texts.longest for texts in encoded.values())} tokens."
    )
    for path, texts in ((inputs.train, encoded["train"]), (inputs.dev, encoded["dev"])):
        _report_truncation(path, texts, length, report)
    _report_overlap(inputs, train, dev, report)

    with _complete(target.root) as fresh:
        folder = TrainingFolder(fresh)
        arrays: dict[str, NDArray[Any]] = {f"{name}.targets": values for name, values in targets.items()}
        for name, texts in encoded.items():
            arrays |= texts.arrays(name)
        save_file(arrays, folder.texts)
        if not options.from_scratch:
            _write_weights(inputs, checkpoint, folder.initial)
        folder.result.mkdir()
        write_model_files(folder.result, inputs.files.folder, checkpoint, labels, options)
        _plan(options, checkpoint, weights, save_every_s).write(folder.plan)
        folder.settings.write_text(json.dumps(inputs.settings(), ensure_ascii=False, indent=2), encoding="utf-8")


def _class_weights(options: FinetuneOptions, targets: NDArray[Any], labels: Sequence[str]) -> list[float] | None:
    if options.class_weights == BALANCED:
        return balanced_weights(targets, len(labels))
    path = options.weights_file()
    return None if path is None else read_weights(path, labels)


def _check_fit(inputs: Inputs, checkpoint: Checkpoint) -> None:
    config, options = checkpoint.config, inputs.options
    if options.layers is not None and options.layers > config.num_hidden_layers:
        msg = f"--layers {options.layers} is more than the {config.num_hidden_layers} of {inputs.files.model}; lower it"
        raise TrainingError(msg)
    if options.columns.pair is not None and config.type_vocab_size < 2:
        msg = f"{inputs.files.model} has one token type, text pairs need two; use another checkpoint"
        raise TrainingError(msg)


def _report_truncation(path: Path, texts: EncodedTexts, length: int, report: Report) -> None:
    if texts.truncated:
        report(
            f"Truncated {texts.truncated:,} texts of {path} to {length} tokens (--max-length); the longest, line "
            f"{texts.longest_line}, has {texts.longest:,}."
        )


def _report_overlap(inputs: Inputs, train: Sequence[Example], dev: Sequence[Example], report: Report) -> None:
    known = {(example.text, example.pair) for example in train}
    if repeated := sum((example.text, example.pair) in known for example in dev):
        report(f"Warning: {repeated:,} of the {len(dev):,} texts of {inputs.dev} are in {inputs.train} too.")


def _write_weights(inputs: Inputs, checkpoint: Checkpoint, path: Path) -> None:
    """Write the weights that the classifier keeps."""
    layers = inputs.options.layers or checkpoint.config.num_hidden_layers
    kept = replace(checkpoint.config, num_hidden_layers=layers)
    tensors = {name: checkpoint.weights[name] for name in expected_shapes(kept) if name.startswith("bert.")}
    if inputs.options.pooling == "cls":  # a pooler was trained for [CLS] alone
        tensors |= read_pooler(inputs.files.folder, inputs.files.form, checkpoint.config)
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path)


def _plan(options: FinetuneOptions, checkpoint: Checkpoint, weights: list[float] | None, save_every_s: float) -> Plan:
    pad, sep, mask, cls = (checkpoint.vocabulary.index(token) for token in ("[PAD]", "[SEP]", "[MASK]", "[CLS]"))
    return Plan(
        seed=options.seed,
        epochs=options.epochs,
        batch_size=options.batch_size,
        accumulate=options.accumulate,
        learning_rate=options.rate(checkpoint.config.hidden_size),
        label_smoothing=options.label_smoothing,
        mask_characters=options.mask_characters,
        patience=options.patience,
        precision=options.precision,
        save_every_s=save_every_s,
        from_scratch=options.from_scratch,
        multi_label=options.multi_label,
        class_weights=weights,
        pad_id=pad,
        sep_id=sep,
        mask_id=mask,
        cls_id=cls,
    )


@contextmanager
def _complete(target: Path) -> Iterator[Path]:
    """Yield a temporary folder, renamed to ``target`` on success."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # left by a kill
    fresh.mkdir()
    try:
        yield fresh
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
