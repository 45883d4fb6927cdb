"""Numbers that come in one row at a time, kept as compactly as they are read later.

Two hours of 52 joint values at 200 Hz are 600 MB as numbers and ten times that as Python objects.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(eq=False)
class TimedRows:
    """Rows of as many numbers each, with a time each, in the order they came.

    Attributes:
        t_ns: times.
        values: all rows one after the other.
    """

    t_ns: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, t_ns: int, row: Iterable[float]) -> None:
        """Append one row, or nothing.

        Raises:
            TypeError, OverflowError: these are no numbers, or no time.
        """
        numbers = array("d", row)
        self.t_ns.append(t_ns)
        self.values.extend(numbers)

    def in_time(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Times ``int64 [N]``, ascending, and rows ``float64 [N, D]``; equal times keep order."""
        t_ns = as_numpy(self.t_ns, np.int64)
        values = as_numpy(self.values, np.float64).reshape(len(t_ns), -1)
        if (np.diff(t_ns) >= 0).all():
            return t_ns, values
        order = np.argsort(t_ns, kind="stable")
        return t_ns[order], values[order]


def as_numpy(column: array[Any], dtype: Any) -> NDArray[Any]:
    """An array's numbers without a copy; the array cannot grow any more."""
    return np.frombuffer(column, dtype) if len(column) else np.zeros(0, dtype)
