"""Build BERT for masked language modelling as a TensorFlow graph.

The graph has stock operations only. The arithmetic is that of Devlin et al. (2018, https://arxiv.org/abs/1810.04805) as
in Hugging Face's BertForMaskedLM: post-layer normalisation, the activation of config.json, tied output embeddings.

The graph is written for two kinds of CPU. With AVX512-VNNI, AVX512-BF16, AVX-VNNI or AMX, TensorFlow runs oneDNN's
operations by default; on others, such as Zen 3, it runs Eigen's (DefaultOneDnnPolicy in tensorflow/core/util/port.cc).
A linear layer is therefore one MatMul with a whole kernel [inputs, outputs], BiasAdd and activation, the form that
grappler's remapper fuses into one _FusedMatMul, with the residual where there is one. Kernels in blocks of 64 outputs
for batched products, the former form, save oneDNN's repacking for one short sentence, but Eigen runs such a product in
2.4 ms where the whole one takes 1.2 (16 rows, 768 x 3072). The README has the figures.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from export.checkpoint import BertConfig, Weights
from export.checkpoint.config import Activation

Tensor = Any  # tf.Tensor: TensorFlow publishes no types
Precision = Literal["fp32", "bf16", "fp16", "bf16-compute"]

STORED_TYPES = {
    "fp32": np.float32,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
    "bf16-compute": ml_dtypes.bfloat16,
}
_MASKED = float(np.finfo(np.float32).min)


class _Widened(tf.saved_model.experimental.TrackableResource):
    """A 16-bit weight, widened to float32 at load time."""

    def __init__(self, stored: Any) -> None:
        super().__init__()
        self._stored = stored

    def _create_resource(self) -> Tensor:
        return tf.raw_ops.VarHandleOp(
            dtype=tf.float32, shape=self._stored.shape, shared_name=f"{self._stored.name}/wide"
        )

    def _initialize(self) -> None:
        wide = tf.cast(self._stored.read_value(), tf.float32)
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=wide)

    def read(self) -> Tensor:
        value = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=tf.float32)
        return tf.ensure_shape(value, self._stored.shape)


class _Weight(tf.Module):
    """A weight variable, with a float32 copy if 16-bit."""

    def __init__(self, value: NDArray[Any], name: str, *, widen: bool) -> None:
        super().__init__()
        stored = tf.Variable(value, trainable=False, name=name)
        self._stored = stored
        if not widen:
            self.read = stored.value  # read_value would add an operation to each read
        else:
            self._wide = _Widened(stored)
            self.read = self._wide.read


class _PaddedLayout:
    """The layout of rows with a batch's padding."""

    def pack(self, values: Tensor) -> Tensor:
        """Remove the padding."""
        return values

    def spread(self, rows: Tensor) -> Tensor:
        """Restore the padding."""
        return rows


class _PackedLayout(_PaddedLayout):
    """The layout of rows without padding.

    Only attention computes on padding.
    """

    def __init__(self, visible: Tensor) -> None:
        flat = tf.reshape(visible, [-1])
        self._slots_of_rows = tf.squeeze(tf.where(flat), 1)
        self._rows_of_slots = tf.maximum(tf.cumsum(tf.cast(flat, tf.int32)) - 1, 0)  # padding has an arbitrary row

    def pack(self, values: Tensor) -> Tensor:
        return tf.gather(values, self._slots_of_rows)

    def spread(self, rows: Tensor) -> Tensor:
        return tf.gather(rows, self._rows_of_slots)


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows [N, H] and their layout."""

    rows: Tensor
    slots: _PaddedLayout


class Bert(tf.Module):
    """BERT's encoder and masked-language-model head with a checkpoint's weights."""

    def __init__(self, config: BertConfig, weights: Weights, precision: Precision = "fp32") -> None:
        super().__init__()
        self.config = config
        self._activate = _ACTIVATIONS[config.hidden_act]
        self._head_size = config.hidden_size // config.num_attention_heads
        self._kept: dict[str, _Weight] = {}

        def keep(name: str, value: NDArray[np.float32]) -> None:
            is_kernel = name.endswith(_KERNELS)
            as_stored = precision == "fp32" or (precision == "bf16-compute" and is_kernel)
            stored = np.ascontiguousarray(value.astype(STORED_TYPES[precision]))
            self._kept[name] = _Weight(stored, name, widen=not as_stored)

        for name in weights:
            if _ATTENTION_INPUT in name:
                continue
            value = weights[name]
            keep(name, value.T if name.endswith(_KERNELS) else value)
        for number in range(config.num_hidden_layers):
            prefix = f"{_layer(number)}{_ATTENTION_INPUT}"
            biases = {part: weights[f"{prefix}{part}.bias"] for part in ("query", "value")}
            # The key's bias is omitted: it adds a constant to all scores of a query, which softmax ignores.
            biases["key"] = np.zeros_like(biases["query"])
            # One product for all three, except in the last layer, which may have fewer queries than keys.
            is_last = number == config.num_hidden_layers - 1
            for group in ("query", "key_value") if is_last else ("query_key_value",):
                parts = group.split("_")
                kernel = np.concatenate([weights[f"{prefix}{part}.weight"] for part in parts])
                keep(f"{prefix}{group}.weight", kernel.T)
                keep(f"{prefix}{group}.bias", np.concatenate([biases[part] for part in parts]))

    def encode(
        self,
        input_ids: Tensor,
        visible: Tensor,
        token_type_ids: Tensor | None = None,
        positions: Tensor | None = None,
        *,
        packed: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Run the encoder.

        Args:
            input_ids: int32 [B, S].
            visible: bool [B, S], the attention mask.
            token_type_ids: int32 [B, S]; None means segment 0.
            positions: int32 [B, P], the positions of the last layer's output (then P replaces S below); None means all.
            packed: exclude invisible tokens from every product; the output is undefined there.

        Returns:
            The last layer's hidden states [B, S, H] and its attention [B, heads, S, tokens].
        """
        hidden = self._embed(input_ids, token_type_ids)
        shape = tf.shape(hidden)
        rows = tf.reshape(hidden, [-1, self.config.hidden_size])  # rows throughout: MatMul takes no batch dimension
        attention_mask = tf.where(visible, 0.0, _MASKED)[:, None, None, :]
        slots = _PackedLayout(visible) if packed else _PaddedLayout()
        rows = slots.pack(rows)
        *first, last = (_layer(number) for number in range(self.config.num_hidden_layers))
        for layer in first:
            table = _Table(rows, slots)
            rows, _ = self._encode_layer(layer, table, table, attention_mask)
        wanted = slots.spread(rows)
        if positions is not None:  # last layer's queries and everything after only here: -6 % for 8
            wanted = tf.gather(tf.reshape(wanted, shape), positions, batch_dims=1)
            shape = tf.shape(wanted)
            wanted = tf.reshape(wanted, [-1, self.config.hidden_size])
        rows, attention = self._encode_layer(last, _Table(wanted, _PaddedLayout()), _Table(rows, slots), attention_mask)
        return tf.reshape(rows, shape), attention

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the logits [N, V] of hidden states [N, H]."""
        transformed = self._activate(self._dense(hidden, "cls.predictions.transform.dense"))
        normal = self._normalise(transformed, "cls.predictions.transform")
        embeddings = self._read("bert.embeddings.word_embeddings.weight")
        # The few rows are transposed instead of the embeddings: Eigen takes 2.6 ms for 16 rows and a transposed
        # 768 x 3072 kernel, but 1.2 for this form.
        logits = tf.transpose(tf.matmul(embeddings, normal, transpose_b=True))
        return tf.nn.bias_add(logits, self._read("cls.predictions.bias"))

    def _embed(self, input_ids: Tensor, token_type_ids: Tensor | None) -> Tensor:
        length = tf.shape(input_ids)[1]
        longest = self.config.max_position_embeddings
        fits = tf.debugging.assert_less_equal(length, longest, f"input_ids: this model takes at most {longest} tokens")
        with tf.control_dependencies([fits]):
            positions = self._read("bert.embeddings.position_embeddings.weight")[:length]
        types = self._read("bert.embeddings.token_type_embeddings.weight")
        segment = types[0] if token_type_ids is None else tf.gather(types, token_type_ids)
        words = tf.gather(self._read("bert.embeddings.word_embeddings.weight"), input_ids)
        return self._normalise(words + (positions + segment), "bert.embeddings")

    def _encode_layer(
        self, layer: str, query_table: _Table, key_table: _Table, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return a layer's output for query rows and its attention."""
        name, rows, batch = f"{layer}{_ATTENTION_INPUT}", query_table.rows, tf.shape(attention_mask)[0]
        if f"{name}query_key_value.weight" in self._kept:
            query, key, value = self._heads(key_table, f"{name}query_key_value", batch)
        else:
            [query] = self._heads(query_table, f"{name}query", batch)
            key, value = self._heads(key_table, f"{name}key_value", batch)
        scores = tf.matmul(query, key, transpose_b=True) * (1.0 / math.sqrt(self._head_size)) + attention_mask
        attention = tf.nn.softmax(scores)
        context = tf.reshape(tf.transpose(tf.matmul(attention, value), [0, 2, 1, 3]), [-1, self.config.hidden_size])
        attended = self._dense(query_table.slots.pack(context), f"{layer}.attention.output.dense")
        rows = self._normalise(rows + attended, f"{layer}.attention.output")
        inner = self._activate(self._dense(rows, f"{layer}.intermediate.dense"))
        return self._normalise(rows + self._dense(inner, f"{layer}.output.dense"), f"{layer}.output"), attention

    def _heads(self, table: _Table, name: str, batch: Tensor) -> list[Tensor]:
        """Apply linear layers with a common kernel.

        Returns:
            The layers' outputs by head, each [B, heads, S, size].
        """
        heads, size = self.config.num_attention_heads, self._head_size
        outputs = table.slots.spread(self._dense(table.rows, name))
        by_head = tf.reshape(outputs, [batch, -1, outputs.shape[1] // (heads * size), heads, size])
        parts: list[Tensor] = tf.unstack(tf.transpose(by_head, [2, 0, 3, 1, 4]))
        return parts

    def _dense(self, rows: Tensor, name: str) -> Tensor:
        """Apply a linear layer to rows [N, inputs]."""
        kernel = self._read(f"{name}.weight")
        product = tf.matmul(tf.cast(rows, kernel.dtype), kernel)
        return tf.nn.bias_add(tf.cast(product, tf.float32), self._read(f"{name}.bias"))

    def _normalise(self, inputs: Tensor, name: str) -> Tensor:
        # Do not fuse this with oneDNN: written as x * s + (b - mean * s) with constants, grappler replaces it by
        # _MklLayerNorm with epsilon 0.001 instead of the graph's (findings/layer-norm-epsilon.sh).
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        scale = tf.math.rsqrt(variance + self.config.layer_norm_eps) * self._read(f"{name}.LayerNorm.weight")
        return centred * scale + self._read(f"{name}.LayerNorm.bias")

    def _read(self, name: str) -> Tensor:
        return self._kept[name].read()


_ATTENTION_INPUT = ".attention.self."
_KERNELS = ("dense.weight", "query.weight", "value.weight")


def _layer(number: int) -> str:
    return f"bert.encoder.layer.{number}"


def _gelu(inputs: Tensor) -> Tensor:
    """Return the exact GELU (Hendrycks and Gimpel, 2016)."""
    return 0.5 * inputs * (1.0 + tf.math.erf(inputs * math.sqrt(0.5)))  # by erf, as the remapper's pattern


def _gelu_new(inputs: Tensor) -> Tensor:
    """Return GELU approximated by tanh, as transformers' NewGELUActivation."""
    return 0.5 * inputs * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (inputs + 0.044715 * inputs * tf.square(inputs))))


_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"gelu": _gelu, "gelu_new": _gelu_new, "relu": tf.nn.relu}
