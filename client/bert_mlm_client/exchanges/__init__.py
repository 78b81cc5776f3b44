"""Define the exchanges with the server, without I/O.

An exchange is a generator: it yields requests that may be sent concurrently, receives their answers in the same order
or their error, and returns its result. Both clients `drive` the same exchanges.
"""

from bert_mlm_client.exchanges.base import Exchange, Result
from bert_mlm_client.exchanges.current import TokenizerState, ask_current, load_state
from bert_mlm_client.exchanges.explain import Method, check_method, explain
from bert_mlm_client.exchanges.features import features
from bert_mlm_client.exchanges.fill import fill, fill_masks
from bert_mlm_client.exchanges.joint import MAX_FILLINGS, fill_words
from bert_mlm_client.exchanges.rows import MAX_ROWS, check_texts
from bert_mlm_client.exchanges.similarity import similarity
from bert_mlm_client.exchanges.targets import check_target
from bert_mlm_client.exchanges.tokenizer import load_tokenizer
from bert_mlm_client.exchanges.words import Words, check_candidates, choose, score

__all__ = [
    "MAX_FILLINGS",
    "MAX_ROWS",
    "Exchange",
    "Method",
    "Result",
    "TokenizerState",
    "Words",
    "ask_current",
    "check_candidates",
    "check_method",
    "check_target",
    "check_texts",
    "choose",
    "explain",
    "features",
    "fill",
    "fill_masks",
    "fill_words",
    "load_state",
    "load_tokenizer",
    "score",
    "similarity",
]
