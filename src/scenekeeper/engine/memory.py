"""Give freed memory back to the machine between passes, so that memory stays flat."""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa


def give_back() -> None:
    """Return what Arrow's pool and the C library hold but nobody uses.

    Worker threads allocate from arenas of their own; the C library keeps those pages for a next
    time that does not come, because the next stage runs on other threads.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except (OSError, AttributeError):  # another C library; it has no such call
            return
