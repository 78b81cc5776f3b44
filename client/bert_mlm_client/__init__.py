"""Query masked language models on TensorFlow Serving without TensorFlow.

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
    from bert_mlm_client.async_client import AsyncFillMask
    from bert_mlm_client.bulk import ask_all
    from bert_mlm_client.client import FillMask
    from bert_mlm_client.results import (
        Explanation,
        Features,
        Filling,
        ModelStatus,
        Prediction,
        Similarity,
        TokenWeight,
        VersionStatus,
        ambiguity,
    )
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
    "AsyncTransport",
    "Backend",
    "BertMlmError",
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
    "ProtocolError",
    "Request",
    "RequestError",
    "Retry",
    "ServerError",
    "ServerTimeoutError",
    "SignatureNotFoundError",
    "Similarity",
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
_MODULES = ("results", "tokens", "transport", "bulk", "client", "async_client")

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
