"""Return memory to the system between the stages of an export."""

import ctypes
import gc
import sys


def release() -> None:
    """Free what is in reference cycles, and what the C library keeps for later."""
    gc.collect()
    if sys.platform == "linux":
        # glibc returns free memory only from the end of its heap, and weights lie everywhere in it. musl has no such
        # function, and returns large arrays at once.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
