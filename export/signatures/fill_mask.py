"""Define the signatures of a masked language model."""

from typing import Any

import numpy as np
import tensorflow as tf

from export.bert import Bert, Tensor
from export.checkpoint import Checkpoint
from export.signatures.common import Whiten, concrete, encode, features, int32, tokenizer

TOP_K = 100
"""The maximum number of answers of ``fill_mask`` for each mask (less than 1 kB)."""


def build_fill_mask(bert: Bert, whiten: Whiten, checkpoint: Checkpoint) -> dict[str, Any]:
    """Build the signatures of a masked language model.

    The result is a concrete function by signature name.
    """
    return {
        "fill_mask": _fill_mask(bert, checkpoint),
        "score_tokens": _score_tokens(bert, checkpoint),
        "features": features(bert, checkpoint, whiten),
        "explain": _explain(bert, checkpoint),
        "tokenizer": tokenizer(checkpoint),
        "serving_default": _serving_default(bert),
    }


def answer_count(checkpoint: Checkpoint) -> int:
    """Return the number of answers of ``fill_mask`` for each mask."""
    return min(TOP_K, sum(map(bool, checkpoint.tokens)))


def _logits_at(
    bert: Bert, checkpoint: Checkpoint, input_ids: Tensor, lengths: Tensor, mask_positions: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the masks' logits and their log-sum-exp.

    Their shapes are [B, M, V] and [B, M, 1]. The last layer and the head run only for the masks.
    """
    hidden, _ = encode(bert, checkpoint, input_ids, lengths, mask_positions)
    flat = bert.predict(tf.reshape(hidden, [-1, bert.config.hidden_size]))
    logits = tf.reshape(flat, tf.concat([tf.shape(mask_positions), [bert.config.vocab_size]], axis=0))
    return logits, tf.reduce_logsumexp(logits, axis=-1, keepdims=True)


def _fill_mask(bert: Bert, checkpoint: Checkpoint) -> Any:
    best = answer_count(checkpoint)
    named = np.array([token != "" for token in checkpoint.tokens])

    def fill_mask(input_ids: Tensor, lengths: Tensor, mask_positions: Tensor) -> dict[str, Tensor]:
        logits, normaliser = _logits_at(bert, checkpoint, input_ids, lengths, mask_positions)
        # Unnamed rows count in the normaliser, as in transformers, but are never answers.
        answerable = logits if named.all() else tf.where(named, logits, tf.float32.min)
        top, token_ids = tf.math.top_k(answerable, best)
        return {"token_ids": token_ids, "scores": tf.exp(top - normaliser)}

    return concrete(fill_mask, int32("input_ids"), int32("lengths", rank=1), int32("mask_positions"))


def _score_tokens(bert: Bert, checkpoint: Checkpoint) -> Any:
    def score_tokens(
        input_ids: Tensor, lengths: Tensor, mask_positions: Tensor, candidate_ids: Tensor
    ) -> dict[str, Tensor]:
        logits, normaliser = _logits_at(bert, checkpoint, input_ids, lengths, mask_positions)
        masks = tf.shape(mask_positions)[1]
        wanted = tf.tile(candidate_ids[:, None, :], [1, masks, 1])
        return {"scores": tf.exp(tf.gather(logits, wanted, batch_dims=2) - normaliser)}

    inputs = (int32("input_ids"), int32("lengths", rank=1), int32("mask_positions"), int32("candidate_ids"))
    return concrete(score_tokens, *inputs)


def _explain(bert: Bert, checkpoint: Checkpoint) -> Any:
    def explain(input_ids: Tensor, lengths: Tensor, mask_positions: Tensor) -> dict[str, Tensor]:
        _, attention = encode(bert, checkpoint, input_ids, lengths, mask_positions)
        return {"attention": tf.reduce_mean(attention, axis=1)}

    return concrete(explain, int32("input_ids"), int32("lengths", rank=1), int32("mask_positions"))


def _serving_default(bert: Bert) -> Any:
    def serving_default(input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> dict[str, Tensor]:
        hidden, _ = bert.encode(input_ids, attention_mask > 0, token_type_ids)
        flat = bert.predict(tf.reshape(hidden, [-1, bert.config.hidden_size]))
        return {"logits": tf.reshape(flat, tf.concat([tf.shape(input_ids), [bert.config.vocab_size]], axis=0))}

    return concrete(serving_default, int32("input_ids"), int32("attention_mask"), int32("token_type_ids"))
