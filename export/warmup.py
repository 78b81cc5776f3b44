"""Write the warmup requests of a version.

Without warmup, the first user request of each shape would be slow.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from bert_mlm_client.wire import encode_tensor, messages
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.signatures import EXAMPLES

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"

Inputs = dict[str, NDArray[Any]]


def write_warmup(path: Path, checkpoint: Checkpoint) -> None:
    """Write one warmup request for each signature and length bucket."""
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in warmup_requests(checkpoint):
            request = messages.PredictRequest(model_spec=messages.ModelSpec(signature_name=signature))
            for name, array in inputs.items():
                request.inputs[name].CopyFrom(encode_tensor(array))
            record = messages.PredictionLog(predict_log=messages.PredictLog(request=request))
            writer.write(record.SerializeToString(deterministic=True))  # so that the file's digest is reproducible


def warmup_requests(checkpoint: Checkpoint) -> Iterator[tuple[str, Inputs]]:
    """Yield the warmup requests as (signature, inputs).

    The length buckets are 8, 16, 32 and so on, up to the longest input.
    """
    longest = checkpoint.tokenizer.max_length
    buckets = sorted({min(1 << power, longest) for power in range(3, longest.bit_length() + 1)})
    cls, sep, mask, unknown = (checkpoint.vocabulary.index(token) for token in ("[CLS]", "[SEP]", "[MASK]", "[UNK]"))
    requests = _classify_requests if checkpoint.classifier else _fill_mask_requests
    for bucket in buckets:
        ids = np.full((1, bucket), unknown, np.int32)
        ids[0, 0], ids[0, 1], ids[0, -1] = cls, mask, sep
        sentence: Inputs = {"input_ids": ids, "lengths": np.array([bucket], np.int32)}
        yield from requests(sentence, mask)
        yield "features", sentence
    yield "tokenizer", {"request": np.array([0], np.int32)}
    ones, zeros = np.ones_like(ids[:, :8]), np.zeros_like(ids[:, :8])
    yield "serving_default", {"input_ids": ids[:, :8], "attention_mask": ones, "token_type_ids": zeros}


def _fill_mask_requests(sentence: Inputs, mask: int) -> Iterator[tuple[str, Inputs]]:
    masked = {**sentence, "mask_positions": np.array([[1]], np.int32)}
    yield "fill_mask", masked
    yield "score_tokens", {**masked, "candidate_ids": np.array([[mask]], np.int32)}
    yield "explain", masked


def _classify_requests(sentence: Inputs, _: int) -> Iterator[tuple[str, Inputs]]:
    yield "classify", sentence
    ids = tf.train.Feature(int64_list=tf.train.Int64List(value=sentence["input_ids"][0].tolist()))
    example = tf.train.Example(features=tf.train.Features(feature={"input_ids": ids}))
    yield EXAMPLES, {"inputs": np.array([example.SerializeToString(deterministic=True)], object)}
