"""What was used last, within a bound: a cache for several threads that makes each thing once.

In: keys, and how to make what belongs to them. Out: the things. What has not been asked for
longest goes first; two threads that want the same thing at once share the making of it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that forgets.

    Args:
        most: how much it may hold, in the unit of ``weigh``.
        weigh: how much one thing is.
    """

    def __init__(self, most: int, weigh: Callable[[V], int] = lambda _: 1) -> None:
        self._most, self._weigh = most, weigh
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._making: dict[K, Future[V]] = {}
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How much it holds."""
        return self._held

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """What is kept for a key; it counts as used."""
        with self._lock:
            return self._get(key)

    def put(self, key: K, value: V) -> None:
        """Keep something; a thing larger than the bound is not kept."""
        weight = self._weigh(value)
        with self._lock:
            self._drop(key)
            if weight > self._most:
                return
            self._kept[key] = value, weight
            self._held += weight
            while self._held > self._most:
                self._drop(next(iter(self._kept)))

    def forget(self, key: K) -> None:
        """Keep it no longer."""
        with self._lock:
            self._drop(key)

    def made(self, key: K, make: Callable[[], V]) -> V:
        """What is kept for a key, made now if nothing is.

        Raises:
            Exception: whatever ``make`` raised, to every thread that waited for it.
        """
        with self._lock:
            if (kept := self._get(key)) is not None:
                return kept
            waited = self._making.get(key)
            if waited is None:
                mine: Future[V] = Future()
                self._making[key] = mine
        if waited is not None:
            return waited.result()
        try:
            value = make()
            self.put(key, value)
            mine.set_result(value)
            return value
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._making[key]

    def _get(self, key: K) -> V | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def _drop(self, key: K) -> None:
        if (gone := self._kept.pop(key, None)) is not None:
            self._held -= gone[1]
