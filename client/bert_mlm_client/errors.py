"""Define the exception hierarchy.

::

    BertMlmError
    ├── UsageError              the client is closed, or used in another event loop (a RuntimeError)
    ├── InputError              an argument is invalid: text, top_k or address (a ValueError)
    ├── VocabularyError         the vocabulary is damaged, or is not the one the server's model was trained with
    ├── UnreachableError        no connection, or it was lost: server down, wrong address (a ConnectionError)
    ├── ServerTimeoutError      no answer within the timeout (a TimeoutError)
    ├── ProtocolError           the answer does not follow TensorFlow Serving's protocol
    └── ServerError             TensorFlow Serving answered with an error
        ├── ModelNotFoundError      no such model or version
        ├── RequestError            the model cannot answer this request
        │   └── SignatureNotFoundError  the model has no such signature
        ├── OverloadedError         it is overloaded; the same request may succeed later
        └── DeadlineError           its own time limit ran out
"""

import collections.abc

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


TRUNCATE = "truncate=True"
"""Option of the error for a text that is too long."""


class BertMlmError(Exception):
    """Base class of all errors of this package.

    Attributes:
        address: the server's address as given, or None where no server was involved.
        model: the model's name, with ``/versions/N`` where a version was asked for.
        signature: the requested signature.
        attempts: the number of attempts, retries included.
        option: the argument that the message names, as it is spelled there, for example ``truncate=True``; or None.
    """

    def __init__(
        self,
        message: str,
        *,
        address: str | None = None,
        model: str | None = None,
        signature: str | None = None,
        attempts: int = 1,
        option: str | None = None,
    ) -> None:
        super().__init__(message)
        self.address = address
        self.model = model
        self.signature = signature
        self.attempts = attempts
        self.option = option

    def __str__(self) -> str:
        where = {"": self.address, "model ": self.model, "signature ": self.signature}
        known = [f"{label}{value}" for label, value in where.items() if value]
        if self.attempts > 1:
            known.append(f"{self.attempts} attempts")
        return f"{self.args[0]} ({', '.join(known)})" if known else str(self.args[0])

    def spelled(self, options: collections.abc.Mapping[str, str]) -> str:
        """Return the message with another interface's name of its option.

        Args:
            options: that interface's names by this package's, for example ``{"truncate=True": "--truncate"}``.
        """
        message = str(self)
        return message if self.option is None else message.replace(self.option, options.get(self.option, self.option))


class UsageError(BertMlmError, RuntimeError):
    """Raised if the client is closed or misused.

    For example in a second event loop, after a fork during a gRPC call, or with a moved argument.
    """


class InputError(BertMlmError, ValueError):
    """Raised if an argument is invalid."""


class VocabularyError(BertMlmError):
    """Raised if the vocabulary is damaged or mismatched."""


class UnreachableError(BertMlmError, ConnectionError):
    """Raised if the connection failed or was lost.

    Attributes:
        is_final: whether a retry on the same server is pointless, for example with an untrusted certificate.
    """

    is_final: bool = False


class ServerTimeoutError(BertMlmError, TimeoutError):
    """Raised if no answer arrived within the timeout."""


class ProtocolError(BertMlmError):
    """Raised if an answer does not follow TensorFlow Serving's protocol."""


class ServerError(BertMlmError):
    """Raised if TensorFlow Serving answered with an error."""


class ModelNotFoundError(ServerError):
    """Raised if the server has no such model or version."""


class RequestError(ServerError):
    """Raised if the model cannot answer the request."""


class SignatureNotFoundError(RequestError):
    """Raised if the model has no such signature."""


class OverloadedError(ServerError):
    """Raised if the server is overloaded.

    A retry may succeed.

    Attributes:
        retry_after_s: the server's Retry-After in seconds, or None if it sent none.
    """

    retry_after_s: float | None = None


class DeadlineError(ServerError):
    """Raised if the server's own time limit ran out."""
