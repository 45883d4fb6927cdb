"""How benchmarks measure: both sides in turn in the same run, CPU time, medians."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Result:
    """One measured claim.

    Attributes:
        name: the benchmark's module name.
        input: what was worked on.
        unit: of ``ours``, ``peer`` and ``limit``.
        ours: our median.
        peer: the peer's median.
        peer_name: who the peer is, with its version.
        target: the least ``ratio`` that we claim.
        limit: what physics or the format allows at best, where known.
    """

    name: str
    input: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    target: float
    limit: float | None = None

    @property
    def ratio(self) -> float:
        """How many times better ours is than the peer; less is better in every unit used."""
        return self.peer / self.ours

    @property
    def ok(self) -> bool:
        """Whether the claim holds."""
        return self.ratio >= self.target

    def as_dict(self) -> dict[str, Any]:
        """The result with its verdict, for JSON."""
        return {**asdict(self), "ratio": self.ratio, "ok": self.ok}


def cpu_seconds(
    ours: Callable[[], object], peer: Callable[[], object], repeats: int = 7
) -> tuple[float, float]:
    """Median CPU seconds of both, run in turn so that a busy machine hurts both alike.

    The first round, which pays for imports and caches, is not counted.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 1):
        for work, times in zip((ours, peer), taken, strict=True):
            gc.collect()
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
    first, second = (statistics.median(times[1:]) for times in taken)
    return first, second


def blob(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """A mask ``bool [size, size]`` like those of segmenters: one thing with a wavy outline."""
    from scipy import ndimage

    waves = ndimage.gaussian_filter(rng.standard_normal((size, size)), size / 8)
    v, u = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return np.asarray(1 - u * u - v * v + 0.3 * waves / waves.std() > 0.3)


def scattered(
    rng: np.random.Generator, n: int, size: tuple[int, int], extent: tuple[int, int]
) -> NDArray[np.bool_]:
    """Blobs at random places: ``bool [n, H, W]``, each ``extent[0]`` to ``extent[1]`` px wide."""
    out = np.zeros((n, *size), np.bool_)
    for mask in out:
        side = int(rng.integers(extent[0], extent[1] + 1))
        y, x = rng.integers(0, size[0] - side + 1), rng.integers(0, size[1] - side + 1)
        mask[y : y + side, x : x + side] = blob(rng, side)
    return out
