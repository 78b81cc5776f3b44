"""Encode and decode TensorFlow Serving's wire format.

The messages have a package name of our own. The official ``tensorflow_serving`` package imports TensorFlow (seconds,
half a gigabyte); this one does not.
"""

from bert_mlm_client.wire import serving_pb2 as messages
from bert_mlm_client.wire.tensors import decode_tensor, encode_tensor

__all__ = ["decode_tensor", "encode_tensor", "messages"]
