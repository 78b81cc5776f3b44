"""Define the signatures of a version.

They are the contract between export, servers and clients.

B sentences, S tokens, M masks, C candidates, K exported answers, H hidden size, V vocabulary; int32 ids, float32
scores.

A batching server pads every input with that input's first element, which would corrupt an attention mask. So the graph
builds the mask from ``lengths``, which has rank 1 and is never padded. ``serving_default`` follows Hugging Face's
contract for other clients and must not be batched.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf
from bert_mlm_client.vocabulary import Vocabulary

from export.bert import Bert, Tensor
from export.checkpoint import Checkpoint
from export.whitening import Whitening

TOP_K = 100
"""The maximum number of answers of ``fill_mask`` for each mask (less than 1 kB)."""


class Whiten(tf.Module):
    """The whitening as weights of the graph, always in float32."""

    def __init__(self, whitening: Whitening) -> None:
        super().__init__()
        self.mean = tf.Variable(whitening.mean, trainable=False, name="whitening.mean")
        self.kernel = tf.Variable(whitening.kernel, trainable=False, name="whitening.kernel")

    def __call__(self, vectors: Tensor) -> Tensor:
        """Whiten sentence vectors [B, H] to [B, D].

        Their length is not normalised.
        """
        return tf.matmul(vectors - self.mean, self.kernel)


def build_signatures(bert: Bert, whiten: Whiten, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the concrete functions of a version by signature name."""
    return {
        "fill_mask": _fill_mask(bert, checkpoint),
        "score_tokens": _score_tokens(bert),
        "features": _features(bert, whiten),
        "explain": _explain(bert),
        "tokenizer": _tokenizer(checkpoint),
        "serving_default": _serving_default(bert),
    }


def client_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the tokenizer's settings for clients.

    ``added_tokens`` is present only if the checkpoint has any.
    """
    vocabulary = Vocabulary.parse(vocabulary_bytes(checkpoint))
    config = asdict(checkpoint.tokenizer)
    if not config["added_tokens"]:
        del config["added_tokens"]
    return {**config, "vocab_size": len(vocabulary.tokens), "vocab_sha256": vocabulary.digest}


def vocabulary_bytes(checkpoint: Checkpoint) -> bytes:
    """Return vocab.txt without trailing line feeds."""
    return "\n".join(checkpoint.vocabulary).rstrip("\n").encode()


def answer_count(checkpoint: Checkpoint) -> int:
    """Return the number of answers of ``fill_mask`` for each mask."""
    return min(TOP_K, sum(map(bool, checkpoint.tokens)))


def _ids(name: str, *, rank: int = 2) -> Any:
    return tf.TensorSpec([None] * rank, tf.int32, name=name)


def _concrete(function: Callable[..., dict[str, Tensor]], *inputs: Any) -> Any:
    return tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()


def _encode(bert: Bert, input_ids: Tensor, lengths: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Tensor]:
    visible = tf.sequence_mask(lengths, tf.shape(input_ids)[1])
    return bert.encode(input_ids, visible, positions=positions, packed=True)


def _logits_at(bert: Bert, input_ids: Tensor, lengths: Tensor, mask_positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the masks' logits and their log-sum-exp.

    Their shapes are [B, M, V] and [B, M, 1]. The last layer and the head run only for the masks.
    """
    hidden, _ = _encode(bert, input_ids, lengths, mask_positions)
    flat = bert.predict(tf.reshape(hidden, [-1, bert.config.hidden_size]))
    logits = tf.reshape(flat, tf.concat([tf.shape(mask_positions), [bert.config.vocab_size]], axis=0))
    return logits, tf.reduce_logsumexp(logits, axis=-1, keepdims=True)


def _fill_mask(bert: Bert, checkpoint: Checkpoint) -> Any:
    best = answer_count(checkpoint)
    named = np.array([token != "" for token in checkpoint.tokens])

    def fill_mask(input_ids: Tensor, lengths: Tensor, mask_positions: Tensor) -> dict[str, Tensor]:
        logits, normaliser = _logits_at(bert, input_ids, lengths, mask_positions)
        # Unnamed rows count in the normaliser, as in transformers, but are never answers.
        answerable = logits if named.all() else tf.where(named, logits, tf.float32.min)
        top, token_ids = tf.math.top_k(answerable, best)
        return {"token_ids": token_ids, "scores": tf.exp(top - normaliser)}

    return _concrete(fill_mask, _ids("input_ids"), _ids("lengths", rank=1), _ids("mask_positions"))


def _score_tokens(bert: Bert) -> Any:
    def score_tokens(
        input_ids: Tensor, lengths: Tensor, mask_positions: Tensor, candidate_ids: Tensor
    ) -> dict[str, Tensor]:
        logits, normaliser = _logits_at(bert, input_ids, lengths, mask_positions)
        masks = tf.shape(mask_positions)[1]
        wanted = tf.tile(candidate_ids[:, None, :], [1, masks, 1])
        return {"scores": tf.exp(tf.gather(logits, wanted, batch_dims=2) - normaliser)}

    inputs = (_ids("input_ids"), _ids("lengths", rank=1), _ids("mask_positions"), _ids("candidate_ids"))
    return _concrete(score_tokens, *inputs)


def _pool(bert: Bert, input_ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
    """Return the [CLS] and the mean vectors [B, H]."""
    hidden, _ = _encode(bert, input_ids, lengths)
    longest = tf.shape(input_ids)[1]
    inside = tf.sequence_mask(lengths - 1, longest) & (tf.range(longest) > 0)
    weights = tf.cast(inside, tf.float32)[:, :, None]
    mean = tf.reduce_sum(hidden * weights, axis=1) / tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)
    return {"cls": hidden[:, 0], "mean": mean}


def _features(bert: Bert, whiten: Whiten) -> Any:
    def features(input_ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        vectors = _pool(bert, input_ids, lengths)
        return {**vectors, "whitened": whiten(vectors["mean"])}

    return _concrete(features, _ids("input_ids"), _ids("lengths", rank=1))


def _explain(bert: Bert) -> Any:
    def explain(input_ids: Tensor, lengths: Tensor, mask_positions: Tensor) -> dict[str, Tensor]:
        _, attention = _encode(bert, input_ids, lengths, mask_positions)
        return {"attention": tf.reduce_mean(attention, axis=1)}

    return _concrete(explain, _ids("input_ids"), _ids("lengths", rank=1), _ids("mask_positions"))


def _tokenizer(checkpoint: Checkpoint) -> Any:
    vocabulary = vocabulary_bytes(checkpoint)
    config = json.dumps(client_config(checkpoint), sort_keys=True)

    def tokenizer(request: Tensor) -> dict[str, Tensor]:
        batch = tf.shape(request)
        return {"vocab": tf.fill(batch, tf.constant(vocabulary)), "config": tf.fill(batch, tf.constant(config))}

    return _concrete(tokenizer, _ids("request", rank=1))


def _serving_default(bert: Bert) -> Any:
    def serving_default(input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> dict[str, Tensor]:
        hidden, _ = bert.encode(input_ids, attention_mask > 0, token_type_ids)
        flat = bert.predict(tf.reshape(hidden, [-1, bert.config.hidden_size]))
        return {"logits": tf.reshape(flat, tf.concat([tf.shape(input_ids), [bert.config.vocab_size]], axis=0))}

    return _concrete(serving_default, _ids("input_ids"), _ids("attention_mask"), _ids("token_type_ids"))
