"""Return memory to the operating system between stages."""

import ctypes
import gc
import sys


def release() -> None:
    """Collect reference cycles and trim the C library's heap."""
    gc.collect()
    if sys.platform == "linux":
        # By itself glibc only returns memory at the end of its heap, but weights are scattered over it. musl has no
        # malloc_trim, and returns large arrays at once.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
