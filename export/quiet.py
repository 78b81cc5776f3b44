"""Silence the output of TensorFlow's native code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Redirect standard error to the null device.

    TF_CPP_MIN_LOG_LEVEL does not silence the lines that TensorFlow writes before its logging is set up, nor oneDNN's
    messages about 16-bit types. Python's exceptions are unaffected.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
