"""What the world says that a session's frames show, and how far its outlines can be trusted.

In: tables of objects and sightings. Out: per frame whose mask is whose, as far as the map knows;
per object how often masks were where the world expects it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.schema import UNNAMED, Camera
from scenekeeper.world.same_place import STRUCTURE
from scenekeeper.world.scene import CELL
from scenekeeper.world.structure import KINDS

Float = NDArray[np.float64]
Row = dict[str, Any]
Place = tuple[int, int, int, int]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class View:
    """What should be seen of an object.

    Attributes:
        mask: ``bool [h, w]``.
        place: where it lies: x0, y0, x1, y1.
    """

    mask: Mask
    place: Place

    def of(self, whole: Mask) -> Mask:
        """The same part of a picture."""
        x0, y0, x1, y1 = self.place
        return whole[y0:y1, x0:x1]

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.mask.sum())

    def shared(self, whole: Mask) -> int:
        """Pixels that it has in common with a mask ``bool [H, W]`` of the picture."""
        return int((self.mask & self.of(whole)).sum())

    def iou(self, whole: Mask) -> float:
        """With a mask ``bool [H, W]`` of the picture."""
        return iou([self], whole)


def iou(views: Sequence[View], whole: Mask) -> float:
    """Of several views together, which have no pixel in common, with a mask of the picture."""
    shared, area = sum(v.shared(whole) for v in views), sum(v.area for v in views)
    return shared / max(area + int(whole.sum()) - shared, 1)


@dataclass(frozen=True, eq=False)
class WorldSeen:
    """Objects by track, and what each frame shows of them.

    Attributes:
        objects: rows by the track that stands for them.
        tracks: the same tracks, in the order of ``owners``.
        owners: whose cell is whose.
        pose: settled pose by frame.
        track: per frame and instance the track that stands for its object; -1 = none.
    """

    objects: Mapping[int, Row]
    tracks: Sequence[int]
    owners: Any
    pose: Mapping[int, Float]
    track: Mapping[tuple[int, int], int]

    @classmethod
    def of(cls, objects: pa.Table, sightings: pa.Table, least: float) -> WorldSeen:
        """Of objects; what is believed in less than ``least`` has no cells of its own."""
        from scenekeeper.world.expected import Owners

        rows = {o["track"]: o for o in objects.to_pylist()}
        tracks = [t for t in sorted(rows) if rows[t]["score"] >= least or is_structure(rows[t])]
        cells = [np.array(rows[t]["cells"], np.int64) for t in tracks]
        pose, track = {}, {}
        for s in sightings.to_pylist():
            if s["pose"] is not None:
                pose[s["frame_id"]] = geometry.pose_matrix(s["pose"])
            else:
                track[s["frame_id"], s["instance"]] = s["track"]
        return cls(rows, tracks, Owners.of(cells, CELL), pose, track)


@dataclass(frozen=True, eq=False)
class Looked:
    """One frame before anything is decided.

    Attributes:
        frame_id: its number.
        t_ns: capture time.
        camera: what took it.
        views: what should be seen of each object, by track.
        track: by instance, the track that stands for its object; -1 = none.
        fit: by instance, IoU of its mask with what should be seen of its object; NaN = not known.
        several: instances whose masks are of several objects in one.
    """

    frame_id: int
    t_ns: int
    camera: Camera
    views: Mapping[int, View]
    track: Mapping[int, int]
    fit: Mapping[int, float]
    several: frozenset[int] = frozenset()


def homes(world: WorldSeen, rows: Iterable[Row]) -> dict[int, int]:
    """By model's track the track that stands for what most of its instances are."""
    told: dict[int, Counter[int]] = {}
    for row in rows:
        track = world.track.get((row["frame_id"], row["instance"]), -1)
        if row["track"] >= 0 and track in world.objects:
            told.setdefault(row["track"], Counter())[track] += 1
    return {own: of.most_common(1)[0][0] for own, of in told.items()}


@dataclass(frozen=True)
class Trust:
    """How far the outlines that the world expects can be trusted.

    Attributes:
        of: by track how probable it is that the object's is right.
        usual: share of all masks that agree; masks are wrong now and then, too.
    """

    of: Mapping[int, float]
    usual: float

    @classmethod
    def after(cls, world: WorldSeen, frames: Iterable[Looked], agree: float) -> Trust:
        """Frames were compared; masks agree from an IoU of ``agree`` on."""
        fits: dict[int, list[bool]] = {}
        for frame in frames:
            for number, fit in frame.fit.items():
                track = world.track.get((frame.frame_id, number), -1)
                if track != frame.track[number]:
                    fit = 0.0
                if np.isfinite(fit) and track in world.objects:
                    fits.setdefault(track, []).append(fit >= agree)
        of = {t: (sum(f) + _GOOD) / (len(f) + _GOOD + _BAD) for t, f in fits.items()}
        unknown = dict.fromkeys(world.objects, _GOOD / (_GOOD + _BAD))
        return cls(unknown | of, _share([f for of in fits.values() for f in of]))

    def added(self, track: int) -> float:
        """The same of what no mask shows: outlines that agree as often as any do are as right as
        they can be shown to be."""
        return min(1.0, self.of[track] / self.usual)


NOTHING: Row = {"kind": "thing", "phrase": UNNAMED, "frames": 0}
_GOOD, _BAD = 3.0, 1.0
"""Expected outlines that were right and wrong before any was compared."""


def _share(fits: Sequence[bool]) -> float:
    """Share of masks that agree; 1 where none was compared."""
    return max(sum(fits) / len(fits), 0.5) if fits else 1.0


def is_structure(thing: Row) -> bool:
    """Whether things stand on it or hang from it; such is neither removed, redrawn nor added."""
    return thing["kind"] in STRUCTURE or thing["phrase"] in KINDS
