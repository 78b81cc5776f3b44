"""Define the exchanges with the server, without I/O.

An exchange is a generator: it yields requests that may be sent concurrently, receives their answers in the same order
or their error, and returns its result. Both clients `drive` the same exchanges.
"""

from bert_mlm_client.batching import MAX_ROWS
from bert_mlm_client.exchanges.base import Exchange, Result
from bert_mlm_client.exchanges.classify import classify
from bert_mlm_client.exchanges.current import ModelState, ask_current, load_state
from bert_mlm_client.exchanges.explain import Method, check_method, explain
from bert_mlm_client.exchanges.features import features
from bert_mlm_client.exchanges.fill import fill, fill_masks
from bert_mlm_client.exchanges.joint import MAX_FILLINGS, fill_words
from bert_mlm_client.exchanges.model import Model, load_model
from bert_mlm_client.exchanges.proofread import THRESHOLD, proofread
from bert_mlm_client.exchanges.rows import check_texts
from bert_mlm_client.exchanges.similarity import similarity
from bert_mlm_client.exchanges.targets import check_target
from bert_mlm_client.exchanges.task import for_task, labels_of
from bert_mlm_client.exchanges.words import Words, check_candidates, choose, score

__all__ = [
    "MAX_FILLINGS",
    "MAX_ROWS",
    "THRESHOLD",
    "Exchange",
    "Method",
    "Model",
    "ModelState",
    "Result",
    "Words",
    "ask_current",
    "check_candidates",
    "check_method",
    "check_target",
    "check_texts",
    "choose",
    "classify",
    "explain",
    "features",
    "fill",
    "fill_masks",
    "fill_words",
    "for_task",
    "labels_of",
    "load_model",
    "load_state",
    "proofread",
    "score",
    "similarity",
]
