"""Following things through a clip with models of any family as a stage: masklets out.

In: frames, and the detections in them unless the model finds things itself. Out: masks with a track
that is unique in the clip; :mod:`scenekeeper.segment.stitched` joins the tracks of clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from scenekeeper.models import ClipModel, Session
from scenekeeper.models.base import Words
from scenekeeper.models.tables import by_frame, labels_of, masklets_table
from scenekeeper.schema import NO_ID, Clip, Frame, Labels

LEAD = 6
"""Frames of the clip before that are followed, too, so that its tracks are known again."""


class ClipTables(Protocol):
    """What the stage reads; the engine provides it."""

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The session's clips that are made."""
        ...

    def of_clip(self, table: str, clip: Clip) -> pa.Table:
        """One clip of a table."""
        ...


@dataclass(frozen=True)
class Follow:
    """Clip stage: a model follows what is found; every camera on its own.

    Attributes:
        model: the model.
        vocabulary: what to look for, for a model that finds things itself.
    """

    model: ClipModel
    vocabulary: Words
    lead: int = LEAD
    name: str = "segment"
    writes: tuple[str, ...] = ("masklets",)

    @property
    def reads(self) -> tuple[str, ...]:
        """Detections, if the model needs boxes."""
        return ("detections",) if "boxes" in self.model.card.needs else ()

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        words = {} if self.reads else {p: list(s) for p, s in self.vocabulary.items()}
        return {"version": 1, "model": self.model.card.facts(), "vocabulary": words} | {
            "lead": self.lead
        }

    def open(self, clip: Clip, tables: ClipTables) -> FollowJob:
        """Start on a clip; its detections and those of the lead are read."""
        rows: dict[int, list[dict[str, Any]]] = {}
        for other in tables.clips if self.reads else ():
            if clip.start - self.lead < other.stop and other.start < clip.stop:
                rows |= by_frame(tables.of_clip("detections", other))
        admitted = {k: [r for r in of if r["admitted"]] for k, of in rows.items()}
        prior = {k: labels_of(of) for k, of in admitted.items() if of}
        seen = replace(clip, start=max(0, clip.start - self.lead))
        return FollowJob(seen, self.model, self.vocabulary, prior)


@dataclass
class FollowJob:
    """Follows through the frames of a clip and its lead, one session a camera."""

    clip: Clip
    model: ClipModel
    vocabulary: Words
    prior: Mapping[int, Labels]
    sessions: dict[str, Session] = field(default_factory=dict)
    found: list[tuple[str, Labels]] = field(default_factory=list)

    def push(self, frame: Frame) -> Iterator[tuple[str, Labels]]:
        """Follow into the next frame."""
        camera = frame.camera.name
        if camera not in self.sessions:
            self.sessions[camera] = self.model.open(self.clip, self.vocabulary)
        for labels in self.sessions[camera].push(frame, self.prior.get(frame.frame_id)):
            yield camera, labels

    def flush(self) -> Iterator[tuple[str, Labels]]:
        """What the sessions still hold."""
        for camera, session in self.sessions.items():
            for labels in session.flush():
                yield camera, labels

    def encode(self, item: tuple[str, Labels]) -> tuple[str, Labels]:
        """Nothing to do apart."""
        return item

    def collect(self, item: tuple[str, Labels]) -> None:
        """Keep one frame's."""
        self.found.append(item)

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's masklets; tracks of different cameras get different numbers."""
        cameras = sorted(self.sessions)
        numbered = [
            (camera, _apart(labels, cameras.index(camera), len(cameras)))
            for camera, labels in sorted(self.found, key=lambda item: item[1].frame_id)
        ]
        return {"masklets": masklets_table(self.clip.session, numbered)}


def _apart(labels: Labels, camera: int, n_cameras: int) -> Labels:
    assert labels.track is not None
    track = np.where(labels.track == NO_ID, NO_ID, labels.track * n_cameras + camera)
    return replace(labels, track=track.astype(np.int64))
