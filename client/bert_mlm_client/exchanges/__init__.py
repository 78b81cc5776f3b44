"""What is asked of the server and in which order, without doing it.

An exchange is a generator: it yields the requests that may travel together, is sent their answers in the same order or
has their error thrown in, and returns its result. So it is written once, and both clients `drive` it.
"""

from bert_mlm_client.exchanges.base import Exchange, Result
from bert_mlm_client.exchanges.current import Known, ask_current, load_known
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
    "Known",
    "Method",
    "Result",
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
    "load_known",
    "load_tokenizer",
    "score",
    "similarity",
]
