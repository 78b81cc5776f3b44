"""FastAPI, uvicorn and the fill-mask pipeline of transformers, on PyTorch.

    MODEL=FOLDER uvicorn loadtest.rivals.fastapi_pipeline:app

``POST /predict`` with ``{"text": …}`` answers with the five best candidates of the first [MASK].
"""

import os
from typing import Any

import torch
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import logging, pipeline

TOP = 5

logging.set_verbosity_error()
app = FastAPI()
fill_mask = pipeline("fill-mask", model=os.environ["MODEL"], top_k=TOP, dtype=torch.float32, device="cpu")


class Question(BaseModel):
    """The body of a request."""

    text: str


@app.post("/predict")
def predict(question: Question) -> dict[str, Any]:
    """Fill the [MASK] of a text (in FastAPI's thread pool)."""
    return {"predictions": fill_mask(question.text)}
