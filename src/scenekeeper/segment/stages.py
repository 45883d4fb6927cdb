"""The two stages of the embedded segmenter: discover in the session's map, project into frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from scenekeeper import geometry
from scenekeeper.schema import SEGMENTS, UNNAMED, Clip, Frame, Labels, instances_table
from scenekeeper.segment.discover import DiscoverConfig, Segment, discover, without_noise
from scenekeeper.segment.flags import flags_of
from scenekeeper.segment.project import (
    Lookup,
    Shown,
    Sight,
    build_lookup,
    labels,
    see,
    with_proposals,
)
from scenekeeper.voxels import Surface

_ORDER = ("thing", "flat", "support", "wall")


class SessionTables(Protocol):
    """What the stages read of a session; the engine provides it."""

    @property
    def session(self) -> str:
        """The session's name."""
        ...

    @property
    def runs(self) -> Mapping[str, str]:
        """The run of each table."""
        ...

    def frames(self) -> pa.Table:
        """The index of frames."""
        ...

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        """A table clip by clip."""
        ...

    def of_clip(self, table: str, clip: Clip) -> pa.Table:
        """One clip of a table."""
        ...


@dataclass(frozen=True)
class Discover:
    """Session stage: surface in, segments out.

    Attributes:
        voxel_size: edge of the surface's voxels, metres.
        config: what counts as a thing.
    """

    voxel_size: float
    config: DiscoverConfig = field(default_factory=DiscoverConfig)
    name: str = "discover"
    reads: tuple[str, ...] = ("surface",)
    writes: tuple[str, ...] = ("segments",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 1, "voxel_size": self.voxel_size, "config": asdict(self.config)}

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """Find the session's segments; track ids count from 0, things first."""
        surface = without_noise(Surface.from_tables(tables.each_clip("surface")), self.config)
        camera_up = _camera_up(tables.frames())
        if not len(surface) or camera_up is None:
            return {"segments": SEGMENTS.empty_table()}
        segments, up = discover(surface, self.voxel_size, camera_up, self.config)
        segments.sort(key=lambda s: (_ORDER.index(s.kind), -len(s.rows), int(s.rows[0])))
        rows = [
            {
                "session": tables.session,
                "track": track,
                "kind": segment.kind,
                "score": segment.score,
                "up": up.tolist(),
                "voxel_size": self.voxel_size,
                **_summary(surface, segment, up),
            }
            for track, segment in enumerate(segments)
        ]
        return {"segments": pa.Table.from_pylist(rows, SEGMENTS)}


@dataclass(frozen=True)
class ProjectConfig:
    """What is labelled in a frame.

    Attributes:
        max_depth: metres; farther pixels are not labelled.
        min_share: masks of a smaller share of the image are not labelled.
        small_side: instances with a box side below this many pixels are flagged ``small``.
        agreement: median IoU of the map's masks of a track with its proposals' from which on the
            map shows it where no proposal does,
        sure: or, where the two never meet in a clip, the score that a thing must have.
    """

    max_depth: float = 4.0
    min_share: float = 0.0004
    small_side: int = 20
    agreement: float = 0.5
    sure: float = 0.75


@dataclass(frozen=True)
class Project:
    """Clip stage: segments (or tracks, and the proposals that show them) in, instances out."""

    config: ProjectConfig = field(default_factory=ProjectConfig)
    name: str = "segment"
    reads: tuple[str, ...] = ("segments",)
    writes: tuple[str, ...] = ("instances",)
    _views: dict[str, _View] = field(default_factory=dict, repr=False, compare=False)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 7, "config": asdict(self.config)}

    def open(self, clip: Clip, tables: SessionTables) -> ProjectJob:
        """Start on a clip; the lookup is built once per session and shared by its clips."""
        source = self.reads[0]
        key = f"{tables.session}/{tables.runs[source]}"
        if key not in self._views:
            self._views.clear()
            self._views[key] = _view(tables.of_session(source))
        view = self._views[key]
        shown = _shown(tables.of_clip("proposals", clip), view) if source == "tracks" else {}
        return ProjectJob(clip, self.config, view, shown)


@dataclass(frozen=True, eq=False)
class _View:
    lookup: Lookup
    phrases: dict[int, str]
    scores: dict[int, float]
    named: dict[int, float]
    things: frozenset[int]
    proposed: dict[tuple[int, int], int]
    lookalikes: dict[int, frozenset[int]]


@dataclass
class ProjectJob:
    """Sees the segments in each frame of a clip."""

    clip: Clip
    config: ProjectConfig
    view: _View
    shown: Mapping[int, list[Shown]] = field(default_factory=dict)
    frames: list[tuple[Frame, list[Sight]]] = field(default_factory=list)

    def encode(self, frame: Frame) -> tuple[Frame, list[Sight]]:
        """What shows in one frame."""
        seen = see(frame, self.view.lookup, self.config.max_depth, self.config.min_share)
        shown = self.shown.get(frame.frame_id, [])
        bare = replace(frame, rgb=np.zeros((1, 1, 3), np.uint8), depth=None)
        return bare, with_proposals(frame, seen, shown, self.view.things)

    def collect(self, item: tuple[Frame, list[Sight]]) -> None:
        """Keep what shows in one frame."""
        self.frames.append(item)

    def _alone(self, track: int, trusted: Mapping[int, bool]) -> bool:
        """Whether the map's word is enough where no proposal shows a track.

        A thing that networks know must be shown alike by both, or be beyond doubt.
        """
        if track in trusted:
            return trusted[track]
        view = self.view
        known = track in view.named and track in view.things
        return not known or view.scores[track] >= self.config.sure

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's instances with their flags."""
        trusted = _trusted([s for _, sights in self.frames for s in sights], self.config)
        out = []
        for frame, sights in self.frames:
            view = self.view
            kept = [s for s in sights if s.score is not None or self._alone(s.track, trusted)]
            out.append(labels(frame, kept, view.phrases, view.scores, view.named))
        flags = [_flags(frame, self.view.lookalikes, self.config) for frame in out]
        return {"instances": instances_table(self.clip.session, out, flags)}


def _trusted(sights: list[Sight], config: ProjectConfig) -> dict[int, bool]:
    """Per track that map and proposals show together, whether the map may stand in for them."""
    agreement: dict[int, list[float]] = {}
    for s in sights:
        if s.agreement is not None:
            agreement.setdefault(s.track, []).append(s.agreement)
    return {t: float(np.median(v)) >= config.agreement for t, v in agreement.items()}


def _flags(
    frame: Labels, lookalikes: Mapping[int, frozenset[int]], config: ProjectConfig
) -> list[list[str]]:
    assert frame.track is not None
    present = set(frame.track.tolist())
    found = flags_of(frame, config.small_side)
    for flags, track in zip(found, frame.track.tolist(), strict=True):
        if lookalikes[track] & present:
            flags.append("lookalike")
    return found


def _view(segments: pa.Table) -> _View:
    rows = segments.to_pylist()
    keys = [np.array(r["keys"], np.int64) for r in rows]
    tracks = [r["track"] for r in rows]
    grown = [r["kind"] in ("thing", "flat") for r in rows]
    size = rows[0]["voxel_size"] if rows else 1.0
    mapped = [k for k, r in enumerate(rows) if r.get("segment", 0) != -1]
    lookup = build_lookup(
        [keys[k] for k in mapped], [tracks[k] for k in mapped], [grown[k] for k in mapped], size
    )
    return _View(
        lookup,
        {r["track"]: r.get("phrase") or UNNAMED for r in rows},
        {r["track"]: r["score"] for r in rows},
        {r["track"]: r["p"] for r in rows if r.get("p") is not None},
        frozenset(r["track"] for r in rows if r["kind"] in ("thing", "flat")),
        {
            (frame, proposal): r["track"]
            for r in rows
            for frame, proposal in zip(
                r.get("frame_ids") or (), r.get("proposals") or (), strict=True
            )
        },
        {r["track"]: _alike(r, rows) for r in rows},
    )


def _shown(proposals: pa.Table, view: _View) -> dict[int, list[Shown]]:
    """Per frame, the proposals that show tracks."""
    out: dict[int, list[Shown]] = {}
    columns = ("frame_id", "proposal", "mask", "box_xyxy", "score")
    for frame, proposal, mask, box, score in zip(
        *(proposals[c].to_pylist() for c in columns), strict=True
    ):
        track = view.proposed.get((frame, proposal))
        if track is not None:
            x0, y0, x1, y1 = box
            place = (math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))
            out.setdefault(frame, []).append(Shown(track, mask, place, score))
    return out


def _alike(row: Mapping[str, Any], rows: list[dict[str, Any]]) -> frozenset[int]:
    """Tracks of about the same size and colour: the ones identity is easily mixed up with."""
    if row["kind"] != "thing":
        return frozenset()
    size, rgb = np.sort(row["extent"]), np.array(row["rgb"], float)
    return frozenset(
        other["track"]
        for other in rows
        if other["track"] != row["track"]
        and other["kind"] == "thing"
        and np.all(np.abs(np.sort(other["extent"]) - size) < 0.25 * size + 0.02)
        and np.linalg.norm(np.array(other["rgb"], float) - rgb) < 40
    )


def _summary(surface: Surface, segment: Segment, up: np.ndarray[Any, Any]) -> dict[str, Any]:
    _, extent, _ = geometry.upright_box(surface.position[segment.rows], up)
    return {
        "extent": extent.tolist(),
        "rgb": np.rint(np.median(surface.rgb[segment.rows], 0)).astype(np.uint8).tolist(),
        "keys": surface.key[segment.rows].tolist(),
    }


def _camera_up(frames: pa.Table) -> np.ndarray[Any, Any] | None:
    """Mean up vector of the posed cameras in the world frame."""
    poses = [p for p in frames["pose"].to_pylist() if p is not None]
    if not poses:
        return None
    up = -geometry.pose_matrix(np.array(poses))[:, :3, 1].mean(0)
    return up if np.linalg.norm(up) > 0.1 else np.array([0.0, 0.0, 1.0])
