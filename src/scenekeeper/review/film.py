"""Where every track is in every frame, and which of its frames a person should see.

In: the labels of a session, read once without their masks. Out: per track its boxes over time, the
frames of a filmstrip, and windows to cut around boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.review.units import Float, Int
from scenekeeper.schema import INSTANCES
from scenekeeper.store import Dataset

Float32 = NDArray[np.float32]

EVEN, RISKY = 8, 4
"""Crops of a filmstrip: even ones, and where the machine doubts most. On simulated tracks 8 and 4
show 95 % of the slipped masks and every switched identity, 8 even ones alone 81 %."""
ROOMY = 1.6
"""Side of a window over the longer side of its box: enough around a thing to tell what it is."""
SMALLEST = 48
"""Least side of a window, pixels; smaller ones show nothing when they are blown up."""


@dataclass(frozen=True, eq=False)
class Film:
    """M labels of K tracks of one session, in the order of tracks and of time.

    Attributes:
        track: ``int64 [K]``, ascending.
        start: ``int64 [K + 1]``; the labels of track ``k`` are ``start[k]:start[k + 1]``.
        frame_id: ``int64 [M]``.
        box_xyxy: ``float32 [M, 4]`` pixels.
        belief: ``float32 [M]`` the machine's own in the label: calibrated where it is, else the
            score.
    """

    track: Int
    start: Int
    frame_id: Int
    box_xyxy: Float32
    belief: Float32

    def of(self, track: int) -> slice:
        """Labels of one track; none where there is no such track."""
        k = int(np.searchsorted(self.track, track))
        if k == len(self.track) or self.track[k] != track:
            return slice(0, 0)
        return slice(int(self.start[k]), int(self.start[k + 1]))

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return sum(a.nbytes for a in (self.frame_id, self.box_xyxy, self.belief))


_NOTHING = INSTANCES.empty_table().rename_columns(
    ["belief" if name == "score" else name for name in INSTANCES.names]
)


def film(dataset: Dataset, session: str, run: str) -> Film:
    """Read where every track of a session is, in a run of its labels; empty = there is none.

    Raises:
        DatasetError: the labels cannot be read.
    """
    table = _NOTHING
    if run:
        clips = f"labels/instances/{run}/{session}-[0-9][0-9][0-9][0-9][0-9].parquet"
        table = dataset.sql(
            "SELECT track, frame_id, box_xyxy, coalesce(p, score) AS belief"
            f" FROM read_parquet('{clips}') WHERE track >= 0"
        )
    track, frame = table["track"].to_numpy(), table["frame_id"].to_numpy()
    order = np.lexsort((frame, track))
    known, start = np.unique(track[order], return_index=True)
    boxes = table["box_xyxy"].combine_chunks().flatten().to_numpy().reshape(-1, 4)
    return Film(
        known,
        np.append(start, len(order)),
        frame[order],
        boxes[order],
        table["belief"].to_numpy().astype(np.float32)[order],
    )


def chosen(
    frame_id: Int, box_xyxy: Float32, belief: Float32, even: int = EVEN, risky: int = RISKY
) -> list[tuple[int, bool]]:
    """Which frames of a track to show: ``(index, whether for its risk)`` in time order.

    Args:
        frame_id: ``[n]``, ascending.
        box_xyxy: ``[n, 4]``.
        belief: ``[n]``.
        even: at most so many, evenly spaced with both ends,
        risky: and so many where it is most in doubt.
    """
    n = len(frame_id)
    if n <= even + risky:
        return [(k, False) for k in range(n)]
    places = np.linspace(0, n - 1, even).round().astype(int).tolist()
    left = doubtful(frame_id, box_xyxy, belief)
    left[places] = -1
    apart, out = max(2, n // 40), dict.fromkeys(places, False)
    for _ in range(risky):
        k = int(left.argmax())
        if left[k] < 0:
            break
        out[k] = True
        left[max(0, k - apart) : k + apart + 1] = -1
    return sorted(out.items())


def doubtful(frame_id: Int, box_xyxy: Float32, belief: Float32) -> Float:
    """How much speaks against each label of a track, ``float64 [n]`` in 0..2.

    The machine's own doubt, and how suddenly the box moves, grows or leaves frames out: a mask
    that slips shows in its box before it shows in its score. Both smoothed over five frames.
    """
    box = box_xyxy.astype(np.float64)
    side = np.sqrt(np.prod(np.maximum(box[:, 2:] - box[:, :2], 1), axis=1))
    state = np.column_stack(((box[:, :2] + box[:, 2:]) / 2, 2 * np.log(side)))
    sudden = np.zeros(len(box))
    if len(box) > 2:
        # The second difference: an even motion, as the camera's, is no surprise.
        second = np.abs(np.diff(state, 2, axis=0))
        jerk = second[:, :2].sum(1) / side[1:-1] + second[:, 2]
        sudden[1:-1] = jerk / (jerk + 3 * np.median(jerk) + 0.05)
    step = np.diff(frame_id)
    gone = np.flatnonzero(step > 3 * np.median(step)) if len(step) else step
    sudden[gone] = sudden[gone + 1] = 1
    own = 1 - np.nan_to_num(np.asarray(belief, np.float64), nan=0.5)
    padded = np.pad(own + sudden, 2, mode="edge")
    return np.asarray(np.convolve(padded, np.ones(5) / 5, "valid"))


def window(box_xyxy: Sequence[float] | Float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A square around a box, shifted into the picture and only then cut off: whole pixels.

    Args:
        box_xyxy: ``[4]``.
        size: ``(H, W)`` of the picture.
    """
    height, width = size
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    side = round(max(ROOMY * max(x1 - x0, y1 - y0), SMALLEST))
    out = []
    for low, high, most in ((x0, x1, width), (y0, y1, height)):
        start = round((low + high - side) / 2)
        start = max(0, min(start, most - side))
        out.append((start, min(start + side, most)))
    return out[0][0], out[1][0], out[0][1], out[1][1]
