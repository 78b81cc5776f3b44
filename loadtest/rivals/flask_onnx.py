"""Flask, Gunicorn and ONNX Runtime, as most articles describe it.

    MODEL=FOLDER ONNX=FILE THREADS=1 gunicorn --workers 2 --threads 4 loadtest.rivals.flask_onnx:app

``POST /predict`` with ``{"text": …}`` answers with the five best candidates of the first [MASK]. The model gives the
logits of every token over the whole vocabulary in float32; the softmax and the top-k happen here. THREADS is ONNX
Runtime's number of threads per worker, 0 for its default (one a core).
"""

import os
from typing import Any

import numpy as np
import onnxruntime
from flask import Flask, request
from transformers import AutoTokenizer

TOP = 5

app = Flask(__name__)
tokenizer = AutoTokenizer.from_pretrained(os.environ["MODEL"])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ.get("THREADS", "0"))
session = onnxruntime.InferenceSession(os.environ["ONNX"], options, providers=["CPUExecutionProvider"])


@app.post("/predict")
def predict() -> dict[str, Any]:
    """Fill the first [MASK] of a text."""
    encoded = tokenizer(request.get_json()["text"], return_tensors="np")
    [logits] = session.run(["logits"], {name: encoded[name].astype(np.int64) for name in encoded})
    place = int(np.flatnonzero(encoded["input_ids"][0] == tokenizer.mask_token_id)[0])
    masked = logits[0, place]
    exponentials = np.exp(masked - masked.max())
    probabilities = exponentials / exponentials.sum()
    best = probabilities.argsort()[::-1][:TOP]
    answers = [
        {"token": int(token), "token_str": tokenizer.decode([token]), "score": float(probabilities[token])}
        for token in best
    ]
    return {"predictions": answers}
