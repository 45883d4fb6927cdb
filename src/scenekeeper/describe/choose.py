"""Choosing keyframes as stages: a small picture of every frame, then which frames to ask about.

In: frames and their instances. Out: keyframes. The small pictures are taken while the frames are
decoded for other stages; choosing then reads tables alone, so nothing is kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from scenekeeper.describe.keyframes import (
    THUMBNAIL,
    KeyframeConfig,
    Look,
    Told,
    keyframes,
    looked_at,
    thumbnail,
)
from scenekeeper.geometry import pose_matrix
from scenekeeper.models.tables import by_frame, labels_of
from scenekeeper.schema import GLANCES, KEYFRAMES, Clip, Frame


class SessionTables(Protocol):
    """What the stages read; the engine provides it."""

    @property
    def session(self) -> str:
        """The session's name."""
        ...

    def frames(self) -> pa.Table:
        """The index of frames."""
        ...

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        """A table clip by clip."""
        ...


@dataclass(frozen=True)
class Glance:
    """Clip stage: frames in, small pictures out."""

    name: str = "glance"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ("glances",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 1, "size": list(THUMBNAIL)}

    def open(self, clip: Clip, tables: object) -> GlanceJob:
        """Start on a clip."""
        return GlanceJob(clip)


@dataclass
class GlanceJob:
    """Makes the frames of a clip small."""

    clip: Clip
    rows: list[dict[str, Any]] = field(default_factory=list)

    def encode(self, frame: Frame) -> dict[str, Any]:
        """One frame's small picture."""
        small = np.rint(thumbnail(frame.rgb)).astype(np.uint8).tobytes()
        return {"frame_id": frame.frame_id, "t_ns": frame.t_ns, "thumbnail": small}

    def collect(self, row: dict[str, Any]) -> None:
        """Keep it."""
        self.rows.append({"session": self.clip.session, **row})

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's small pictures."""
        return {"glances": pa.Table.from_pylist(self.rows, GLANCES)}


@dataclass(frozen=True)
class Choose:
    """Session stage: small pictures and instances in, keyframes out.

    Attributes:
        config: when a frame is worth asking about.
        often: when one is worth asking a smaller model about; ``None`` = there is none.
    """

    config: KeyframeConfig = field(default_factory=KeyframeConfig)
    often: KeyframeConfig | None = None
    name: str = "choose"
    reads: tuple[str, ...] = ("glances", "instances")
    writes: tuple[str, ...] = ("keyframes",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        often = None if self.often is None else asdict(self.often)
        return {"version": 1, "config": asdict(self.config), "often": often}

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """Choose clip by clip, with what was chosen before in mind."""
        pose, rows = _poses(tables), list[dict[str, Any]]()
        told, told_often = Told(), Told()
        parts = zip(tables.each_clip("glances"), tables.each_clip("instances"), strict=True)
        for glances, instances in parts:
            shown, seen = by_frame(instances), glances.to_pylist()
            looks = [self._look(g, shown.get(g["frame_id"], []), pose) for g in seen]
            chosen, told = keyframes(looks, told, self.config)
            more: list[int] = []
            if self.often is not None:
                more, told_often = keyframes(looks, told_often, self.often)
            rows += [{**seen[i], "main": i in chosen} for i in sorted({*chosen, *more})]
        kept = [{k: row[k] for k in KEYFRAMES.names} for row in rows]
        return {"keyframes": pa.Table.from_pylist(kept, KEYFRAMES)}

    def _look(
        self, glance: Mapping[str, Any], rows: list[dict[str, Any]], pose: Mapping[int, Any]
    ) -> Look:
        small = np.frombuffer(glance["thumbnail"], np.uint8).reshape(THUMBNAIL[::-1])
        vector = pose[glance["frame_id"]]
        T = None if vector is None else pose_matrix(np.array(vector))
        labels = labels_of(rows) if rows else None
        return looked_at(glance["t_ns"], small.astype(np.float32), labels, T, self.config)


OFTEN = KeyframeConfig(every_s=1.0, least=1.0)
"""For a small model beside a large one: whatever is new."""


def _poses(tables: SessionTables) -> dict[int, Any]:
    frames = tables.frames()
    return dict(zip(frames["frame_id"].to_pylist(), frames["pose"].to_pylist(), strict=True))
