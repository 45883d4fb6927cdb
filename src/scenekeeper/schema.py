"""The vocabulary of the house: frozen dataclasses for one thing, Arrow schemas for many.

Time is ``int64`` nanoseconds, lengths are metres, angles radians, images ``uint8 [H, W, 3]`` RGB,
depth ``float32 [H, W]`` metres with 0 for unknown, poses ``T_world_camera`` 4x4 ``float64`` with
OpenCV camera axes (x right, y down, z forward). Boxes are ``xyxy`` in pixels, half-open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import masks

SCHEMA_VERSION = 1

Status = Literal["auto", "certified", "verified", "propagated", "corrected"]
"""How far a label can be trusted, and who stands behind it."""

STATUSES: tuple[str, ...] = get_args(Status)
NO_ID = -1
UNNAMED = "object"
"""The phrase of a thing that no model and no person has named."""


@dataclass(frozen=True, eq=False)
class Camera:
    """One calibrated (or not yet calibrated) camera.

    Attributes:
        name: unique within its recording.
        width: image width in pixels.
        height: image height in pixels.
        intrinsics: ``float64 [3, 3]`` pinhole matrix, or ``None`` when unknown.
        distortion: coefficients in OpenCV's order; empty when there is none or it is removed.
    """

    name: str
    width: int
    height: int
    intrinsics: NDArray[np.float64] | None = None
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"camera {self.name!r}: size {self.width}x{self.height} is empty")
        if self.intrinsics is None:
            return
        K = np.array(self.intrinsics, np.float64)
        if K.shape != (3, 3) or not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
            raise ValueError(
                f"camera {self.name!r}: intrinsics must be a finite 3x3 matrix with positive"
                " focal lengths"
            )
        K.flags.writeable = False
        object.__setattr__(self, "intrinsics", K)


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of one camera, with what was known at that moment.

    Attributes:
        frame_id: unique within the session, ascending in time.
        session: name of the recording session.
        camera: the camera that took it; its intrinsics hold for ``rgb`` and ``depth`` alike.
        t_ns: capture time, nanoseconds.
        rgb: ``uint8 [H, W, 3]``.
        depth: ``float32 [H, W]`` metres registered to ``rgb``, 0 = unknown; ``None`` without depth.
        T_world_camera: ``float64 [4, 4]``; ``None`` when the pose is unknown.
    """

    frame_id: int
    session: str
    camera: Camera
    t_ns: int
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32] | None = None
    T_world_camera: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.rgb.dtype != np.uint8 or self.rgb.ndim != 3 or self.rgb.shape[2] != 3:
            raise ValueError(
                f"frame {self.frame_id}: rgb must be uint8 [H, W, 3], not {self.rgb.dtype}"
                f" {list(self.rgb.shape)}"
            )
        if self.depth is not None and (
            self.depth.dtype != np.float32 or self.depth.shape != self.rgb.shape[:2]
        ):
            raise ValueError(
                f"frame {self.frame_id}: depth must be float32 {list(self.rgb.shape[:2])}, not"
                f" {self.depth.dtype} {list(self.depth.shape)}"
            )
        if self.T_world_camera is not None and self.T_world_camera.shape != (4, 4):
            raise ValueError(f"frame {self.frame_id}: T_world_camera must be [4, 4]")


@dataclass(frozen=True)
class Clip:
    """The unit of work, of parallelism and of resume: a run of frames of one session.

    Attributes:
        session: name of the session.
        index: position of the clip in the session, from 0.
        start: first ``frame_id``.
        stop: one past the last ``frame_id``.
    """

    session: str
    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Relation:
    """A directed statement about two things, ``subject predicate object``.

    Attributes:
        subject: id of the thing spoken of.
        predicate: ``on``, ``in``, ``under``, ``above``, ``next to``, ``attached to``, ``behind``,
            ``in front of``, ``left of``, ``right of``.
        object: id of the other.
        score: probability that it holds.
        source: who says so: ``geometry``, ``vlm``, ``person``, ``truth``.
        frame: whose left, right, front and back are meant, as ``view SESSION/FRAME_ID``; empty
            where the relation is the same from everywhere.
        since_t_ns: from when on it is known to hold,
        until_t_ns: and till when; ``None`` = still.
    """

    subject: int
    predicate: str
    object: int
    score: float = 1.0
    source: str = "geometry"
    frame: str = ""
    since_t_ns: int | None = None
    until_t_ns: int | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """Everything said about one frame: N instances as a struct of arrays.

    Attributes:
        frame_id: the frame it belongs to.
        t_ns: the frame's time.
        size: ``(H, W)`` of the frame.
        box_xyxy: ``float32 [N, 4]`` pixels.
        mask: N COCO ``counts`` (see :mod:`scenekeeper.masks`) or ``None`` per instance.
        phrase: N class names as open-vocabulary phrases.
        score: ``float32 [N]``, the model's own, uncalibrated.
        signals: further scores by name, each ``float32 [N]``.
        p: ``float32 [N]`` calibrated probability that the label is right; NaN = not calibrated.
        track: ``int64 [N]`` identity within the session; -1 = none.
        object: ``int64 [N]`` identity in the world; -1 = none.
        status: N of :data:`STATUSES`.
        names: N mappings of what it may be called to the model's score for that, best first.
        text: N sentences about the thing, or ``None``.
        caption: a sentence about the frame.
        relations: statements about pairs of ``object``; from a model that does not know the world,
            about pairs of ``track``.
    """

    frame_id: int
    t_ns: int
    size: tuple[int, int]
    box_xyxy: NDArray[np.float32]
    mask: tuple[bytes | None, ...] = ()
    phrase: tuple[str, ...] = ()
    score: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    signals: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    p: NDArray[np.float32] | None = None
    track: NDArray[np.int64] | None = None
    object: NDArray[np.int64] | None = None
    status: tuple[str, ...] = ()
    names: tuple[Mapping[str, float], ...] = ()
    text: tuple[str | None, ...] = ()
    caption: str | None = None
    relations: tuple[Relation, ...] = ()

    def __post_init__(self) -> None:
        boxes = np.asarray(self.box_xyxy, np.float32).reshape(-1, 4)
        n = len(boxes)
        columns: dict[str, Any] = {
            "box_xyxy": boxes,
            "mask": tuple(self.mask) or (None,) * n,
            "phrase": tuple(self.phrase) or (UNNAMED,) * n,
            "score": _column(self.score, n, np.float32, 1.0),
            "p": _column(self.p, n, np.float32, np.nan),
            "track": _column(self.track, n, np.int64, NO_ID),
            "object": _column(self.object, n, np.int64, NO_ID),
            "status": tuple(self.status) or ("auto",) * n,
            "names": tuple(self.names) or ({},) * n,
            "text": tuple(self.text) or (None,) * n,
            "signals": {k: _column(v, n, np.float32, np.nan) for k, v in self.signals.items()},
        }
        for name, value in columns.items():
            if name != "signals" and len(value) != n:
                raise ValueError(f"labels of frame {self.frame_id}: {len(value)} {name}, {n} boxes")
            object.__setattr__(self, name, value)
        if bad := set(self.status) - set(STATUSES):
            raise ValueError(f"labels of frame {self.frame_id}: no such status {sorted(bad)}")

    def __len__(self) -> int:
        return len(self.box_xyxy)

    def __getitem__(self, index: Any) -> Labels:
        """Instances by slice, integer array or boolean mask, as another ``Labels``."""
        rows = np.arange(len(self))[index]
        rows = np.atleast_1d(rows)
        assert self.p is not None and self.track is not None and self.object is not None
        return replace(
            self,
            box_xyxy=self.box_xyxy[rows],
            mask=tuple(self.mask[i] for i in rows),
            phrase=tuple(self.phrase[i] for i in rows),
            score=self.score[rows],
            signals={k: v[rows] for k, v in self.signals.items()},
            p=self.p[rows],
            track=self.track[rows],
            object=self.object[rows],
            status=tuple(self.status[i] for i in rows),
            names=tuple(self.names[i] for i in rows),
            text=tuple(self.text[i] for i in rows),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Labels]) -> Labels:
        """All instances of several ``Labels`` of the same frame; the first caption wins.

        Raises:
            ValueError: no parts, or parts of different frames.
        """
        if not parts or any(p.frame_id != parts[0].frame_id for p in parts):
            raise ValueError("only labels of one and the same frame can be concatenated")
        names = {name for part in parts for name in part.signals}

        def signal(part: Labels, name: str) -> NDArray[np.float32]:
            missing = np.full(len(part), np.nan, np.float32)
            return part.signals.get(name, missing)

        return cls(
            parts[0].frame_id,
            parts[0].t_ns,
            parts[0].size,
            np.concatenate([p.box_xyxy for p in parts]),
            mask=tuple(m for p in parts for m in p.mask),
            phrase=tuple(x for p in parts for x in p.phrase),
            score=np.concatenate([p.score for p in parts]),
            signals={n: np.concatenate([signal(p, n) for p in parts]) for n in sorted(names)},
            p=np.concatenate([np.asarray(p.p) for p in parts]),
            track=np.concatenate([np.asarray(p.track) for p in parts]),
            object=np.concatenate([np.asarray(p.object) for p in parts]),
            status=tuple(s for p in parts for s in p.status),
            names=tuple(n for p in parts for n in p.names),
            text=tuple(t for p in parts for t in p.text),
            caption=next((p.caption for p in parts if p.caption), None),
            relations=tuple(r for p in parts for r in p.relations),
        )

    @classmethod
    def empty(cls, frame: Frame) -> Labels:
        """Labels of a frame that shows nothing; of the size of its picture."""
        size = (frame.rgb.shape[0], frame.rgb.shape[1])
        return cls(frame.frame_id, frame.t_ns, size, np.zeros((0, 4), np.float32))

    @classmethod
    def from_masks(cls, frame: Frame, dense: Iterable[NDArray[np.bool_]], **columns: Any) -> Labels:
        """Labels from dense ``bool [H, W]`` masks; boxes are the masks' own."""
        size = (frame.camera.height, frame.camera.width)
        counts = [masks.encode(mask) for mask in dense]
        boxes = np.array([masks.box(c, size) for c in counts], np.float32).reshape(-1, 4)
        return cls(frame.frame_id, frame.t_ns, size, boxes, mask=tuple(counts), **columns)


def _column(value: Any, n: int, dtype: Any, missing: float) -> NDArray[Any]:
    if value is None or (len(value) == 0 and n):
        return np.full(n, missing, dtype)
    return np.asarray(value, dtype)


# --- Arrow schemas: one table each, documented for users in docs/tables.md ------------------------

_BOX = pa.list_(pa.float32(), 4)
_VEC3 = pa.list_(pa.float64(), 3)

FRAMES = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("camera", pa.string()),
        ("t_ns", pa.int64()),
        ("rgb_row", pa.int64()),
        ("depth_row", pa.int64()),
        ("depth_residual_ns", pa.int64()),
        ("pose", pa.list_(pa.float64(), 7)),
        ("pose_residual_ns", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)

SIGNALS = pa.schema(
    [
        ("session", pa.string()),
        ("signal", pa.string()),
        ("kind", pa.string()),
        ("t_ns", pa.int64()),
        ("values", pa.list_(pa.float64())),
    ]
)

QUALITY = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("sharpness", pa.float32()),
        ("brightness", pa.float32()),
        ("dark", pa.float32()),
        ("bright", pa.float32()),
        ("depth_known", pa.float32()),
        ("flags", pa.list_(pa.string())),
    ]
)

INSTANCES = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("instance", pa.int32()),
        ("track", pa.int64()),
        ("box_xyxy", _BOX),
        ("mask", pa.binary()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("area", pa.int32()),
        ("phrase", pa.string()),
        ("score", pa.float32()),
        ("p", pa.float32()),
        ("signals", pa.map_(pa.string(), pa.float32())),
        ("flags", pa.list_(pa.string())),
        ("status", pa.string()),
    ]
)

_ODDS = pa.map_(pa.string(), pa.float32())

DETECTIONS = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("detection", pa.int32()),
        ("box_xyxy", _BOX),
        ("mask", pa.binary()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("phrase", pa.string()),
        ("score", pa.float32()),
        ("names", _ODDS),
        ("signals", _ODDS),
        ("admitted", pa.bool_()),
    ]
)

MASKLETS = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("camera", pa.string()),
        ("track", pa.int64()),
        ("box_xyxy", _BOX),
        ("mask", pa.binary()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("phrase", pa.string()),
        ("score", pa.float32()),
        ("names", _ODDS),
        ("signals", _ODDS),
    ]
)

STITCHES = pa.schema(
    [
        ("session", pa.string()),
        ("clip", pa.int32()),
        ("masklet", pa.int64()),
        ("track", pa.int64()),
        ("phrase", pa.string()),
        ("score", pa.float32()),
        ("names", _ODDS),
    ]
)

GLANCES = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("thumbnail", pa.binary()),
    ]
)

KEYFRAMES = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("main", pa.bool_()),
    ]
)

STATEMENTS = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("kind", pa.string()),
        ("subject", pa.int64()),
        ("predicate", pa.string()),
        ("object", pa.int64()),
        ("text", pa.string()),
        ("score", pa.float32()),
        ("source", pa.string()),
        ("signals", _ODDS),
    ]
)

PROPOSALS = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("proposal", pa.int32()),
        ("box_xyxy", _BOX),
        ("mask", pa.binary()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("score", pa.float32()),
        ("depth", pa.float32()),
        ("keys", pa.list_(pa.int64())),
        ("embedding", pa.list_(pa.float32())),
        ("logits", pa.list_(pa.float32())),
    ]
)

OBSERVATIONS = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("instance", pa.int32()),
        ("points", pa.binary()),
        ("rgb", pa.binary()),
    ]
)

DEPTHS = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("step", pa.int32()),
        ("depth", pa.binary()),
        ("picture", pa.binary()),
        ("pose", pa.list_(pa.float64(), 7)),
    ]
)

SIGHTINGS = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("instance", pa.int32()),
        ("track", pa.int64()),
        ("pose", pa.list_(pa.float64(), 7)),
    ]
)

SURFACE = pa.schema(
    [
        ("session", pa.string()),
        ("key", pa.int64()),
        ("count", pa.int32()),
        ("position", pa.list_(pa.float32(), 3)),
        ("normal", pa.list_(pa.float32(), 3)),
        ("rgb", pa.list_(pa.uint8(), 3)),
        ("range", pa.float32()),
    ]
)

SEGMENTS = pa.schema(
    [
        ("session", pa.string()),
        ("track", pa.int64()),
        ("kind", pa.string()),
        ("score", pa.float32()),
        ("extent", _VEC3),
        ("rgb", pa.list_(pa.uint8(), 3)),
        ("up", _VEC3),
        ("voxel_size", pa.float64()),
        ("keys", pa.list_(pa.int64())),
    ]
)

TRACKS = pa.schema(
    [
        *SEGMENTS,
        ("segment", pa.int64()),
        ("phrase", pa.string()),
        ("p", pa.float32()),
        ("embedding", pa.list_(pa.float32())),
        ("frame_ids", pa.list_(pa.int64())),
        ("proposals", pa.list_(pa.int32())),
        ("names", pa.list_(pa.string())),
        ("p_names", pa.list_(pa.float32())),
    ]
)

OBJECTS = pa.schema(
    [
        ("session", pa.string()),
        ("object", pa.int64()),
        ("track", pa.int64()),
        ("phrase", pa.string()),
        ("kind", pa.string()),
        ("score", pa.float32()),
        ("center", _VEC3),
        ("extent", _VEC3),
        ("R_world_box", pa.list_(pa.float64(), 9)),
        ("rgb", pa.list_(pa.uint8(), 3)),
        ("frames", pa.int32()),
        ("first_t_ns", pa.int64()),
        ("last_t_ns", pa.int64()),
        ("best_frame_ids", pa.list_(pa.int64())),
        ("status", pa.string()),
        ("p", pa.float32()),
        ("names", pa.map_(pa.string(), pa.float32())),
        ("position_std", _VEC3),
        ("colors", pa.map_(pa.string(), pa.float32())),
        ("cells", pa.list_(pa.int64())),
    ]
)

RELATIONS = pa.schema(
    [
        ("session", pa.string()),
        ("subject", pa.int64()),
        ("predicate", pa.string()),
        ("object", pa.int64()),
        ("score", pa.float32()),
        ("source", pa.string()),
        ("frame", pa.string()),
        ("since_t_ns", pa.int64()),
        ("until_t_ns", pa.int64()),
    ]
)

RECONCILED = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("instance", pa.int32()),
        ("track", pa.int64()),
        ("action", pa.string()),
        ("reason", pa.string()),
    ]
)

OBJECT_CAPTIONS = pa.schema(
    [
        ("session", pa.string()),
        ("object", pa.int64()),
        ("track", pa.int64()),
        ("frame_id", pa.int64()),
        ("text", pa.string()),
        ("score", pa.float32()),
        ("source", pa.string()),
        ("status", pa.string()),
    ]
)

CAPTIONS = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("t_ns", pa.int64()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("status", pa.string()),
    ]
)

NAMES = pa.schema(
    [
        ("object", pa.int64()),
        ("phrase", pa.string()),
        ("author", pa.string()),
        ("t_ns", pa.int64()),
        ("status", pa.string()),
    ]
)

CHANGES = pa.schema(
    [
        ("session", pa.string()),
        ("since", pa.string()),
        ("kind", pa.string()),
        ("object", pa.int64()),
        ("new_object", pa.int64()),
        ("phrase", pa.string()),
        ("before", _VEC3),
        ("after", _VEC3),
        ("score", pa.float32()),
        ("source", pa.string()),
    ]
)

RULINGS = pa.schema(
    [
        ("session", pa.string()),
        ("track", pa.int64()),
        ("first", pa.int64()),
        ("last", pa.int64()),
        ("there", pa.bool_()),
        ("phrase", pa.string()),
        ("as_track", pa.int64()),
        ("status", pa.string()),
        ("event", pa.int64()),
        ("t_ns", pa.int64()),
    ]
)

DRAWN = pa.schema(
    [
        ("session", pa.string()),
        ("frame_id", pa.int64()),
        ("track", pa.int64()),
        ("added", pa.bool_()),
        ("box_xyxy", _BOX),
        ("mask", pa.binary()),
        ("area", pa.int32()),
        ("phrase", pa.string()),
        ("status", pa.string()),
        ("event", pa.int64()),
        ("t_ns", pa.int64()),
    ]
)

SAYINGS = pa.schema(
    [
        ("kind", pa.string()),
        ("session", pa.string()),
        ("subject", pa.int64()),
        ("predicate", pa.string()),
        ("object", pa.int64()),
        ("holds", pa.bool_()),
        ("text", pa.string()),
        ("status", pa.string()),
        ("event", pa.int64()),
        ("t_ns", pa.int64()),
    ]
)

TRUST = pa.schema(
    [
        ("session", pa.string()),
        ("run", pa.string()),
        ("track", pa.int64()),
        ("p", pa.float32()),
        ("certified", pa.bool_()),
    ]
)

TABLES: Mapping[str, pa.Schema] = {
    "frames": FRAMES,
    "signals": SIGNALS,
    "quality": QUALITY,
    "surface": SURFACE,
    "segments": SEGMENTS,
    "detections": DETECTIONS,
    "masklets": MASKLETS,
    "stitches": STITCHES,
    "glances": GLANCES,
    "keyframes": KEYFRAMES,
    "statements": STATEMENTS,
    "object_captions": OBJECT_CAPTIONS,
    "proposals": PROPOSALS,
    "tracks": TRACKS,
    "observations": OBSERVATIONS,
    "depths": DEPTHS,
    "sightings": SIGHTINGS,
    "reconciled": RECONCILED,
    "instances": INSTANCES,
    "objects": OBJECTS,
    "relations": RELATIONS,
    "captions": CAPTIONS,
    "changes": CHANGES,
    "names": NAMES,
    "rulings": RULINGS,
    "drawn": DRAWN,
    "sayings": SAYINGS,
    "trust": TRUST,
}


def instances_table(session: str, labels: Iterable[Labels], flags: Any = None) -> pa.Table:
    """Rows of :data:`INSTANCES` from the labels of any number of frames.

    Args:
        session: the session's name.
        labels: one ``Labels`` per frame.
        flags: per frame, per instance lists of flag names; none when absent.
    """
    rows: dict[str, list[Any]] = {name: [] for name in INSTANCES.names}
    for k, frame in enumerate(labels):
        n = len(frame)
        assert frame.track is not None and frame.p is not None
        rows["session"] += [session] * n
        rows["frame_id"] += [frame.frame_id] * n
        rows["t_ns"] += [frame.t_ns] * n
        rows["instance"] += range(n)
        rows["track"] += frame.track.tolist()
        rows["box_xyxy"] += frame.box_xyxy.tolist()
        rows["mask"] += frame.mask
        rows["height"] += [frame.size[0]] * n
        rows["width"] += [frame.size[1]] * n
        rows["area"] += [None if m is None else masks.area(m) for m in frame.mask]
        rows["phrase"] += frame.phrase
        rows["score"] += frame.score.tolist()
        rows["p"] += [None if np.isnan(p) else p for p in frame.p.tolist()]
        rows["signals"] += [
            [(k, float(v[i])) for k, v in frame.signals.items() if np.isfinite(v[i])]
            for i in range(n)
        ]
        rows["flags"] += flags[k] if flags is not None else [[] for _ in range(n)]
        rows["status"] += frame.status
    return pa.table(rows, INSTANCES)
