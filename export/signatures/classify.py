"""Define the signatures of a classifier.

``classify`` is for this project's client. ``classify_examples`` has the form that TensorFlow Serving's Classify API
requires (tensorflow_serving/servables/tensorflow/classifier.cc): one input with serialized tf.Examples, and the outputs
``classes`` and ``scores`` [B, L].
"""

from pathlib import Path
from typing import Any

import tensorflow as tf

from export.bert import Bert, Tensor
from export.checkpoint import Checkpoint, ClassifierConfig
from export.signatures.common import Whiten, concrete, encode, features, int32, mean_over, tokenizer

EXAMPLES = "classify_examples"
METHOD = "tensorflow/serving/classify"


def build_classify(bert: Bert, whiten: Whiten, checkpoint: Checkpoint, head: ClassifierConfig) -> dict[str, Any]:
    """Return the concrete functions of a classifier by signature name."""
    return {
        "classify": _classify(bert, checkpoint, head),
        EXAMPLES: _classify_examples(bert, checkpoint, head),
        "features": features(bert, checkpoint, whiten),
        "tokenizer": tokenizer(checkpoint),
        "serving_default": _serving_default(bert, head),
    }


def set_method_name(folder: Path) -> None:
    """Set the method name of ``classify_examples`` in a SavedModel.

    ``tf.saved_model.save`` writes that of Predict, which --enable_signature_method_name_check rejects for Classify.
    """
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(folder))
    updater.replace_method_name(EXAMPLES, METHOD)
    updater.save()


def _classify(bert: Bert, checkpoint: Checkpoint, head: ClassifierConfig) -> Any:
    def classify(input_ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        labels, scores = _rank(_logits(bert, checkpoint, head, input_ids, lengths), head)
        return {"labels": labels, "scores": scores}

    return concrete(classify, int32("input_ids"), int32("lengths", rank=1))


def _classify_examples(bert: Bert, checkpoint: Checkpoint, head: ClassifierConfig) -> Any:
    feature = {"input_ids": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int32)}

    def classify_examples(inputs: Tensor) -> dict[str, Tensor]:
        ragged = tf.io.parse_example(inputs, feature)["input_ids"]
        lengths = ragged.row_lengths()
        given = tf.debugging.assert_positive(lengths, "input_ids: each example needs token ids")
        with tf.control_dependencies([given]):
            # The ids stay int64: a cast would turn some that are out of range into valid ones.
            logits = _logits(bert, checkpoint, head, ragged.to_tensor(), lengths)
        labels, scores = _rank(logits, head)
        return {"classes": labels, "scores": scores}

    return concrete(classify_examples, tf.TensorSpec([None], tf.string, name="inputs"))


def _serving_default(bert: Bert, head: ClassifierConfig) -> Any:
    def serving_default(input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> dict[str, Tensor]:
        visible = attention_mask > 0
        hidden, _ = bert.encode(input_ids, visible, token_type_ids, _positions(head, input_ids))
        return {"logits": bert.classify(_pool(head, hidden, visible))}

    return concrete(serving_default, int32("input_ids"), int32("attention_mask"), int32("token_type_ids"))


def _logits(bert: Bert, checkpoint: Checkpoint, head: ClassifierConfig, input_ids: Tensor, lengths: Tensor) -> Tensor:
    """Return the logits [B, L] of sentences with ``lengths``."""
    hidden, _ = encode(bert, checkpoint, input_ids, lengths, _positions(head, input_ids))
    return bert.classify(_pool(head, hidden, tf.sequence_mask(lengths, tf.shape(input_ids)[1])))


def _positions(head: ClassifierConfig, input_ids: Tensor) -> Tensor | None:
    """Return the positions that the head reads.

    They are [B, 1] at [CLS], or None for all.
    """
    return tf.zeros([tf.shape(input_ids)[0], 1], tf.int32) if head.pooling == "cls" else None


def _pool(head: ClassifierConfig, hidden: Tensor, visible: Tensor) -> Tensor:
    return hidden[:, 0] if head.pooling == "cls" else mean_over(hidden, visible)


def _rank(logits: Tensor, head: ClassifierConfig) -> tuple[Tensor, Tensor]:
    """Return the labels and their probabilities [B, L], best first.

    Equal probabilities are in the order of the ids.
    """
    multiple = head.problem_type == "multi_label_classification"
    probabilities = tf.sigmoid(logits) if multiple else tf.nn.softmax(logits)
    scores, order = tf.math.top_k(probabilities, len(head.labels))
    return tf.gather(tf.constant([label.encode() for label in head.labels]), order), scores
