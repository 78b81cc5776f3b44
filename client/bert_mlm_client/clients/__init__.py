"""Provide the clients, blocking and for asyncio."""

from bert_mlm_client.clients.async_fill_mask import AsyncFillMask
from bert_mlm_client.clients.async_text_classifier import AsyncTextClassifier
from bert_mlm_client.clients.fill_mask import FillMask
from bert_mlm_client.clients.text_classifier import TextClassifier

__all__ = ["AsyncFillMask", "AsyncTextClassifier", "FillMask", "TextClassifier"]
