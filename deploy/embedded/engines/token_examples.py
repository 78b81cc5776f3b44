"""Read the token ids of serialized tf.Examples.

The light engine does what the SavedModel's ParseExample does. Texts are those of
tensorflow/core/util/example_proto_fast_parsing.cc.
"""

from collections.abc import Sequence

import numpy as np
from google.protobuf.message import DecodeError

from deploy.embedded.engines import Array
from deploy.embedded.errors import invalid
from deploy.embedded.proto.inference_pb2 import Example

FEATURE = "input_ids"

_KINDS = {"bytes_list": "string", "float_list": "float", "int64_list": "int64"}


def read_token_ids(examples: Sequence[bytes], end: int) -> dict[str, Array]:
    """Return the padded token ids and the lengths of examples.

    Padding is 0.

    Args:
        examples: serialized tf.Examples with the feature ``input_ids``.
        end: the smallest number that is not a token id.

    Raises:
        ServingError: INVALID_ARGUMENT, an example is malformed, has no token id, or one that is out of range.
    """
    rows = [_ids(example, number, end) for number, example in enumerate(examples)]
    lengths = np.array([len(row) for row in rows], np.int32)
    ids = np.zeros((len(rows), max(lengths, default=0)), np.int32)
    for row, given in zip(ids, rows, strict=True):
        row[: len(given)] = given
    return {"input_ids": ids, "lengths": lengths}


def _ids(serialized: bytes, number: int, end: int) -> Sequence[int]:
    try:
        feature = Example.FromString(serialized).features.feature.get(FEATURE)
    except DecodeError as error:
        msg = f"Could not parse example input, value: '{serialized.decode(errors='replace')}'"
        raise invalid(msg) from error
    kind = feature.WhichOneof("kind") if feature is not None else None
    if feature is None or kind is None or not (feature.int64_list.value or kind != "int64_list"):
        msg = f"{FEATURE}: each example needs token ids"
        raise invalid(msg)
    if kind != "int64_list":
        msg = (
            f"Name: <unknown>, Key: {FEATURE}, Index: {number}.  Data types don't match. "
            f"Expected type: int64, Actual type: {_KINDS[kind]}"
        )
        raise invalid(msg)
    ids: Sequence[int] = feature.int64_list.value
    if min(ids) < 0 or max(ids) >= end:
        msg = f"{FEATURE} must be from 0 to {end - 1}, and {min(ids)} to {max(ids)} were sent"
        raise invalid(msg)
    return ids
