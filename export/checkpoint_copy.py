"""Convert a checkpoint to a form that transformers reads.

transformers 5 reads neither TensorFlow's weights nor tensors under other names than its own. The copy has the
original's tokenizer files and configuration, and the weights as ``export.checkpoint`` reads them.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import safe_open

from export.checkpoint import Checkpoint, load_checkpoint
from export.forms import TOKENIZER_FILES, VOCABULARIES, WeightForm, choose_config, choose_form
from export.json_file import read_json

_FLOAT32_BYTES = 4
_HEADER_BYTES = 8  # size of safetensors' header length, little-endian
_NAMES = ("bert.", "cls.", "classifier.")  # prefixes of transformers' tensor names


@contextmanager
def readable_by_transformers(folder: Path) -> Iterator[Path]:
    """Yield a checkpoint folder that transformers reads.

    It is a temporary copy if transformers cannot read the original's weights.
    """
    if _is_readable(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="bert-mlm-checkpoint-") as copy:
        write_safetensors(load_checkpoint(folder), folder, Path(copy))
        yield Path(copy)


def write_safetensors(checkpoint: Checkpoint, source: Path, folder: Path) -> None:
    """Write a checkpoint as safetensors in float32.

    The configuration and the tokenizer files are copied from the original.

    Args:
        checkpoint: the checkpoint to write.
        source: the original's folder.
        folder: an empty folder.
    """
    config = read_json(source / choose_config({path.name for path in source.iterdir()}, str(source)))
    # Google's bert_config.json has no model_type. load_checkpoint ties the weights regardless of the file.
    content = {"model_type": "bert", **config, "tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    for name in (*VOCABULARIES, *TOKENIZER_FILES):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    _write_weights(checkpoint, folder / WeightForm.SAFETENSORS.value)


def _write_weights(checkpoint: Checkpoint, path: Path) -> None:
    """Write the tensors one by one, to save memory."""
    header = {}
    end = 0
    shapes = checkpoint.shapes
    for name, shape in shapes.items():
        start, end = end, end + _FLOAT32_BYTES * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    described = json.dumps(header).encode()
    described += b" " * (-len(described) % _HEADER_BYTES)  # aligns the data
    with path.open("wb") as file:
        file.write(len(described).to_bytes(_HEADER_BYTES, "little") + described)
        for name in shapes:
            file.write(checkpoint.weights[name].astype("<f4", copy=False).tobytes())


def _is_readable(folder: Path) -> bool:
    """Return whether transformers can read the weights."""
    form = choose_form({path.name for path in folder.iterdir()}, str(folder))
    path = folder / form.value
    if form is WeightForm.SAFETENSORS:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
    elif form is WeightForm.SHARDED_SAFETENSORS:
        names = list(read_json(path)["weight_map"])
    else:
        return False
    return all(name.startswith(_NAMES) for name in names)
