"""Define the checkpoint forms and choose the files to read."""

from collections.abc import Collection
from enum import Enum
from pathlib import Path

from export.errors import CheckpointError, SourceError
from export.json_file import read_json


class WeightForm(Enum):
    """A form of weights, by its main file.

    None needs a pickle. The order is the order of preference.
    """

    SAFETENSORS = "model.safetensors"
    SHARDED_SAFETENSORS = "model.safetensors.index.json"
    TENSORFLOW_2 = "tf_model.h5"
    TENSORFLOW_1 = "bert_model.ckpt.index"


CONFIGS = ("config.json", "bert_config.json")
"""One is required. The first is preferred; the second is Google's name."""

VOCABULARIES = ("tokenizer.json", "vocab.txt")
"""At least one is required. If both exist, both are read."""

TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Optional files."""

_UNREADABLE = {
    "pytorch_model.bin": "a pickle, which can run code when it is read",
    "pytorch_model.bin.index.json": "an index of pickles, which can run code when they are read",
    "flax_model.msgpack": "Flax's",
    "model.onnx": "a graph without the names of its weights",
}


def choose_form(names: Collection[str], model: str) -> WeightForm:
    """Return the preferred form of weights among files.

    Args:
        names: the files of a checkpoint.
        model: its name, for error messages.

    Raises:
        SourceError: no form is readable; the message says which form was found and how to convert it.
    """
    for form in WeightForm:
        if form.value in names:
            return form
    wanted = ", ".join(form.value for form in WeightForm)
    msg = f"{model} has no weights that can be exported ({wanted})"
    if unreadable := [name for name in _UNREADABLE if name in names]:
        kind = ", ".join(f"{name} is {_UNREADABLE[name]}" for name in unreadable)
        convert = "BertForMaskedLM.from_pretrained(…).save_pretrained(…)"
        msg = f"{msg}; {kind}: convert it where you trust it, with transformers ({convert})"
    elif others := sorted(name for name in names if name.endswith(".ckpt.index") or ".ckpt-" in name):
        msg = f"{msg}; rename the files of {others[0].removesuffix('.index')} to bert_model.ckpt.*"
    raise SourceError(msg)


def choose_config(names: Collection[str], model: str) -> str:
    """Return the name of the configuration file.

    Raises:
        SourceError: there is no such file.
    """
    for name in CONFIGS:
        if name in names:
            return name
    msg = f"{model} has no {CONFIGS[0]}; it is part of every checkpoint that transformers saves"
    raise SourceError(msg)


def shard_names(index: Path) -> list[str]:
    """Return the names of the shards in an index.

    Raises:
        CheckpointError: the index is damaged.
    """
    mapping = read_json(index).get("weight_map")
    if not isinstance(mapping, dict) or not mapping or not all(isinstance(name, str) for name in mapping.values()):
        msg = f"{index} has no weight_map from tensors to files; download it again"
        raise CheckpointError(msg)
    names = sorted(set(mapping.values()))
    for name in names:
        if Path(name).name != name:
            msg = f"{index} names the shard {name!r}; a shard is in the folder of its index"
            raise CheckpointError(msg)
    return names
