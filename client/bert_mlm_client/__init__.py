"""Query BERT models on TensorFlow Serving without TensorFlow.

Masked language models and classifiers are supported.

>>> from bert_mlm_client import FillMask
>>> FillMask("grpc://127.0.0.1:8500").fill("中国的首[MASK]是北京。", top_k=1)
[Prediction(score=0.99, token=6963, token_str='都', sequence='中国的首都是北京。')]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bert_mlm_client.errors import (
    BertMlmError,
    DeadlineError,
    InputError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    RequestError,
    ServerError,
    ServerTimeoutError,
    SignatureNotFoundError,
    UnreachableError,
    UsageError,
    VocabularyError,
)

if TYPE_CHECKING:
    from bert_mlm_client.bulk import ask_all
    from bert_mlm_client.clients import AsyncFillMask, AsyncTextClassifier, FillMask, TextClassifier
    from bert_mlm_client.results import (
        Classification,
        Explanation,
        Features,
        Filling,
        ModelStatus,
        Prediction,
        Proofreading,
        Similarity,
        Suggestion,
        Suspect,
        TokenScore,
        TokenWeight,
        VersionStatus,
        ambiguity,
    )
    from bert_mlm_client.texts import TextPair
    from bert_mlm_client.tokens import Encoded, Tokenizer
    from bert_mlm_client.transport import (
        Answer,
        AsyncInProcess,
        AsyncTransport,
        Backend,
        InProcess,
        Request,
        Retry,
        Transport,
        trace_context,
    )

__version__ = "0.2.0"

__all__ = [
    "Answer",
    "AsyncFillMask",
    "AsyncInProcess",
    "AsyncTextClassifier",
    "AsyncTransport",
    "Backend",
    "BertMlmError",
    "Classification",
    "DeadlineError",
    "Encoded",
    "Explanation",
    "Features",
    "FillMask",
    "Filling",
    "InProcess",
    "InputError",
    "ModelNotFoundError",
    "ModelStatus",
    "OverloadedError",
    "Prediction",
    "Proofreading",
    "ProtocolError",
    "Request",
    "RequestError",
    "Retry",
    "ServerError",
    "ServerTimeoutError",
    "SignatureNotFoundError",
    "Similarity",
    "Suggestion",
    "Suspect",
    "TextClassifier",
    "TextPair",
    "TokenScore",
    "TokenWeight",
    "Tokenizer",
    "Transport",
    "UnreachableError",
    "UsageError",
    "VersionStatus",
    "VocabularyError",
    "ambiguity",
    "ask_all",
    "trace_context",
]

# Imported on first use: `bert-mlm --help` needs no numpy, which takes most of the package's import time.
_MODULES = ("results", "texts", "tokens", "transport", "bulk", "clients")

if not TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> Any:
        """Import a public name on first use."""
        if name in __all__:
            for module in _MODULES:
                found = getattr(import_module(f"{__name__}.{module}"), name, None)
                if found is not None:
                    globals()[name] = found
                    return found
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return __all__
