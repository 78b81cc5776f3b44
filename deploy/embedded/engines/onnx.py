"""Run a version's 8-bit model with ONNX Runtime.

It needs no TensorFlow and a quarter of the memory. The export writes the file ``assets.extra/model.int8.onnx`` beside
the SavedModel: one graph for all signatures except ``serving_default``, with their definitions in its metadata. Its
weights are in a second file, which ONNX Runtime maps: processes share them, and the system can drop them from memory.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.vocabulary import TokenizerConfig
from bert_mlm_client.wire import messages
from google.protobuf import json_format

from deploy.embedded.engines import Array, declared_types
from deploy.embedded.engines.token_examples import read_token_ids
from deploy.embedded.errors import Code, ServingError, invalid

ONNX_FILE = Path("assets.extra", "model.int8.onnx")
OMITTED_SIGNATURES = ("serving_default",)
"""Signatures of the SavedModel that the ONNX file lacks: the logits of every token."""

_VOCABULARY = Path("assets", "vocab.txt")

# The graph's output names, where they differ from the signature's.
_RENAMED = {
    ("score_tokens", "scores"): "candidate_scores",
    ("classify", "labels"): "label_ids",
    ("classify_examples", "classes"): "label_ids",
}

# The signatures with predictions at masks. For the others the graph computes 1 prediction, which is not fetched.
_MASK_SIGNATURES = ("fill_mask", "score_tokens")

_CLASSIFICATIONS = ("classify", "classify_examples")

# How long a thread spins for its share of the next operation. On 2 cores a sentence of 16 tokens takes 8.8 ms, 11.0 ms
# without spinning, and no less with more spinning: with 1 ms, a thread only takes a core from the APIs.
_SPIN_US = "20"

# After a batch of more token slots, the arena frees what it grew by; else it would keep that memory. After every batch,
# it would grow again for the next, by more than needed.
_LARGE_BATCH = 1024


class OnnxEngine:
    """A session of ONNX Runtime with its vocabulary."""

    runs_at_once = 1
    """Two runs in parallel compete for cores with each other's spinning threads: with 16 connections the throughput is
    the same, but p95 is 173 to 227 ms instead of 134 to 166, and each holds the memory of a batch."""

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """Load the version in a folder.

        Args:
            folder: the version.
            threads: cores for one run; 0 is all of them.

        Raises:
            ServingError: NOT_FOUND, the version has no such file.
            Exception: ONNX Runtime could not load the file.
        """
        path = folder / ONNX_FILE
        if not path.is_file():
            msg = f"Could not find {path}: export the model again, or serve it with --engine=tensorflow."
            raise ServingError(Code.NOT_FOUND, msg)
        from bert_mlm_client.onnx_runtime import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # With malloc instead of the arena, fragments double the memory of a large batch. Only activations are in it.
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        options.log_severity_level = 4  # errors are raised, not printed
        options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_US)
        self._shrinking: Any = ort.RunOptions()
        self._shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._session: Any = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._inputs = {info.name for info in self._session.get_inputs()}
        # A classifier's labels, and whether its head reads [CLS] alone.
        labels = json.loads(metadata["tokenizer"]).get("labels", [])
        self._labels = np.array([label.encode() for label in labels], object)
        self._reads_cls = metadata.get("classifier_pooling") == "cls"
        config = TokenizerConfig.parse(metadata["tokenizer"].encode())
        self._max_length = config.max_length
        self._rows = config.rows
        self._tokenizer = {
            "vocab": (folder / _VOCABULARY).read_bytes().removesuffix(b"\n"),
            "config": metadata["tokenizer"].encode(),
        }
        signatures = json_format.Parse(metadata["signatures"], messages.SignatureDefMap())
        self.signatures: Mapping[str, messages.SignatureDef] = dict(signatures.signature_def)
        self.input_types = declared_types(self.signatures)

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run a signature (see ``Engine.run``)."""
        _check_types(self.signatures[signature], inputs)
        if signature == "tokenizer":
            return {name: np.full(inputs["request"].shape, self._tokenizer[name], object) for name in outputs}
        if signature == "classify_examples":
            inputs = read_token_ids(inputs["inputs"].tolist(), self._rows)
        feeds = self._feeds(signature, inputs)
        after = self._shrinking if inputs["input_ids"].size > _LARGE_BATCH else None
        names = [_RENAMED.get((signature, name), name) for name in outputs]
        try:
            values = self._session.run(names, feeds, after)
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            raise ServingError(Code.INTERNAL, str(error)) from error
        return {
            name: self._labels[value] if renamed == "label_ids" else value
            for name, renamed, value in zip(outputs, names, values, strict=True)
        }

    def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run the signatures one by one (see ``Engine.run_several``)."""
        return {signature: self.run(signature, inputs, names) for signature, names in outputs.items()}

    def close(self) -> None:
        """Free the model."""
        self._session = None

    def _feeds(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return all inputs of the graph.

        Raises:
            ServingError: INVALID_ARGUMENT, the arrays differ in size or a value is out of range. The graph indexes one
                table of all sentences' rows, so a wrong position would read another sentence.
        """
        ids, lengths = inputs["input_ids"], inputs["lengths"]
        batch, length = ids.shape
        for name, array in inputs.items():
            if len(array) != batch:
                msg = f"{name} has {len(array)} rows, input_ids has {batch}"
                raise invalid(msg)
            if not array.size:
                msg = f"{name} is empty; send at least one"
                raise invalid(msg)
        if int(lengths.min()) < 1:
            msg = f"lengths must be at least 1, and {int(lengths.min())} was sent"
            raise invalid(msg)
        if length > self._max_length:
            msg = f"input_ids: this model takes at most {self._max_length} tokens"
            raise invalid(msg)
        positions, candidates = inputs.get("mask_positions"), inputs.get("candidate_ids")
        if positions is None:
            picked = 1 if self._reads_cls and signature in _CLASSIFICATIONS else length
            positions = np.broadcast_to(np.arange(picked, dtype=np.int32), (batch, picked))
        if candidates is None:
            candidates = np.zeros((batch, 1), np.int32)
        _check_range("input_ids", ids, self._rows)
        _check_range("candidate_ids", candidates, self._rows)
        _check_range("mask_positions", positions, length)
        answers = positions.shape[1] if signature in _MASK_SIGNATURES else 1
        feeds = {
            "input_ids": ids,
            "lengths": lengths,
            "positions": positions,
            "answers": np.array([answers], np.int32),
            "candidate_ids": candidates,
        }
        return {name: array for name, array in feeds.items() if name in self._inputs}


def _check_types(signature: messages.SignatureDef, inputs: Mapping[str, Array]) -> None:
    """Check types and ranks.

    All inputs of these signatures are int32 or strings.
    """
    for name, array in inputs.items():
        info = signature.inputs[name]
        rank = len(info.tensor_shape.dim)
        expected = np.object_ if info.dtype == messages.DT_STRING else np.int32
        if array.dtype != expected:
            msg = f"{name} must be {'strings' if expected is np.object_ else 'int32'}, not {array.dtype}"
            raise invalid(msg)
        if array.ndim != rank:
            msg = f"{name} must have {rank} dimensions, not {array.ndim}"
            raise invalid(msg)


def _check_range(name: str, values: Array, end: int) -> None:
    if values.size and not (int(values.min()) >= 0 and int(values.max()) < end):
        msg = f"{name} must be from 0 to {end - 1}, and {int(values.min())} to {int(values.max())} were sent"
        raise invalid(msg)
