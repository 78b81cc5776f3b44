"""Prebuilt requests that cost little to send."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from bert_mlm_client.tokens import Encoded
from bert_mlm_client.transport import Request
from bert_mlm_client.wire import encode_tensor, messages

PREDICT = "/tensorflow.serving.PredictionService/Predict"
OUTPUTS = ("token_ids", "scores")


def fill_mask(rows: Sequence[Encoded]) -> Request:
    """Return a ``fill_mask`` request for texts of equal shape."""
    return Request("fill_mask", {**_sentences(rows), "mask_positions": _masks(rows)}, OUTPUTS)


def score_tokens(rows: Sequence[Encoded], candidates: Sequence[int]) -> Request:
    """Return a request to score fixed candidates at every [MASK]."""
    chosen = np.tile(np.array(candidates, np.int32), (len(rows), 1))
    inputs = {**_sentences(rows), "mask_positions": _masks(rows), "candidate_ids": chosen}
    return Request("score_tokens", inputs, ("scores",))


def features(rows: Sequence[Encoded]) -> Request:
    """Return a request for the sentences' vectors."""
    return Request("features", _sentences(rows), ("cls", "mean"))


def full_logits(rows: Sequence[Encoded]) -> Request:
    """Return a request for all logits, by Hugging Face's contract."""
    input_ids = _sentences(rows)["input_ids"]
    inputs = {"input_ids": input_ids, "attention_mask": np.ones_like(input_ids)}
    return Request("serving_default", {**inputs, "token_type_ids": np.zeros_like(input_ids)}, ("logits",))


def grpc_message(request: Request, model: str) -> bytes:
    """Serialize a request as a PredictRequest."""
    spec = messages.ModelSpec(name=model, signature_name=request.signature)
    inputs = {name: encode_tensor(array) for name, array in request.inputs.items()}
    return messages.PredictRequest(model_spec=spec, inputs=inputs, output_filter=request.outputs).SerializeToString()


def rest_body(request: Request) -> bytes:
    """Serialize a request as ``:predict`` JSON in column format."""
    inputs: dict[str, Any] = {name: array.tolist() for name, array in request.inputs.items()}
    return json.dumps({"signature_name": request.signature, "inputs": inputs}).encode()


def _sentences(rows: Sequence[Encoded]) -> dict[str, np.typing.NDArray[np.int32]]:
    input_ids = np.array([row.input_ids for row in rows], np.int32)
    return {"input_ids": input_ids, "lengths": np.full(len(rows), input_ids.shape[1], np.int32)}


def _masks(rows: Sequence[Encoded]) -> np.typing.NDArray[np.int32]:
    return np.array([row.mask_positions for row in rows], np.int32)
