"""Parse answers down to the best token."""

import json
import time
from collections.abc import Mapping, Sequence
from statistics import median

import grpc
import numpy as np
from bert_mlm_client import FillMask
from bert_mlm_client.tokens import Encoded
from bert_mlm_client.wire import decode_tensor, messages
from bert_mlm_client.wire.tensors import Array

from loadtest.bench.systems import MODEL, Running, Target
from loadtest.processes import http
from loadtest.questions import PREDICT

_TOP = 5


def fetch(target: Target, running: Running, row: Encoded) -> bytes:
    """Send one sentence and return the raw answer.

    The client's answer is returned as JSON in the gateway's form.
    """
    if target.asked_by == "client":
        with FillMask(f"grpc://127.0.0.1:{running.port(target)}", MODEL) as client:
            [best] = client.fill(row.text, top_k=1)
        return json.dumps({"results": [{"token": best.token_str}]}).encode()
    body = target.body([row])
    if target.asked_by == "http":
        return http(running.port(target), "POST", target.path, body)
    options = (("grpc.max_receive_message_length", -1),)
    with grpc.insecure_channel(f"127.0.0.1:{running.port(target)}", options) as channel:
        answer: bytes = channel.unary_unary(PREDICT, None, None)(body, timeout=60)
    return answer


def best_token(target: Target, answer: bytes, row: Encoded, ids: Mapping[str, int]) -> int:
    """Return the best token for the sentence's first [MASK].

    Full logits go through softmax and top-k first, as a client would have to do.

    Args:
        target: the target that answered.
        answer: the body of its answer.
        row: the sentence.
        ids: the id of each token, for answers that are words.
    """
    if target.question is None:
        answered = json.loads(answer)
        if "results" in answered:
            return ids[answered["results"][0]["token"]]
        return int(answered["predictions"][0]["token"])
    if target.protocol == "rest":
        outputs = json.loads(answer)["outputs"]
        if isinstance(outputs, list):  # a signature with one output answers with the bare value
            return _best_of(np.array(outputs, np.float32), row)
        return int(outputs["token_ids"][0][0][0])
    outputs = messages.PredictResponse.FromString(answer).outputs
    if "logits" in outputs:
        return _best_of(decode_tensor(outputs["logits"]), row)
    return int(decode_tensor(outputs["token_ids"])[0, 0, 0])


def client_ms(target: Target, answer: bytes, row: Encoded, ids: Mapping[str, int], times: int = 5) -> float:
    """Return the median time of `best_token`."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        best_token(target, answer, row, ids)
        taken.append((time.perf_counter() - begun) * 1000)
    return round(median(taken), 3)


def agreement(
    targets: Sequence[Target], running: Mapping[str, Running], rows: Sequence[Encoded], ids: Mapping[str, int]
) -> dict[str, float]:
    """Return each target's share of agreement with the first target."""
    found = {
        target.label: [best_token(target, fetch(target, running[target.system], row), row, ids) for row in rows]
        for target in targets
    }
    first = found[targets[0].label]
    return {
        label: round(float(np.mean([one == other for one, other in zip(tokens, first, strict=True)])), 3)
        for label, tokens in found.items()
    }


def _best_of(logits: Array, row: Encoded) -> int:
    masked = np.asarray(logits[0, row.mask_positions[0]], np.float32)
    exponentials = np.exp(masked - masked.max())
    probabilities = exponentials / exponentials.sum()
    best = np.argpartition(probabilities, -_TOP)[-_TOP:]
    return int(best[probabilities[best].argmax()])
