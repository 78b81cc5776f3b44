"""Build BERT and its heads as a TensorFlow graph.

The graph has stock operations only. The arithmetic is that of Devlin et al. (2018, https://arxiv.org/abs/1810.04805) as
in Hugging Face's BertForMaskedLM and BertForSequenceClassification: post-layer normalisation, the activation of
config.json, tied output embeddings, a pooler with tanh.

The graph is written for two kinds of CPU. With AVX512-VNNI, AVX512-BF16, AVX-VNNI or AMX, TensorFlow runs oneDNN's
operations by default; on others, such as Zen 3, it runs Eigen's (DefaultOneDnnPolicy in tensorflow/core/util/port.cc).
A linear layer is one batched product of a whole kernel [1, outputs, inputs] with columns [inputs, N]. Both libraries
read such a kernel as it is, and copy only the few columns; of a kernel [inputs, outputs] on the right, oneDNN copies
all of it in each request, fused with bias and activation or not. The README has the figures.
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
from export.token_layout import TokenLayout

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


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns [H, N] and the layout of their rows."""

    columns: Tensor
    layout: TokenLayout


class Bert(tf.Module):
    """BERT's encoder and head with a checkpoint's weights."""

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
            keep(name, value[np.newaxis] if name.endswith(_KERNELS) else value)
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
                keep(f"{prefix}{group}.weight", kernel[np.newaxis])
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
        heads = self.config.num_attention_heads
        attention_mask = tf.where(visible, 0.0, _MASKED)[:, None, None, :]
        layout = TokenLayout.packed(visible, heads) if packed else TokenLayout.padded(tf.shape(input_ids), heads)
        columns = tf.transpose(layout.pack(hidden))
        *first, last = (_layer(number) for number in range(self.config.num_hidden_layers))
        for layer in first:
            table = _Table(columns, layout)
            columns, _ = self._encode_layer(layer, table, table, attention_mask)
        # The last layer's queries and everything after only at the positions: -6 % for 8.
        wanted = layout.rows if positions is None else tf.gather(layout.rows, positions, batch_dims=1)
        queries = tf.transpose(tf.gather(tf.transpose(columns), tf.reshape(wanted, [-1])))
        queried = _Table(queries, TokenLayout.padded(tf.shape(wanted), heads))
        columns, attention = self._encode_layer(last, queried, _Table(columns, layout), attention_mask)
        hidden = tf.reshape(tf.transpose(columns), [*tf.unstack(tf.shape(wanted)), self.config.hidden_size])
        return hidden, attention

    def classify(self, pooled: Tensor) -> Tensor:
        """Return the classifier's logits of pooled vectors.

        The logits are [B, L], the pooled vectors [B, H].
        """
        columns = tf.tanh(self._dense(tf.transpose(pooled), "bert.pooler.dense"))
        return tf.transpose(self._dense(columns, "classifier"))

    def predict(self, hidden: Tensor) -> Tensor:
        """Return the masked language model's logits of hidden states.

        The logits are [N, V], the hidden states [N, H].
        """
        transformed = self._activate(self._dense(tf.transpose(hidden), "cls.predictions.transform.dense"))
        normal = self._normalise(transformed, "cls.predictions.transform", axis=0)
        embeddings = self._read("bert.embeddings.word_embeddings.weight")
        logits = tf.transpose(tf.matmul(embeddings, normal))
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
        return self._normalise(words + (positions + segment), "bert.embeddings", axis=-1)

    def _encode_layer(
        self, layer: str, query_table: _Table, key_table: _Table, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return a layer's output for query columns and its attention."""
        name, columns = f"{layer}{_ATTENTION_INPUT}", query_table.columns
        if f"{name}query_key_value.weight" in self._kept:
            query, key, value = self._heads(key_table, name, "query_key_value")
        else:
            [query] = self._heads(query_table, name, "query")
            key, value = self._heads(key_table, name, "key_value")
        scores = tf.matmul(query, key, transpose_b=True) * (1.0 / math.sqrt(self._head_size)) + attention_mask
        attention = tf.nn.softmax(scores)
        context = tf.transpose(query_table.layout.join(tf.matmul(attention, value)))
        attended = self._dense(context, f"{layer}.attention.output.dense")
        columns = self._normalise(columns + attended, f"{layer}.attention.output", axis=0)
        inner = self._activate(self._dense(columns, f"{layer}.intermediate.dense"))
        narrowed = self._dense(inner, f"{layer}.output.dense")
        return self._normalise(columns + narrowed, f"{layer}.output", axis=0), attention

    def _heads(self, table: _Table, name: str, parts: str) -> list[Tensor]:
        """Apply linear layers with a common kernel.

        Returns:
            The layers' outputs by head, each [B, heads, S, size].
        """
        outputs = tf.transpose(self._dense(table.columns, f"{name}{parts}"))
        return table.layout.split(outputs, len(parts.split("_")))

    def _dense(self, columns: Tensor, name: str) -> Tensor:
        """Apply a linear layer to columns [inputs, N]."""
        kernel = self._read(f"{name}.weight")
        product = tf.squeeze(tf.matmul(kernel, tf.cast(columns, kernel.dtype)[None]), 0)
        return tf.cast(product, tf.float32) + self._read(f"{name}.bias")[:, None]

    def _normalise(self, inputs: Tensor, name: str, axis: int) -> Tensor:
        # Do not fuse this with oneDNN: written as x * s + (b - mean * s) with constants, grappler replaces it by
        # _MklLayerNorm with epsilon 0.001 instead of the graph's (findings/layer-norm-epsilon.sh).
        weight, bias = (self._read(f"{name}.LayerNorm.{part}") for part in ("weight", "bias"))
        if axis == 0:
            weight, bias = weight[:, None], bias[:, None]
        centred = inputs - tf.reduce_mean(inputs, axis=axis, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=axis, keepdims=True)
        return centred * (tf.math.rsqrt(variance + self.config.layer_norm_eps) * weight) + bias

    def _read(self, name: str) -> Tensor:
        return self._kept[name].read()


_ATTENTION_INPUT = ".attention.self."
_KERNELS = ("dense.weight", "query.weight", "value.weight", "classifier.weight")


def _layer(number: int) -> str:
    return f"bert.encoder.layer.{number}"


def _gelu(inputs: Tensor) -> Tensor:
    """Return the exact GELU (Hendrycks and Gimpel, 2016)."""
    return 0.5 * inputs * (1.0 + tf.math.erf(inputs * math.sqrt(0.5)))  # erfc takes up to 1.6 times as long


def _gelu_new(inputs: Tensor) -> Tensor:
    """Return GELU approximated by tanh, as transformers' NewGELUActivation."""
    return 0.5 * inputs * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (inputs + 0.044715 * inputs * tf.square(inputs))))


_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"gelu": _gelu, "gelu_new": _gelu_new, "relu": tf.nn.relu}
