"""The orders of a batch's tokens in the encoder's graph."""

from typing import Any

import tensorflow as tf

Tensor = Any  # tf.Tensor: TensorFlow publishes no types


class TokenLayout:
    """The places of a batch's tokens among rows.

    Linear layers take rows, attention takes tokens by head. One gather of pieces of a head's size converts between the
    two and adds or removes padding; a gather of rows and a transpose would copy everything twice.
    """

    def __init__(self, rows: Tensor, tokens: Tensor, heads: int) -> None:
        """Describe a layout.

        Args:
            rows: int32 [B, S], the row of each token; several tokens may share one.
            tokens: int32 [N], the token of each row, counted through the batch.
            heads: number of attention heads.
        """
        self.rows = rows
        self._tokens = tokens
        self._heads = heads
        length = tf.shape(rows)[1]
        first_piece = tokens + tokens // length * ((heads - 1) * length)
        self._pieces_of_rows = first_piece[:, None] + tf.range(heads) * length
        self._pieces_of_tokens: dict[int, Tensor] = {}

    @classmethod
    def padded(cls, shape: Tensor, heads: int) -> "TokenLayout":
        """Return a layout with a row for each token."""
        tokens = tf.range(shape[0] * shape[1])
        return cls(tf.reshape(tokens, shape), tokens, heads)

    @classmethod
    def packed(cls, visible: Tensor, heads: int) -> "TokenLayout":
        """Return a layout with rows for visible tokens only.

        Attention alone then computes on padding.

        Args:
            visible: bool [B, S].
            heads: number of attention heads.
        """
        flat = tf.reshape(visible, [-1])
        rows = tf.maximum(tf.cumsum(tf.cast(flat, tf.int32)) - 1, 0)  # padding has an arbitrary row
        tokens = tf.cast(tf.squeeze(tf.where(flat), 1), tf.int32)
        return cls(tf.reshape(rows, tf.shape(visible)), tokens, heads)

    def pack(self, values: Tensor) -> Tensor:
        """Return the rows [N, H] of tokens [B, S, H]."""
        return tf.gather(tf.reshape(values, [-1, values.shape[-1]]), self._tokens)

    def split(self, rows: Tensor, parts: int) -> list[Tensor]:
        """Divide rows into parts by head.

        Args:
            rows: [N, parts x heads x size].
            parts: number of parts.

        Returns:
            The parts, each [B, heads, S, size].
        """
        if parts not in self._pieces_of_tokens:
            of_row = tf.reshape(tf.range(parts * self._heads), [parts, 1, self._heads, 1])
            self._pieces_of_tokens[parts] = self.rows[:, None] * (parts * self._heads) + of_row
        pieces = tf.reshape(rows, [-1, rows.shape[1] // (parts * self._heads)])
        by_head: list[Tensor] = tf.unstack(tf.gather(pieces, self._pieces_of_tokens[parts]))
        return by_head

    def join(self, by_head: Tensor) -> Tensor:
        """Return the rows of values by head.

        The rows are [N, heads x size], the values [B, heads, S, size].
        """
        size = by_head.shape[3]
        rows = tf.gather(tf.reshape(by_head, [-1, size]), self._pieces_of_rows)
        return tf.reshape(rows, [-1, self._heads * size])
