"""Define the signatures and the conventions that all models share."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import tensorflow as tf
from bert_mlm_client.vocabulary import Vocabulary

from export.bert import Bert, Tensor
from export.checkpoint import Checkpoint
from export.whitening import Whitening


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


def client_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the tokenizer's settings for clients.

    ``added_tokens`` is present only if the checkpoint has any; ``task``, ``labels`` by id, ``problem_type`` and
    ``text_pairs`` only if it is a classifier.
    """
    vocabulary = Vocabulary.parse(vocabulary_bytes(checkpoint))
    config = asdict(checkpoint.tokenizer)
    if not config["added_tokens"]:
        del config["added_tokens"]
    config |= {"vocab_size": len(vocabulary.tokens), "vocab_sha256": vocabulary.digest}
    if head := checkpoint.classifier:
        config |= {
            "task": checkpoint.task,
            "labels": list(head.labels),
            "problem_type": head.problem_type,
            "text_pairs": head.text_pairs,
        }
    return config


def vocabulary_bytes(checkpoint: Checkpoint) -> bytes:
    """Return vocab.txt without trailing line feeds."""
    return "\n".join(checkpoint.vocabulary).rstrip("\n").encode()


def int32(name: str, *, rank: int = 2) -> Any:
    """Return the specification of an input of dynamic shape."""
    return tf.TensorSpec([None] * rank, tf.int32, name=name)


def concrete(function: Callable[..., dict[str, Tensor]], *inputs: Any) -> Any:
    """Return a signature's concrete function."""
    return tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()


def encode(
    bert: Bert, checkpoint: Checkpoint, input_ids: Tensor, lengths: Tensor, positions: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the encoder on sentences with ``lengths`` (see ``Bert.encode``)."""
    visible = tf.sequence_mask(lengths, tf.shape(input_ids)[1])
    token_types = None
    if checkpoint.classifier and checkpoint.classifier.text_pairs:
        separators = (input_ids == checkpoint.vocabulary.index("[SEP]")) & visible
        before = tf.cumsum(tf.cast(separators, tf.int32), axis=1, exclusive=True)
        token_types = tf.cast(before > 0, tf.int32)  # the second text begins after the first [SEP]
    return bert.encode(input_ids, visible, token_types, positions, packed=True)


def features(bert: Bert, checkpoint: Checkpoint, whiten: Whiten) -> Any:
    """Return ``features``, the vectors of sentences."""

    def signature(input_ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        vectors = _pool(encode(bert, checkpoint, input_ids, lengths)[0], lengths)
        return {**vectors, "whitened": whiten(vectors["mean"])}

    return concrete(signature, int32("input_ids"), int32("lengths", rank=1))


def _pool(hidden: Tensor, lengths: Tensor) -> dict[str, Tensor]:
    """Return the [CLS] and the mean vectors [B, H]."""
    longest = tf.shape(hidden)[1]
    inside = tf.sequence_mask(lengths - 1, longest) & (tf.range(longest) > 0)
    return {"cls": hidden[:, 0], "mean": mean_over(hidden, inside)}


def mean_over(hidden: Tensor, included: Tensor) -> Tensor:
    """Return the mean hidden states [B, H] of included positions.

    Hidden states are [B, S, H] and ``included`` is [B, S].
    """
    weights = tf.cast(included, tf.float32)[:, :, None]
    return tf.reduce_sum(hidden * weights, axis=1) / tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)


def tokenizer(checkpoint: Checkpoint) -> Any:
    """Build the ``tokenizer`` signature.

    It returns the vocabulary and the tokenizer's settings.
    """
    vocabulary = vocabulary_bytes(checkpoint)
    config = json.dumps(client_config(checkpoint), sort_keys=True)

    def signature(request: Tensor) -> dict[str, Tensor]:
        batch = tf.shape(request)
        return {"vocab": tf.fill(batch, tf.constant(vocabulary)), "config": tf.fill(batch, tf.constant(config))}

    return concrete(signature, int32("request", rank=1))
