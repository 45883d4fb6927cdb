"""Keep memory flat: hold little that is free, and give it back between passes."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

import pyarrow as pa

# Of <malloc.h>: parameters of mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


@cache
def hold_little() -> None:
    """Have the C library return large blocks at once and share its arenas between threads.

    By default it keeps blocks of up to 32 MB for a next time, per thread; with pictures passing
    through several threads that is a few hundred MB.
    """
    if (libc := _libc()) is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, 8 << 20)
        libc.mallopt(_TRIM_THRESHOLD, 16 << 20)
        libc.mallopt(_ARENA_MAX, 2)


def give_back() -> None:
    """Return what Arrow's pool and the C library hold but nobody uses.

    The next stage runs on other threads, which do not find what earlier threads left.
    """
    pa.default_memory_pool().release_unused()
    if (libc := _libc()) is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


@cache
def _libc() -> Any:
    """The C library, or ``None`` where it is not one we know."""
    if sys.platform != "linux":
        return None
    try:
        return ctypes.CDLL(None)
    except OSError:
        return None
