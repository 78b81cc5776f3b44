"""Keep the process's memory at what it needs, where the C library is glibc."""

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h

# From how many bytes on an allocation has a mapping of its own, which goes back to the system at once.
_RUNNING = 4 * 2**20
_LOADING = 128 * 2**10


def tune_heap() -> None:
    """Have all threads share one heap that gives back what is free at its end; call it before there are threads.

    By default glibc gives threads heaps of their own, and each keeps what its largest batch needed: after each of
    several swaps of a bert-base in int8 the process held 204 MB with one heap, and 226 to 267 MB without. It also keeps
    up to 64 MB at the end of a heap: after sentences of 512 tokens 293 MB stayed, with 4 MB 242 MB. A run allocates too
    seldom for either to cost time, as long as only what pages of text need has a mapping of its own.
    """
    for libc in _glibc():
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _RUNNING)
        libc.mallopt(_M_TRIM_THRESHOLD, 4 * 2**20)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Keep what is loaded inside, a model's weights, off the heap.

    On it they would part what batches need, and leave a hole when their version goes: after four swaps under load a
    bert-base in int8 held 300 MB, and 230 MB with its weights in mappings of their own.
    """
    for libc in _glibc():
        libc.mallopt(_M_MMAP_THRESHOLD, _LOADING)
    try:
        yield
    finally:
        for libc in _glibc():
            libc.mallopt(_M_MMAP_THRESHOLD, _RUNNING)


def free_memory() -> None:
    """Give back what no object holds any more: a graph is a web of cycles, and glibc keeps freed memory for itself."""
    gc.collect()
    for libc in _glibc():
        libc.malloc_trim(0)


def _glibc() -> Iterator[ctypes.CDLL]:
    """Yield the C library if it is glibc; musl and others have neither call."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):
            libc = ctypes.CDLL(None)
            _ = libc.malloc_trim, libc.mallopt
            yield libc
