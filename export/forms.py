"""The forms that a checkpoint is published in, and which of a folder's files the export reads."""

from collections.abc import Collection
from enum import Enum

from export.errors import SourceError


class WeightForm(Enum):
    """A form of weights that can be read without a pickle, by the file that names it; the first is preferred."""

    SAFETENSORS = "model.safetensors"
    SHARDED_SAFETENSORS = "model.safetensors.index.json"
    TENSORFLOW_2 = "tf_model.h5"
    TENSORFLOW_1 = "bert_model.ckpt.index"


CONFIGS = ("config.json", "bert_config.json")
"""One of them is required; the second is Google's name."""

VOCABULARIES = ("vocab.txt", "tokenizer.json")
"""One of them is required."""

TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Files that change the tokenizer where they are there."""


def choose_form(names: Collection[str], model: str) -> WeightForm:
    """Return the best form of weights among files.

    Args:
        names: the files of a checkpoint.
        model: its name in an error.

    Raises:
        SourceError: there is none; the message says which form there is and how to convert it.
    """
    for form in WeightForm:
        if form.value in names:
            return form
    msg = f"{model} has no {WeightForm.SAFETENSORS.value}"
    raise SourceError(msg)
