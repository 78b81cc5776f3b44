"""Serve a fine-tuned classifier with Flask, Gunicorn and PyTorch.

The setup is that of articles on serving a fine-tuned classifier. Weights are float32.

    MODEL=FOLDER THREADS=1 gunicorn --workers 2 --threads 4 loadtest.rivals.flask_classifier:app

``POST /classify`` with ``{"text": …}`` answers with the label and its score. THREADS is PyTorch's number of threads per
worker, 0 for its default (one a core).
"""

import os
from typing import Any

import torch
from flask import Flask, request
from transformers import AutoModelForSequenceClassification, AutoTokenizer, logging

logging.set_verbosity_error()
if threads := int(os.environ.get("THREADS", "0")):
    torch.set_num_threads(threads)
app = Flask(__name__)
tokenizer = AutoTokenizer.from_pretrained(os.environ["MODEL"])
model = AutoModelForSequenceClassification.from_pretrained(os.environ["MODEL"], dtype=torch.float32).eval()


@app.post("/classify")
def classify() -> dict[str, Any]:
    """Return the best label of a text."""
    encoded = tokenizer(request.get_json()["text"], return_tensors="pt")
    with torch.inference_mode():
        [scores] = model(**encoded).logits.softmax(-1)
    best = int(scores.argmax())
    return {"label": model.config.id2label[best], "score": float(scores[best])}
