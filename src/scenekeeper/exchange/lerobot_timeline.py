"""One constant-rate timeline per episode, and which sample of each stream stands at each tick.

In: the times of a session's pictures and signals. Out: ticks, and per stream the nearest sample
with how far it was. Nothing is interpolated: every number exported was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import ExportError

TIMELINE = pa.schema(
    [
        ("index", pa.int64()),
        ("episode_index", pa.int64()),
        ("session", pa.string()),
        ("stream", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("residual_ns", pa.int64()),
    ]
)
"""Per tick and stream: the sample that stands there, and its time minus the tick's."""

_LONGEST_STRETCH = 20
"""Ticks per picture beyond which a recording is taken to have a hole in its clock."""


@dataclass(frozen=True, eq=False)
class Picked:
    """The samples of one stream that stand at the ticks.

    Attributes:
        row: ``int64 [n]`` ascending rows of the stream.
        t_ns: ``int64 [n]`` their own times.
        residual_ns: ``int64 [n]`` their times minus the ticks'.
    """

    row: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    residual_ns: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Episode:
    """One session on its timeline.

    Attributes:
        session: name of the session.
        number: ``episode_index``.
        first: ``index`` of its first tick in the whole dataset.
        ticks_ns: ``int64 [n]`` on the session's own clock.
        frame_ids: per camera feature, primary first, the ``frame_id [n]`` that stands at each tick.
    """

    session: str
    number: int
    first: int
    ticks_ns: NDArray[np.int64]
    frame_ids: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.ticks_ns)

    @property
    def index(self) -> NDArray[np.int64]:
        """``int64 [n]``, the rows' numbers in the whole dataset."""
        return np.arange(self.first, self.first + len(self), dtype=np.int64)

    def rows(self, stream: str, picked: Picked) -> pa.Table:
        """Rows of :data:`TIMELINE` for one stream."""
        n = len(self)
        columns = {
            "index": self.index,
            "episode_index": np.full(n, self.number),
            "session": [self.session] * n,
            "stream": [stream] * n,
            "frame_id": self.frame_ids.get(stream, [None] * n),
            "t_ns": picked.t_ns,
            "residual_ns": picked.residual_ns,
        }
        return pa.table(columns, TIMELINE)


def median_rate(times: list[NDArray[np.int64]]) -> int:
    """Pictures per second, as a whole number of at least 1, from the times of several sessions."""
    steps = np.concatenate([np.diff(t_ns) for t_ns in times])
    return max(1, round(1e9 / float(np.median(steps)))) if len(steps) else 1


def ticks(t_ns: NDArray[np.int64], fps: int, session: str) -> NDArray[np.int64]:
    """Ticks from the first picture to the last at a constant rate, ``int64 [n]``.

    Raises:
        ExportError: the pictures are so far apart that nearly all ticks would repeat one.
    """
    n = round(int(t_ns[-1] - t_ns[0]) * fps / 1e9) + 1
    if n > _LONGEST_STRETCH * len(t_ns) + fps:
        raise ExportError(
            f"its {len(t_ns)} pictures span {(t_ns[-1] - t_ns[0]) / 1e9:.0f} s, which is {n} frames"
            f" at {fps} fps",
            place=f"session {session}",
            remedy="Choose a lower --fps, or leave this session out.",
        )
    at_ns: NDArray[np.int64] = t_ns[0] + np.arange(n, dtype=np.int64) * 1_000_000_000 // fps
    return at_ns


def pick(t_ns: NDArray[np.int64], ticks_ns: NDArray[np.int64]) -> Picked:
    """The nearest sample of a stream at every tick."""
    row = geometry.nearest(t_ns, ticks_ns)
    return Picked(row, t_ns[row], t_ns[row] - ticks_ns)
