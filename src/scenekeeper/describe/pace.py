"""How many questions are in flight at once: as many as the server is seen to bear.

Additive increase, multiplicative decrease, as in TCP (Jacobson 1988): the number doubles with each
round until the server first pushes back, then grows by one a round, and is halved when the server
refuses, times out, or takes several times as long as it did when it had little to do.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """A gate that threads pass one by one; it widens and narrows by what they report.

    Args:
        most: never more in flight than this.
        first: in flight at first.
        patience: how many times as long as at its quickest a round may take before it is too long.
    """

    def __init__(self, most: int = 64, first: int = 4, patience: float = 4.0) -> None:
        self.most, self.patience = most, patience
        self.limit = min(first, most)
        self._gate = threading.Condition()
        self._inside = 0
        self._round: list[float] = []
        self._quickest = float("inf")
        self._steep = True
        self._era = 0

    @contextmanager
    def turn(self) -> Iterator[int]:
        """Wait for a place; gives the era in which the question was asked."""
        with self._gate:
            self._gate.wait_for(lambda: self._inside < self.limit)
            self._inside += 1
            era = self._era
        try:
            yield era
        finally:
            with self._gate:
                self._inside -= 1
                self._gate.notify_all()

    def answered(self, seconds: float, era: int) -> None:
        """A question was answered; a round is as many answers as there are places."""
        with self._gate:
            self._round.append(seconds)
            if len(self._round) < self.limit:
                return
            usual, self._round = statistics.median(self._round), []
            self._quickest = min(self._quickest, usual)
            if usual > self.patience * self._quickest:
                self._narrow(era)
            else:
                self.limit = min(self.most, self.limit * 2 if self._steep else self.limit + 1)
                self._gate.notify_all()

    def refused(self, era: int) -> None:
        """A question was refused or took too long."""
        with self._gate:
            self._narrow(era)

    def _narrow(self, era: int) -> None:
        """Halve, once for all that was asked under the same limit."""
        if era != self._era:
            return
        self.limit, self._steep = max(1, self.limit // 2), False
        self._round = []
        self._era += 1
