"""Build BERT for masked language modelling as a TensorFlow graph.

The graph has stock operations only. The arithmetic is that of Devlin et al. (2018, https://arxiv.org/abs/1810.04805) as
in Hugging Face's BertForMaskedLM: post-layer normalisation, the activation of config.json, tied output embeddings.

Unusual constructs are optimisations for CPUs. The gains in the comments are of single-thread time for 1 or 8 sentences
of 16 tokens, with bert-base in float32 on AVX-512. The largest gain comes from blocked kernels: a linear layer stores
its kernel as blocks of 64 outputs, [blocks, inputs, 64], and multiplies by all blocks in one batched product. oneDNN
reads such a block in place, but repacks a kernel [inputs, outputs] in every request: -27 % for 1 sentence, no loss for
more. Each block of query, key and value is one attention head, so these need no transposition.
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
    """A 16-bit weight that is widened to float32 at load time."""

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
    """A weight variable, with a float32 copy if stored in 16 bits."""

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

    def pack(self, values: Tensor, axis: int = 0) -> Tensor:
        """Remove the padding."""
        del axis
        return values

    def spread(self, rows: Tensor, axis: int = 0) -> Tensor:
        """Restore the padding."""
        del axis
        return rows


class _PackedLayout(_PaddedLayout):
    """The layout of rows without padding.

    Only attention computes on padding.
    """

    def __init__(self, visible: Tensor) -> None:
        flat = tf.reshape(visible, [-1])
        self._slots_of_rows = tf.squeeze(tf.where(flat), 1)
        self._rows_of_slots = tf.maximum(tf.cumsum(tf.cast(flat, tf.int32)) - 1, 0)  # padding has an arbitrary row

    def pack(self, values: Tensor, axis: int = 0) -> Tensor:
        return tf.gather(values, self._slots_of_rows, axis=axis)

    def spread(self, rows: Tensor, axis: int = 0) -> Tensor:
        return tf.gather(rows, self._rows_of_slots, axis=axis)


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
            is_kernel = value.ndim == 3
            as_stored = precision == "fp32" or (precision == "bf16-compute" and is_kernel)
            stored = np.ascontiguousarray(value.astype(STORED_TYPES[precision]))
            self._kept[name] = _Weight(stored, name, widen=not as_stored)

        for name in weights:
            if name.endswith(_BY_HEADS + _UNUSED):
                continue
            value = weights[name]
            keep(name, _in_blocks(value, math.gcd(_BLOCK, len(value))) if name.endswith("dense.weight") else value)
        for number in range(config.num_hidden_layers):
            attention = f"{_layer(number)}.attention.self"
            query, key, value = (
                _in_blocks(weights[f"{attention}.{part}.weight"], self._head_size) for part in ("query", "key", "value")
            )
            keep(f"{attention}.query.weight", query)
            keep(f"{attention}.key_value.weight", np.concatenate([key, value]))

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
            The last layer's hidden states [B, S, H] and its attention [heads, B, S, tokens].
        """
        hidden = self._embed(input_ids, token_type_ids)
        shape = tf.shape(hidden)
        rows = tf.reshape(
            hidden, [-1, self.config.hidden_size]
        )  # rows throughout, to avoid a reshape around each product
        attention_mask = tf.where(visible, 0.0, _MASKED)[:, None, :]
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
        # A batched product of one block does not copy the embeddings: -1.5 % for 8.
        logits = tf.squeeze(tf.matmul(normal[None], embeddings[None], transpose_b=True), 0)
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
        name, rows = f"{layer}.attention.self", query_table.rows
        query = query_table.slots.spread(self._queries(name, rows), axis=1)
        # The key's bias is omitted: it adds a constant to all scores of a query, which softmax ignores. The value's
        # bias is added after attention, which sums to one.
        key_value = key_table.slots.spread(self._multiply(key_table.rows, f"{name}.key_value.weight"), axis=1)
        context, attention = self._attend(query, key_value, attention_mask)
        joined = tf.nn.bias_add(_join(query_table.slots.pack(context, axis=1)), self._read(f"{name}.value.bias"))
        attended = self._dense(joined, f"{layer}.attention.output.dense")
        rows = self._normalise(rows + attended, f"{layer}.attention.output")
        inner = self._activate(self._dense(rows, f"{layer}.intermediate.dense"))
        return self._normalise(rows + self._dense(inner, f"{layer}.output.dense"), f"{layer}.output"), attention

    def _queries(self, name: str, rows: Tensor) -> Tensor:
        bias = tf.reshape(self._read(f"{name}.query.bias"), [self.config.num_attention_heads, 1, self._head_size])
        return self._multiply(rows, f"{name}.query.weight") + bias

    def _attend(self, query: Tensor, key_value: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the context and the attention.

        Their shapes are [heads, B * queries, size] and [heads, B, queries, S].
        """
        heads, size = self.config.num_attention_heads, self._head_size
        batch, length = tf.shape(attention_mask)[0], tf.shape(attention_mask)[2]
        query = tf.reshape(query, [heads, batch, -1, size])
        key, value = tf.unstack(tf.reshape(key_value, [2, heads, batch, length, size]))
        attention = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) * (1.0 / math.sqrt(size)) + attention_mask)
        return tf.reshape(tf.matmul(attention, value), [heads, -1, size]), attention

    def _dense(self, rows: Tensor, name: str) -> Tensor:
        """Apply a linear layer to rows [N, inputs]."""
        return tf.nn.bias_add(_join(self._multiply(rows, f"{name}.weight")), self._read(f"{name}.bias"))

    def _multiply(self, rows: Tensor, name: str) -> Tensor:
        """Multiply rows by each block of a kernel.

        Returns:
            float32 [blocks, N, width].
        """
        kernel = self._read(name)
        return tf.cast(tf.matmul(tf.cast(rows, kernel.dtype)[None], kernel), tf.float32)

    def _normalise(self, inputs: Tensor, name: str) -> Tensor:
        # Unlike tf.nn.moments, this centres the rows only once, for variance and result: -2 % for 8.
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        scale = tf.math.rsqrt(variance + self.config.layer_norm_eps) * self._read(f"{name}.LayerNorm.weight")
        return centred * scale + self._read(f"{name}.LayerNorm.bias")

    def _read(self, name: str) -> Tensor:
        return self._kept[name].read()


_BLOCK = 64  # 32 and 48 are as fast; 96 and more gain nothing
_BY_HEADS = tuple(f"attention.self.{part}.weight" for part in ("query", "key", "value"))
_UNUSED = ("attention.self.key.bias",)


def _layer(number: int) -> str:
    return f"bert.encoder.layer.{number}"


def _in_blocks(weight: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Reshape PyTorch's [outputs, inputs] to [blocks, inputs, width]."""
    outputs, inputs = weight.shape
    return weight.reshape(outputs // width, width, inputs).transpose(0, 2, 1)


def _join(blocks: Tensor) -> Tensor:
    """Concatenate blocks [blocks, N, width] to [N, blocks * width]."""
    count, _, width = blocks.shape
    return tf.reshape(tf.transpose(blocks, [1, 0, 2]), [-1, count * width])


def _gelu(inputs: Tensor) -> Tensor:
    """Return the exact GELU (Hendrycks and Gimpel, 2016)."""
    return 0.5 * inputs * tf.math.erfc(inputs * -math.sqrt(0.5))  # tf.nn.gelu has one more negation: -1 % for 8


def _gelu_new(inputs: Tensor) -> Tensor:
    """Return GELU approximated by tanh, as transformers' NewGELUActivation."""
    return 0.5 * inputs * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (inputs + 0.044715 * inputs * tf.square(inputs))))


_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"gelu": _gelu, "gelu_new": _gelu_new, "relu": tf.nn.relu}
