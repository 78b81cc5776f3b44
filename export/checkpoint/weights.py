"""Validate a checkpoint's weights and read them as float32.

Each tensor of the encoder and of the head must be present exactly once, in the right shape. An unknown tensor is an
error. One tensor is in memory at a time, and no file is unpickled.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.checkpoint.classifier import ARCHITECTURE, ClassifierConfig
from export.checkpoint.config import BertConfig
from export.checkpoint.safetensors_file import list_safetensors, list_shards
from export.checkpoint.stored import StoredTensor
from export.checkpoint.tensorflow_file import list_tensorflow_1, list_tensorflow_2
from export.errors import CheckpointError
from export.forms import WeightForm

Array = NDArray[np.float32]
Weights = Mapping[str, Array]

LEFT_OUT = ("bert.pooler.", "cls.seq_relationship.", "bert.embeddings.position_ids")
"""Tensors of BertForPreTraining that the masked language model does not use; the official checkpoint has them."""

_LEFT_OUT_OF_CLASSIFIER = ("cls.", "bert.embeddings.position_ids")
_POOLER, _CLASSIFIER = "bert.pooler.dense", "classifier"

_EMBEDDINGS, _DECODER = "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"
_BIAS, _DECODER_BIAS = "cls.predictions.bias", "cls.predictions.decoder.bias"
_TIED = {_DECODER: _EMBEDDINGS, _DECODER_BIAS: _BIAS}
"""Tied tensors, from alias to canonical name. A file may have one name or both."""

_OLD_NAMES = {
    "LayerNorm.gamma": "LayerNorm.weight",
    "LayerNorm.beta": "LayerNorm.bias",
}  # TensorFlow's names, in older files
_HEAD = "cls.predictions."
_FINE_TUNED = ("classifier.", "qa_outputs.", "output_weights", "output_bias")

_READERS: dict[WeightForm, Callable[[Path], Iterator[StoredTensor]]] = {
    WeightForm.SAFETENSORS: list_safetensors,
    WeightForm.SHARDED_SAFETENSORS: list_shards,
    WeightForm.TENSORFLOW_2: list_tensorflow_2,
    WeightForm.TENSORFLOW_1: list_tensorflow_1,
}


class StoredWeights(Mapping[str, Array]):
    """Weights that are read from disk on each access."""

    def __init__(self, tensors: Mapping[str, StoredTensor]) -> None:
        self._tensors = dict(tensors)

    def __getitem__(self, name: str) -> Array:
        """Return a tensor as float32."""
        return self._tensors[name].read().astype(np.float32, order="C", copy=False)

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._tensors)

    def __len__(self) -> int:
        """Return the number of tensors."""
        return len(self._tensors)


def has_classifier(folder: Path, form: WeightForm) -> bool:
    """Return whether the weights are those of a classifier.

    Raises:
        CheckpointError: a file is damaged.
    """
    names = {_canonical(tensor.name) for tensor in _READERS[form](folder / form.value)}
    return {f"{_CLASSIFIER}.weight", f"{_POOLER}.weight"} <= names and not any(name.startswith(_HEAD) for name in names)


def read_weights(
    folder: Path, form: WeightForm, config: BertConfig, classifier: ClassifierConfig | None = None
) -> StoredWeights:
    """Validate each weight of a checkpoint folder and return them.

    Args:
        folder: the checkpoint's files.
        form: the form of the weights.
        config: the hyperparameters, from which the expected shapes follow.
        classifier: the settings of the classification head; None for a masked language model.

    Raises:
        CheckpointError: a file is damaged, or a tensor is missing, unknown, of another shape or not finite.
    """
    path = folder / form.value
    expected = expected_shapes(config, classifier)
    if classifier:
        found, unknown = _by_name(path, _READERS[form](path), expected, left_out=_LEFT_OUT_OF_CLASSIFIER)
        _check_classifier_names(path, found, unknown, expected)
    else:
        found, unknown = _by_name(path, _READERS[form](path), {*expected, *_TIED}, left_out=LEFT_OUT)
        _complete_tied(path, found, config)
        _check_names(path, found, unknown, expected)
    weights = StoredWeights({name: found[name] for name in expected})
    for name, shape in expected.items():
        _check_tensor(path, found[name], name, shape, weights[name])
    for twin, name in _TIED.items():
        if twin in found and found[twin] is not found[name]:
            _check_equal(path, found[twin], found[name], f"{twin} differs from {name}; BERT ties the two")
    return weights


def _complete_tied(path: Path, found: dict[str, StoredTensor], config: BertConfig) -> None:
    """Add tied tensors stored under their other name."""
    if not config.tie_word_embeddings and _DECODER not in found:
        msg = (
            f"{path} has no {_DECODER}, and config.json says tie_word_embeddings = false: the decoder is missing; "
            "set tie_word_embeddings to true if the model was trained so"
        )
        raise CheckpointError(msg)
    for twin, name in _TIED.items():
        if twin in found:
            found.setdefault(name, found[twin])


def expected_shapes(config: BertConfig, classifier: ClassifierConfig | None = None) -> dict[str, tuple[int, ...]]:
    """Return each required tensor's shape by Hugging Face's name.

    Args:
        config: the hyperparameters.
        classifier: the settings of the classification head; None for a masked language model.
    """
    return dict(_expected(config, classifier))


def _expected(config: BertConfig, classifier: ClassifierConfig | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, inner = config.hidden_size, config.intermediate_size

    def dense(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (outputs, inputs)
        yield f"{name}.bias", (outputs,)

    def norm(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.LayerNorm.weight", (hidden,)
        yield f"{name}.LayerNorm.bias", (hidden,)

    embeddings = "bert.embeddings"
    yield _EMBEDDINGS, (config.vocab_size, hidden)
    yield f"{embeddings}.position_embeddings.weight", (config.max_position_embeddings, hidden)
    yield f"{embeddings}.token_type_embeddings.weight", (config.type_vocab_size, hidden)
    yield from norm(embeddings)
    for number in range(config.num_hidden_layers):
        layer = f"bert.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            yield from dense(f"{layer}.attention.self.{part}", hidden, hidden)
        yield from dense(f"{layer}.attention.output.dense", hidden, hidden)
        yield from norm(f"{layer}.attention.output")
        yield from dense(f"{layer}.intermediate.dense", inner, hidden)
        yield from dense(f"{layer}.output.dense", hidden, inner)
        yield from norm(f"{layer}.output")
    if classifier:
        yield from dense(_POOLER, hidden, hidden)
        yield from dense(_CLASSIFIER, len(classifier.labels), hidden)
        return
    yield from dense("cls.predictions.transform.dense", hidden, hidden)
    yield from norm("cls.predictions.transform")
    yield _BIAS, (config.vocab_size,)


def _by_name(
    path: Path, tensors: Iterator[StoredTensor], expected: Collection[str], *, left_out: tuple[str, ...]
) -> tuple[dict[str, StoredTensor], list[StoredTensor]]:
    """Return known tensors by canonical name, and unknown tensors.

    Args:
        path: the file.
        tensors: the tensors in the file.
        expected: the names of the known tensors.
        left_out: prefixes of known tensors that are not used.
    """
    found: dict[str, StoredTensor] = {}
    unknown: list[StoredTensor] = []
    for tensor in tensors:
        name = _canonical(tensor.name)
        if name.startswith(left_out):
            continue
        if name not in expected:
            unknown.append(tensor)
        elif name in found:  # Keras stores the embeddings twice
            _check_equal(path, tensor, found[name], f"{name} is stored twice, with other values")
        else:
            found[name] = tensor
    return found, unknown


def _canonical(name: str) -> str:
    """Return a tensor's name in BertForMaskedLM.

    Models saved from BertModel lack the prefix ``bert.``, those saved from DataParallel have ``module.``.
    """
    name = name.removeprefix("module.")
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    return f"bert.{name}" if name.startswith(("embeddings.", "encoder.", "pooler.")) else name


def _check_names(
    path: Path, found: Mapping[str, StoredTensor], unknown: list[StoredTensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    missing = sorted(expected.keys() - found.keys())
    tuned = [tensor.stored for tensor in unknown if tensor.name.startswith(_FINE_TUNED) or tensor.stored in _FINE_TUNED]
    if tuned and any(name.startswith(_HEAD) for name in missing):
        msg = (
            f"{path} was fine-tuned for another task ({_listed(sorted(tuned))}) and has no masked-language-model head "
            f"({_HEAD}*); export the checkpoint that it was fine-tuned from"
        )
        raise CheckpointError(msg)
    if missing and all(name.startswith(_HEAD) for name in missing) and not any(n.startswith(_HEAD) for n in found):
        msg = (
            f"{path} is an encoder without its masked-language-model head ({_HEAD}*), which answers [MASK]; use a "
            "checkpoint of BertForMaskedLM or BertForPreTraining"
        )
        raise CheckpointError(msg)
    if missing:
        msg = f"{path} lacks {_listed(missing)}: it is not a complete masked language model"
        raise CheckpointError(msg)
    _check_known(path, unknown)


def _check_classifier_names(
    path: Path, found: Mapping[str, StoredTensor], unknown: list[StoredTensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    missing = sorted(expected.keys() - found.keys())
    if missing and all(name.startswith((_CLASSIFIER, _POOLER)) for name in missing):
        msg = (
            f"{path} has no {_listed(missing)}, but config.json says {ARCHITECTURE}: the classifier was not saved; "
            "save it with the model, or train one with python -m export.finetune"
        )
        raise CheckpointError(msg)
    if missing:
        msg = f"{path} lacks {_listed(missing)}: it is not a complete classifier"
        raise CheckpointError(msg)
    _check_known(path, unknown)


def _check_known(path: Path, unknown: list[StoredTensor]) -> None:
    if unknown:
        msg = f"{path} has unknown tensors: {_listed(sorted(tensor.stored for tensor in unknown))}"
        raise CheckpointError(msg)


def _check_tensor(path: Path, tensor: StoredTensor, name: str, shape: tuple[int, ...], values: Array) -> None:
    if tensor.shape != shape:
        msg = f"{path}: {name} has shape {list(tensor.shape)}, config.json expects {list(shape)}"
        raise CheckpointError(msg)
    if not tensor.dtype.lower().startswith(("f", "bf")):
        msg = f"{path}: {name} holds {tensor.dtype}, not floating-point numbers"
        raise CheckpointError(msg)
    if not np.isfinite(values).all():
        msg = f"{path}: {name} holds values that are not finite"
        raise CheckpointError(msg)


def _check_equal(path: Path, one: StoredTensor, other: StoredTensor, difference: str) -> None:
    if one.shape != other.shape or not np.array_equal(one.read(), other.read()):
        msg = f"{path}: {difference}"
        raise CheckpointError(msg)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def read_pooler(folder: Path, form: WeightForm, config: BertConfig) -> dict[str, Array]:
    """Return the tensors of the pooler.

    The result is empty if the checkpoint has no pooler.

    Raises:
        CheckpointError: a file is damaged, or a tensor has another shape or is not finite.
    """
    path = folder / form.value
    hidden = config.hidden_size
    shapes = {"bert.pooler.dense.weight": (hidden, hidden), "bert.pooler.dense.bias": (hidden,)}
    found: dict[str, Array] = {}
    for tensor in _READERS[form](path):
        name = _canonical(tensor.name)
        if name in shapes:
            found[name] = tensor.read().astype(np.float32, order="C", copy=False)
            _check_tensor(path, tensor, name, shapes[name], found[name])
    return found if len(found) == len(shapes) else {}
