"""Tracks for boxes where no model follows them: the association tracker in a model's shape.

It keeps a clip's boxes, not its pictures, and tells who is who when the clip is over. Masks that
the boxes came with stay theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scenekeeper.models.base import Card, Words
from scenekeeper.models.device import Device
from scenekeeper.models.source import Source
from scenekeeper.schema import Clip, Frame, Labels
from scenekeeper.segment.associate import associate
from scenekeeper.segment.tracklets import Seen


def load(source: Source, device: Device) -> BoxTracker:
    """The tracker; it has no weights."""
    return BoxTracker(
        Card(
            str(source),
            "1",
            "Apache-2.0",
            provides=frozenset({"tracks"}),
            needs=frozenset({"boxes"}),
        )
    )


@dataclass(frozen=True)
class BoxTracker:
    """A ``ClipModel`` that joins detections by place, size and motion."""

    card: Card

    def open(self, clip: Clip, vocabulary: Words) -> BoxSession:
        """Start on a clip."""
        return BoxSession()


@dataclass
class BoxSession:
    """A clip's boxes, waiting for its end."""

    seen: list[Seen] = field(default_factory=list)
    labels: list[Labels] = field(default_factory=list)

    def push(self, frame: Frame, prior: Labels | None) -> Iterator[Labels]:
        """Keep what was found."""
        prior = Labels.empty(frame) if prior is None else prior
        self.labels.append(prior)
        self.seen.append(
            Seen(
                frame.t_ns,
                frame.camera,
                frame.T_world_camera,
                prior.box_xyxy.astype(np.float64),
                prior.score.astype(np.float64),
                _depth(frame, prior.box_xyxy),
            )
        )
        return iter(())

    def flush(self) -> Iterator[Labels]:
        """Every frame, with tracks."""
        tracks = associate(self.seen).track
        seen, self.seen = self.labels, []
        self.labels = []
        return (replace(of, track=track) for of, track in zip(seen, tracks, strict=True))


def _depth(frame: Frame, box_xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    """Median depth ``[N]`` of the middle ninth of each box, metres; NaN = unknown."""
    out = np.full(len(box_xyxy), np.nan)
    if frame.depth is None:
        return out
    for k, (x0, y0, x1, y1) in enumerate(box_xyxy.tolist()):
        w, h = (x1 - x0) / 3, (y1 - y0) / 3
        rows = slice(int(y0 + h), max(int(y0 + h) + 1, int(y1 - h)))
        part = frame.depth[rows, int(x0 + w) : max(int(x0 + w) + 1, int(x1 - w))]
        if (known := part[part > 0]).size:
            out[k] = np.median(known)
    return out
