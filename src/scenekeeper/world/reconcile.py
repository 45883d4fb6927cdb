"""Labels that agree with the world: the fused belief projected back into every frame.

In: a clip's instances as models saw them, and the world. Out: instances that the world confirms,
named as the world names them, without what it does not believe in, with what was missed; and for
every one of these decisions its reason. The models' own labels stay, as another run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry, masks
from scenekeeper.schema import INSTANCES, RECONCILED, UNNAMED, Clip, Frame
from scenekeeper.voxels import sampling
from scenekeeper.world import outlines
from scenekeeper.world.outlooks import (
    NOTHING,
    Looked,
    Mask,
    Row,
    Trust,
    View,
    WorldSeen,
    homes,
    iou,
    is_structure,
)

Float = NDArray[np.float64]


class SessionTables(Protocol):
    """What the stage reads; the engine provides it."""

    @property
    def session(self) -> str:
        """The session's name."""
        ...

    @property
    def runs(self) -> Mapping[str, str]:
        """The run of each table."""
        ...

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...

    def of_clip(self, table: str, clip: Clip) -> pa.Table:
        """One clip of a table."""
        ...


@dataclass(frozen=True)
class ReconcileConfig:
    """When the world overrules a model.

    Attributes:
        remove: instances of objects that are believed in less are removed.
        add: objects that are believed in at least so much are added where they were missed,
        seen: and so many frames show,
        fits: if at least this share of their box, as it would lie in the picture, is seen,
        least: and so many pixels,
        overlap: and no more of them is labelled as something else.
        twice: masks of two instances that overlap more are the same thing,
        within: and masks of one object that do, likewise; others lie beside one another.
        redraw: a mask that agrees less (IoU) with what should be seen of its object is replaced,
        astray: unless it agrees even less than this: then it is of something else and removed, if
            its track is not the object's; or the map is off there,
        swallowed: or it is of several objects in one, each of which lies in it by so large a share,
        better: and which agree with it together by so much more than its own alone,
        trust: if the object's other masks agree so often,
        add_trust: as they must less often for it to be added.
        max_depth: farther depth is not used, metres.
        across: about so many pixels of a row are looked at.
    """

    remove: float = 0.4
    add: float = 0.5
    seen: int = 2
    fits: float = 0.05
    least: int = 120
    overlap: float = 0.5
    twice: float = 0.7
    within: float = 0.3
    redraw: float = 0.6
    astray: float = 0.3
    swallowed: float = 0.7
    better: float = 0.08
    trust: float = 0.75
    add_trust: float = 0.5
    max_depth: float = 6.0
    across: int = 320


@dataclass(frozen=True)
class Reconcile:
    """Clip stage: instances and the world in, instances that agree with it out."""

    config: ReconcileConfig = field(default_factory=ReconcileConfig)
    name: str = "reconcile"
    reads: tuple[str, ...] = ("instances", "objects", "sightings")
    writes: tuple[str, ...] = ("instances", "reconciled")
    _worlds: dict[str, WorldSeen] = field(default_factory=dict, repr=False, compare=False)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 16, "config": asdict(self.config)}

    def open(self, clip: Clip, tables: SessionTables) -> ReconcileJob:
        """Start on a clip; the world is read once per session and shared by its clips."""
        key = f"{tables.session}/{tables.runs['objects']}/{tables.runs['sightings']}"
        if key not in self._worlds:
            self._worlds.clear()
            objects, sightings = (tables.of_session(t) for t in ("objects", "sightings"))
            self._worlds[key] = WorldSeen.of(objects, sightings, self.config.remove)
        raw: dict[int, list[Row]] = {}
        for row in tables.of_clip("instances", clip).to_pylist():
            raw.setdefault(row["frame_id"], []).append(row)
        return ReconcileJob(clip, self.config, self._worlds[key], raw)


@dataclass
class ReconcileJob:
    """Makes the labels of a clip's frames agree with the world.

    Frames are looked at one by one; what becomes of them is decided when all were, for only then is
    it known how far the outlines that the world expects of an object can be trusted.
    """

    clip: Clip
    config: ReconcileConfig
    world: WorldSeen
    raw: Mapping[int, list[Row]]
    looked: list[Looked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._home = homes(self.world, (r for rows in self.raw.values() for r in rows))

    def encode(self, frame: Frame) -> Looked:
        """What one frame should show, and how well its labels fit that."""
        views = self._views(frame)
        whose = {r["instance"]: self._whose(r, views) for r in self.raw.get(frame.frame_id, [])}
        track, fit = ({n: of[k] for n, of in whose.items()} for k in range(2))
        several = frozenset(n for n, of in whose.items() if of[2])
        return Looked(frame.frame_id, frame.t_ns, frame.camera, views, track, fit, several)  # type: ignore[arg-type]

    def collect(self, item: Looked) -> None:
        """Keep one frame's."""
        self.looked.append(item)

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's labels and decisions."""
        trust = Trust.after(self.world, self.looked, self.config.redraw)
        kept: list[Row] = []
        told: list[Row] = []
        for frame in self.looked:
            rows, decisions = self._judged(frame, trust)
            for track, view in self._missed(frame, rows, trust):
                added = self._added(frame, track, view, trust.added(track))
                rows.append(added)
                why = "it should be seen and was not proposed"
                decisions.append(_decision(added, None, "added", why))
            for n, row in enumerate(rows):
                row["instance"] = n
            kept += rows
            told += decisions
        return {
            "instances": pa.Table.from_pylist(kept, INSTANCES),
            "reconciled": pa.Table.from_pylist(told, RECONCILED),
        }

    def _views(self, frame: Frame) -> dict[int, View]:
        """What should be seen of each object, by track; nothing without depth or pose."""
        from scenekeeper.world.expected import expected

        T = self.world.pose.get(frame.frame_id)
        if T is None or frame.depth is None or frame.camera.intrinsics is None:
            return {}
        c = self.config
        seen = expected(
            self.world.owners,
            frame.depth,
            np.asarray(frame.camera.intrinsics),
            T,
            stride=sampling(frame.camera.width, c.across),
            max_depth=c.max_depth,
            least=c.least,
        )
        return {self.world.tracks[n]: View(*found) for n, found in seen.items()}

    def _judged(self, frame: Looked, trust: Trust) -> tuple[list[Row], list[Row]]:
        """Instances that stay, renamed and redrawn where the world knows better; and why."""
        kept: list[Row] = []
        told: list[Row] = []
        fit = frame.fit
        raw = self.raw.get(frame.frame_id, [])
        for row in sorted(raw, key=lambda r: self._belief(frame, r), reverse=True):
            number = row["instance"]
            track = frame.track[number]
            thing = self.world.objects.get(track)
            if thing is None:
                kept.append(dict(row))
                told.append(_decision(row, number, "kept", "it has no place in the world"))
                continue
            home = self._home.get(row["track"])
            beside = any(other["track"] == track for other in kept)
            reason = self._against(row, thing, track, kept)
            if beside and not reason and home not in (None, track):
                track, thing = home, self.world.objects[home]
                beside = any(other["track"] == track for other in kept)
                reason = self._against(row, thing, track, kept)
            if not reason and home != track and self._is_elsewhere(thing, fit[number], trust):
                reason = "the object shows elsewhere in the picture"
            if not reason and track == frame.track[number] and self._is_other(row, thing, frame):
                reason = f"it is neither called {thing['phrase']} nor drawn like it"
            if reason:
                told.append(_decision(row, number, "removed", reason))
                continue
            if beside:
                own = row["track"] if row["track"] != track else -1
                kept.append({**row, "track": own, "before": row["track"]})
                why = "it lies beside another label of the object that the world takes it for"
                told.append(_decision(kept[-1], number, "kept", why))
                continue
            view = frame.views.get(track) if trust.of[track] >= self.config.trust else None
            several = number in frame.several
            new, action, reason = self._agreed(row, thing, track, view, fit[number], several)
            kept.append(new)
            told.append(_decision(new, number, action, reason))
        return kept, told

    def _whose(self, row: Row, views: Mapping[int, View]) -> tuple[int, float, bool]:
        """Track that stands for an instance's object, how well its mask fits that (IoU), and
        whether it is of several objects in one.

        The map says whose it is, unless its outline is not that object's and is another's. Where
        the map cannot tell, or knows nothing of the object but this, the model's track does.
        """
        track = self.world.track.get((row["frame_id"], row["instance"]), -1)
        if self.world.objects.get(track, NOTHING)["frames"] < self.config.seen:
            track = self._home.get(row["track"], track)
        if row["mask"] is None or is_structure(self.world.objects.get(track, NOTHING)):
            return track, np.nan, False
        mask = masks.decode(row["mask"], (row["height"], row["width"]))
        fit = views[track].iou(mask) if track in views else np.nan
        if fit >= self.config.redraw or not views:
            return track, fit, self._is_several(mask, track, views)
        others = {t: v.iou(mask) for t, v in views.items() if self._is_sure(self.world.objects[t])}
        best = max(others, key=lambda t: others[t], default=track)
        if others.get(best, 0.0) >= self.config.redraw:
            return best, others[best], self._is_several(mask, best, views)
        several = self._is_several(mask, track, views)
        return track, max(fit, self.config.astray) if several else fit, several

    def _is_several(self, mask: Mask, track: int, views: Mapping[int, View]) -> bool:
        """Whether a mask is that of an object and of others beside it, all in one."""
        c = self.config
        inside = {
            t: v
            for t, v in views.items()
            if v.shared(mask) >= c.swallowed * v.area and self._is_sure(self.world.objects[t])
        }
        if track not in inside or len(inside) < 2:
            return False
        alone = iou([inside[track]], mask)
        return iou([*inside.values()], mask) >= max(c.redraw, alone + c.better)

    def _belief(self, frame: Looked, row: Row) -> tuple[float, float, float]:
        number = row["instance"]
        thing = self.world.objects.get(frame.track[number])
        sure = -1.0 if thing is None else float(thing["score"])
        return sure, float(np.nan_to_num(frame.fit[number])), float(row["score"])

    def _against(self, row: Row, thing: Row, track: int, kept: Sequence[Row]) -> str | None:
        """Why an instance cannot stay, if so."""
        if thing["score"] < self.config.remove and not is_structure(thing):
            return f"belief that there is such a thing is {thing['score']:.2f}"
        for other in kept:
            # Two tracks seen at once are not one thing, unless they lie on one another.
            apart = row["track"] >= 0 and row["track"] != other.get("before", -1)
            apart = apart and outlines.overlap(row, other) <= self.config.within
            if other["track"] == track and not apart:
                return "another label of this frame is the same object"
            if outlines.overlap(row, other) > self.config.twice:
                return "a label of a more certain object covers it"
        return None

    def _is_elsewhere(self, thing: Row, fit: float, trust: Trust) -> bool:
        """Whether an instance is none of an object that shows clearly, and not there."""
        c = self.config
        clear = trust.of[thing["track"]] >= c.trust and self._is_sure(thing)
        return clear and fit < c.astray

    def _is_other(self, row: Row, thing: Row, frame: Looked) -> bool:
        """Whether neither an instance's name nor its outline is that of the object whose cells it
        lies on, as of what is hallucinated on a table: to be of the object it would have to be
        wrong in both, and the object's outline or the mask in all else."""
        named = UNNAMED not in (row["phrase"], thing["phrase"])
        if not named or row["phrase"] == thing["phrase"] or is_structure(thing):
            return False
        fit, mask = frame.fit[row["instance"]], row["mask"]
        placed = self.world.track.get((row["frame_id"], row["instance"])) == thing["track"]
        if np.isnan(fit) and placed and frame.views and mask is not None:
            # Less shows of the object than would be worth a view; they share no more than that.
            fit = self.config.least / max(masks.area(mask), 1)
        return fit < self.config.astray

    def _agreed(
        self, row: Row, thing: Row, track: int, view: View | None, fit: float, several: bool
    ) -> tuple[Row, str, str]:
        """An instance as the world has it, with what was done and why."""
        new = {**row, "track": track, "before": row["track"], "signals": _signals(row, thing)}
        action, reason = "confirmed", f"the world says {thing['phrase']}"
        doubtful = several or self.config.astray <= fit < self.config.redraw
        if view is not None and doubtful and self._is_sure(thing):
            new.update(outlines.drawn(view, (row["height"], row["width"])))
            new["flags"] = [*(row["flags"] or ()), "redrawn"]
            action, reason = "redrawn", f"its outline and the object's share {fit:.0%}"
        elif row["mask"] is not None:
            new["box_xyxy"] = outlines.box(row["mask"], (row["height"], row["width"]))
        if thing["phrase"] != row["phrase"] and thing["phrase"] != UNNAMED:
            action, reason = "renamed", f"the world says {thing['phrase']}"
            new["phrase"] = thing["phrase"]
        if thing["p"] is not None and not is_structure(thing):
            new["p"] = thing["p"]
        return new, action, reason

    def _missed(self, frame: Looked, rows: Sequence[Row], trust: Trust) -> list[tuple[int, View]]:
        """Objects that should be seen and are not labelled."""
        c, shown = self.config, {r["track"] for r in rows}
        missing = [
            t
            for t in frame.views
            if t not in shown
            and trust.of[t] >= c.add_trust
            and self._is_sure(self.world.objects[t])
        ]
        if not missing:
            return []
        T = self.world.pose[frame.frame_id]
        covered = outlines.covered(rows, (frame.camera.height, frame.camera.width))
        out = []
        for track in missing:
            view = frame.views[track]
            free = view.mask & ~view.of(covered)
            if free.sum() < (1 - c.overlap) * view.mask.sum():
                continue
            if self._share_in_view(frame, T, track, view.mask) >= c.fits:
                out.append((track, view))
        return out

    def _is_sure(self, thing: Row) -> bool:
        c = self.config
        sure: bool = thing["score"] >= c.add and thing["frames"] >= c.seen
        return sure and not is_structure(thing)

    def _share_in_view(self, frame: Looked, T: Float, track: int, mask: Mask) -> float:
        """How much of an object's box, as it would lie in the picture, is seen."""
        thing = self.world.objects[track]
        K = np.asarray(frame.camera.intrinsics)
        corners = geometry.box_corners(
            np.array(thing["center"]),
            np.array(thing["extent"]),
            np.array(thing["R_world_box"]).reshape(3, 3),
        )
        local = geometry.transform(geometry.invert(T), corners)
        local[:, 2] = np.maximum(local[:, 2], 0.1)
        whole = np.ptp(geometry.project(K, local), 0).prod()
        size = frame.camera.height * frame.camera.width
        return float(mask.sum() / np.clip(whole, 1.0, size))

    def _added(self, frame: Looked, track: int, view: View, trust: float) -> Row:
        thing, size = self.world.objects[track], (frame.camera.height, frame.camera.width)
        drawn = outlines.drawn(view, size)
        box, (height, width) = drawn["box_xyxy"], size
        cut = box[0] <= 1 or box[1] <= 1 or box[2] >= width - 1 or box[3] >= height - 1
        return {
            "session": self.clip.session,
            "frame_id": frame.frame_id,
            "t_ns": frame.t_ns,
            "instance": -1,
            "track": track,
            **drawn,
            "height": height,
            "width": width,
            "phrase": thing["phrase"],
            "score": float(thing["score"]) * trust,
            "p": None if thing["p"] is None else float(thing["p"]) * trust,
            "signals": [("existence", float(thing["score"]))],
            "flags": ["added", *(["truncated"] if cut else [])],
            "status": "auto",
        }


def _signals(row: Row, thing: Row) -> list[tuple[str, float]]:
    before = [(k, v) for k, v in (row["signals"] or ()) if k != "existence"]
    return [*before, ("existence", float(thing["score"]))]


def _decision(row: Row, instance: int | None, action: str, reason: str) -> Row:
    return {
        "session": row["session"],
        "frame_id": row["frame_id"],
        "instance": instance,
        "track": row["track"],
        "action": action,
        "reason": reason,
    }
