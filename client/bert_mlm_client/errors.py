"""Everything that can go wrong, as one tree.

::

    BertMlmError
    ├── UsageError              the client is used as it cannot be: closed, or in another event loop (a RuntimeError)
    ├── InputError              what the caller gave cannot be asked: text, top_k or address (a ValueError)
    ├── VocabularyError         the vocabulary is damaged, or is not the one the server's model was trained with
    ├── UnreachableError        no connection, or it was lost: server down, wrong address (a ConnectionError)
    ├── ServerTimeoutError      connected or not, nothing came back in time (a TimeoutError)
    ├── ProtocolError           something answered, but not as TensorFlow Serving does
    └── ServerError             TensorFlow Serving answered with an error
        ├── ModelNotFoundError      no such model or version
        ├── RequestError            the model cannot answer this request
        │   └── SignatureNotFoundError  the model has no such signature
        ├── OverloadedError         it cannot take the request now; the same request may succeed later
        └── DeadlineError           it gave up because its own time limit ran out
"""

__all__ = [
    "BertMlmError",
    "DeadlineError",
    "InputError",
    "ModelNotFoundError",
    "OverloadedError",
    "ProtocolError",
    "RequestError",
    "ServerError",
    "ServerTimeoutError",
    "SignatureNotFoundError",
    "UnreachableError",
    "UsageError",
    "VocabularyError",
]


class BertMlmError(Exception):
    """Base class of all errors of this package.

    Attributes:
        address: the server's address as given, or None where no server was involved.
        model: the model's name, with ``/versions/N`` where a version was asked for.
        signature: the signature that was asked.
        attempts: how often the server was asked before this was raised, retries included.
    """

    def __init__(
        self,
        message: str,
        *,
        address: str | None = None,
        model: str | None = None,
        signature: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.address = address
        self.model = model
        self.signature = signature
        self.attempts = attempts

    def __str__(self) -> str:
        where = {"": self.address, "model ": self.model, "signature ": self.signature}
        known = [f"{label}{value}" for label, value in where.items() if value]
        if self.attempts > 1:
            known.append(f"{self.attempts} attempts")
        return f"{self.args[0]} ({', '.join(known)})" if known else str(self.args[0])


class UsageError(BertMlmError, RuntimeError):
    """The client is used as it cannot be: closed, in a second event loop, after an unlucky fork, or by a moved name."""


class InputError(BertMlmError, ValueError):
    """What the caller gave cannot be asked."""


class VocabularyError(BertMlmError):
    """The vocabulary is damaged, or does not belong to the server's model."""


class UnreachableError(BertMlmError, ConnectionError):
    """No connection to the server, or it was lost before the answer came.

    Attributes:
        is_final: whether the same server need not be asked again, as one whose certificate is not trusted.
    """

    is_final: bool = False


class ServerTimeoutError(BertMlmError, TimeoutError):
    """Nothing came back within the timeout."""


class ProtocolError(BertMlmError):
    """Something answered, but not as TensorFlow Serving does."""


class ServerError(BertMlmError):
    """TensorFlow Serving answered with an error."""


class ModelNotFoundError(ServerError):
    """The server has no such model or version."""


class RequestError(ServerError):
    """The model cannot answer this request."""


class SignatureNotFoundError(RequestError):
    """The model has no such signature."""


class OverloadedError(ServerError):
    """The server cannot take the request now; the same request may succeed later.

    Attributes:
        retry_after_s: how many seconds it asked to wait (HTTP's Retry-After), or None if it did not say.
    """

    retry_after_s: float | None = None


class DeadlineError(ServerError):
    """The server gave up because its own time limit ran out."""
