"""Make a checkpoint of any size with random weights.

    python -m loadtest.random_checkpoint --like FOLDER --output FOLDER

``--like`` is a folder with config.json and a vocabulary, such as those of bert-base-chinese; the checkpoint is a
classifier if config.json names one. The cost of inference does not depend on the values of the weights: weights and
biases are normal with the standard deviation of an untrained BERT (``initializer_range``), around 1 for the scales of
layer norms. They differ from 0 and 1 because TensorFlow's optimiser removes additions of 0 and products with 1, which
no trained checkpoint has.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from export.checkpoint import BertConfig, expected_shapes, read_config
from export.checkpoint.classifier import ARCHITECTURE, architectures, read_classifier
from export.forms import CONFIGS, TOKENIZER_FILES, VOCABULARIES, WeightForm

INITIALIZER_RANGE = 0.02


def write_random_checkpoint(like: Path, output: Path, seed: int = 0) -> BertConfig:
    """Write a random checkpoint and return its config.

    Raises:
        CheckpointError: config.json is invalid or does not describe a BERT.
    """
    path = like / "config.json"
    config = read_config(path)
    classifier = read_classifier(path, config) if ARCHITECTURE in architectures(path) else None
    output.mkdir(parents=True, exist_ok=True)
    for name in (*CONFIGS, *VOCABULARIES, *TOKENIZER_FILES):
        if (like / name).is_file():
            shutil.copyfile(like / name, output / name)
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in expected_shapes(config, classifier).items():
        tensors[name] = rng.standard_normal(shape, np.float32) * np.float32(INITIALIZER_RANGE)
        if name.endswith("LayerNorm.weight"):
            tensors[name] += 1
    save_file(tensors, output / WeightForm.SAFETENSORS.value)
    return config


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a checkpoint with random weights."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.random_checkpoint", description=main.__doc__)
    parser.add_argument("--like", type=Path, required=True, help="folder with config.json and a vocabulary")
    parser.add_argument("--output", type=Path, required=True, help="where the checkpoint goes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    config = write_random_checkpoint(options.like, options.output, options.seed)
    print(f"Wrote {options.output}: {config.num_hidden_layers} x {config.hidden_size}, {config.vocab_size} tokens.")


if __name__ == "__main__":
    main()
