"""Build the errors that transports raise."""

from bert_mlm_client import errors
from bert_mlm_client.transport.address import Servable

_TIMEOUT = "timeout=…"
_WHAT_AND_CHECK: dict[type[errors.BertMlmError], tuple[str, str]] = {
    errors.UnreachableError: (
        "no connection",
        "check that the server runs and the address: gRPC is port 8500, REST 8501",
    ),
    errors.ServerTimeoutError: (
        "no answer in time",
        f"check the address and the server's load, or allow more seconds ({_TIMEOUT})",
    ),
    errors.ProtocolError: (
        "this is not an answer of TensorFlow Serving",
        "check scheme and port: grpc:// goes with 8500, http:// with 8501",
    ),
    errors.ServerError: ("the server failed", "look at its log"),
    errors.ModelNotFoundError: (
        "the server has no such model or version",
        "check both against the server's model configuration",
    ),
    errors.RequestError: (
        "the model cannot answer this request",
        "check that it is a fill-mask model of this project",
    ),
    errors.SignatureNotFoundError: (
        "the model has no such signature",
        "check that it was exported by this project",
    ),
    errors.OverloadedError: (
        "the server cannot take the request now",
        "retry later, or send less at once",
    ),
    errors.DeadlineError: (
        "the server's own time limit ran out",
        "send less at once, or raise its limit",
    ),
}

_REJECTIONS = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE")
_CLASSES: dict[str, type[errors.BertMlmError]] = {
    "NOT_FOUND": errors.ModelNotFoundError,
    "UNAVAILABLE": errors.OverloadedError,
    "RESOURCE_EXHAUSTED": errors.OverloadedError,
    "UNIMPLEMENTED": errors.ProtocolError,
}


def failure(
    kind: type[errors.BertMlmError], details: str, servable: Servable, signature: str | None
) -> errors.BertMlmError:
    """Build an error from its class, details and address.

    Its message says what happened, in the peer's words, and what to check.

    Args:
        kind: the error's class.
        details: the message of the peer or of a library.
        servable: the destination of the request.
        signature: the requested signature; None for the model's status.
    """
    what, check = _WHAT_AND_CHECK[kind]
    words = " ".join(details.split())[:300].rstrip(".")
    option = _TIMEOUT if _TIMEOUT in check else None
    message = f"{what}: {words}; {check}"
    return kind(message, address=servable.place, model=servable.title, signature=signature, option=option)


def untrusted(details: str, servable: Servable, signature: str | None) -> errors.UnreachableError:
    """Build the final error for an untrusted certificate."""
    words = " ".join(details.split())[-300:].rstrip(".")
    error = errors.UnreachableError(
        f"the server's certificate is not trusted: {words}; check that it is for this host, and that its authority is "
        "among the system's or in the file that SSL_CERT_FILE names",
        address=servable.place,
        model=servable.title,
        signature=signature,
    )
    error.is_final = True
    return error


def closed() -> errors.UsageError:
    """Build the error for a request of a closed client."""
    return errors.UsageError("this client is closed; create a new one")


def timed_out(timeout: float, servable: Servable, signature: str | None) -> errors.BertMlmError:
    """Build the error for a client-side timeout."""
    return failure(errors.ServerTimeoutError, f"nothing came back in {round(timeout, 3):g} s", servable, signature)


def status_class(code: str, message: str) -> type[errors.BertMlmError]:
    """Return the error class for a gRPC status.

    Args:
        code: the name of the status code.
        message: the server's message.
    """
    return rejection_class(message) if code in _REJECTIONS else _CLASSES.get(code, errors.ServerError)


def rejection_class(message: str) -> type[errors.RequestError]:
    """Return the error class for a rejected request.

    TensorFlow Serving has one code for an unknown signature and for other invalid requests.
    """
    words = message.lower()
    unknown = "signature" in words and "not found" in words and "alias" not in words
    return errors.SignatureNotFoundError if unknown else errors.RequestError
