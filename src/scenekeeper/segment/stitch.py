"""Which track of a clip is which of the clip before: the same masks in the frames both have seen.

In: the tracks of clips in order, each clip with the last frames of the one before. Out: tracks of
the session. One track continues one, and what does not meet stays apart; ids are never used again.
Other names raise the bar, as detectors change their minds, and further evidence may forbid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scenekeeper import masks
from scenekeeper.geometry import box_iou
from scenekeeper.schema import NO_ID, Clip, Labels

Float = NDArray[np.float64]


@dataclass(frozen=True)
class StitchConfig:
    """When two tracks are one.

    Attributes:
        overlap: least mean IoU over the frames that both clips have seen; a frame that shows only
            one of the two counts as 0.
        doubtful: the same for two that no name is common to.
        keep: last frames of a clip that are kept for the next.
    """

    overlap: float = 0.5
    doubtful: float = 0.75
    keep: int = 24


@dataclass
class Stitcher:
    """The session so far: the tracks in the last frames of the clip before.

    Attributes:
        config: when two tracks are one.
        tail: per frame, the labels of the clip before under tracks of the session.
        fresh: the next track that nobody has had.
    """

    config: StitchConfig = field(default_factory=StitchConfig)
    tail: Mapping[int, tuple[Labels, tuple[int, ...]]] = field(default_factory=dict)
    fresh: int = 0

    def add(
        self,
        clip: Clip,
        frames: Mapping[int, Labels],
        may: Callable[[int, int], bool] | None = None,
    ) -> dict[int, int]:
        """Track of the session for each track of the next clip.

        Args:
            clip: the clip; frames before its start are those of the clip before.
            frames: its labels by frame; what has no track is passed over.
            may: whether a track of the session and one of the clip can be one for all else that is
                known of them, such as where they are in the world and how they look.
        """
        tracks = {t for frame in frames.values() for t in _tracks(frame) if t != NO_ID}
        out = self._known(clip, frames, may)
        for own in sorted(tracks - set(out)):
            out[own] = self.fresh
            self.fresh += 1
        self.tail = {
            k: (frame, tuple(out.get(t, NO_ID) for t in _tracks(frame)))
            for k, frame in frames.items()
            if max(clip.start, clip.stop - self.config.keep) <= k < clip.stop
        }
        return out

    def _known(
        self,
        clip: Clip,
        frames: Mapping[int, Labels],
        may: Callable[[int, int], bool] | None,
    ) -> dict[int, int]:
        """Tracks of a clip that continue tracks of the one before."""
        shared = [k for k in frames if k < clip.start and k in self.tail]
        pairs = _agreement([(*self.tail[k], frames[k]) for k in shared])
        if not pairs:
            return {}
        old, new = (sorted({pair[k] for pair in pairs}) for k in (0, 1))
        value = np.zeros((len(old), len(new)))
        then = _names([self.tail[k] for k in shared])
        now = _names([(frames[k], tuple(_tracks(frames[k]))) for k in shared])
        for (a, b), agreement in pairs.items():
            config = self.config
            bar = config.overlap if then[a] & now[b] else max(config.overlap, config.doubtful)
            if agreement >= bar and (may is None or may(a, b)):
                value[old.index(a), new.index(b)] = agreement
        rows, columns = linear_sum_assignment(-value)
        return {new[c]: old[r] for r, c in zip(rows, columns, strict=True) if value[r, c] > 0}


def _agreement(
    shared: Sequence[tuple[Labels, tuple[int, ...], Labels]],
) -> dict[tuple[int, int], float]:
    """Mean IoU of every pair of tracks that ever overlap, over frames that show either.

    Args:
        shared: per frame its labels by the clip before, their tracks, and those by this one.
    """
    total: dict[tuple[int, int], float] = {}
    seen_before: dict[int, set[int]] = {}
    seen_now: dict[int, set[int]] = {}
    for k, (old, ids, new) in enumerate(shared):
        for t in ids:
            seen_before.setdefault(t, set()).add(k)
        for t in _tracks(new):
            seen_now.setdefault(t, set()).add(k)
        iou = overlaps(old, new)
        for i, j in zip(*np.nonzero(iou), strict=True):
            pair = ids[i], _tracks(new)[j]
            if NO_ID not in pair:
                total[pair] = total.get(pair, 0.0) + float(iou[i, j])
    return {(a, b): iou / len(seen_before[a] | seen_now[b]) for (a, b), iou in total.items()}


def _names(frames: Sequence[tuple[Labels, tuple[int, ...]]]) -> dict[int, set[str]]:
    """All that tracks are called in some frames, by track; ``(labels, tracks)`` of each frame."""
    out: dict[int, set[str]] = {}
    for labels, tracks in frames:
        for k, track in enumerate(tracks):
            out.setdefault(track, set()).update((labels.phrase[k], *labels.names[k]))
    return out


def overlaps(a: Labels, b: Labels) -> Float:
    """IoU ``[N, M]`` of the instances of two labelings of one frame: of masks, else of boxes."""
    if all(a.mask) and all(b.mask) and len(a) and len(b):
        return masks.iou([m for m in a.mask if m], [m for m in b.mask if m], a.size)
    return box_iou(a.box_xyxy, b.box_xyxy)


def _tracks(frame: Labels) -> list[int]:
    assert frame.track is not None
    return [int(t) for t in frame.track]
