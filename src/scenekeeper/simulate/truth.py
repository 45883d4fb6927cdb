"""What is really there: the exact labels of simulated visits, as an ordinary labelled dataset.

Instances carry, among their signals, how much of the thing is visible and the box of the whole of
it; objects keep their ids from visit to visit; relations, captions and changes are what was built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scenekeeper import masks
from scenekeeper.geometry import pose_vector
from scenekeeper.recording.base import POSE_NAMES, Recording
from scenekeeper.recording.frames import frame_index, signal_rows
from scenekeeper.schema import (
    CAPTIONS,
    CHANGES,
    OBJECTS,
    RELATIONS,
    Labels,
    instances_table,
)
from scenekeeper.simulate.changes import Change
from scenekeeper.simulate.home import Home, Thing
from scenekeeper.simulate.render import see, see_whole
from scenekeeper.simulate.robot import GRIPPER
from scenekeeper.simulate.session import Visit
from scenekeeper.simulate.truth_relations import how_carried, true_relations
from scenekeeper.store import Dataset, SessionInfo

Float = NDArray[np.float64]
Rows = list[dict[str, object]]

RUN = "truth"
MIN_PIXELS = 12
"""What shows fewer pixels than this is not in the picture, as far as labels go."""

IDS = 1000
"""Object ids per home, from ``1000 * seed`` on: no two homes share one."""

STRUCTURE_ID = 990
"""Within a home, structure has the ids after this: it is the same floor in every room."""

CLIP_SECONDS = 10.0


def write_truth(
    dataset: Dataset,
    visit: Visit,
    recording: Recording,
    before: tuple[str, Visit] | None = None,
    changes: Sequence[Change] = (),
) -> None:
    """Add the exact labels of one visit to a dataset.

    Args:
        dataset: where to.
        visit: what was simulated.
        recording: the recording that was written of it, whose frames the labels are for, and
            whose name the session gets.
        before: the visit before it, and the name of its session.
        changes: what was done to the home between the two.
    """
    index = frame_index(recording)
    clips = _clip_bounds(index["t_ns"].to_numpy())
    info = SessionInfo(
        recording.name,
        str(recording.path.resolve()),
        recording.format,
        recording.content,
        tuple(view.camera for view in recording.views),
        clips,
        recording.task,
        (f"ground truth of a simulation, {visit.name}", *_notes(visit)),
    )
    dataset.add_session(info, index, signal_rows(recording))
    seen = _Seen(info.name, {}, {}, {}, {})
    for k in range(info.n_clips):
        clip = info.clip(k)
        frames = [_labels(visit, row, seen) for row in range(clip.start, clip.stop)]
        flags = [f for _, f in frames]
        table = instances_table(info.name, [f for f, _ in frames], flags)
        dataset.write_segment(_unique(table, visit.home), "instances", RUN, info.name, k)
    rows = {
        "objects": pa.Table.from_pylist(_objects(visit, seen), OBJECTS),
        "relations": pa.Table.from_pylist(_relations(visit, seen), RELATIONS),
        "captions": pa.Table.from_pylist(_captions(visit, seen), CAPTIONS),
        "changes": pa.Table.from_pylist(_changes(info.name, visit, before, changes), CHANGES),
    }
    for name, table in rows.items():
        dataset.write_segment(_unique(table, visit.home), name, RUN, info.name)
    facts = {"stage": "simulate", "seed": visit.home.seed, "content": recording.content}
    for name in ("instances", *rows):
        dataset.describe_run(name, RUN, facts)
    dataset.set_current(info.name, dict.fromkeys(("instances", *rows), RUN))


_IDS = ("track", "object", "new_object", "subject")


def _unique(table: pa.Table, home: Home) -> pa.Table:
    """The table with ids that no other home has."""
    base = pa.scalar(object_id(home, 0), pa.int64())
    for name in set(_IDS) & set(table.column_names):
        column = pc.add(table[name], base)
        table = table.set_column(table.column_names.index(name), table.schema.field(name), column)
    return table


def object_id(home: Home, id: int) -> int:
    """The object that truth's tables call a thing (or structure) of a home."""
    return IDS * home.seed + id


@dataclass
class _Seen:
    """What has come into view so far.

    Attributes:
        session: of the recording.
        frames: per object id the frames that show it.
        pixels: per object id the pixels that each of these frames shows.
        ids: per frame the ids of what it shows.
        times: per frame its time.
    """

    session: str
    frames: dict[int, list[int]]
    pixels: dict[int, list[int]]
    ids: dict[int, list[int]]
    times: dict[int, int]


def _labels(visit: Visit, row: int, seen: _Seen) -> tuple[Labels, list[list[str]]]:
    """Exact instances of one picture and their flags."""
    camera, T = visit.camera, visit.pose(row)
    scene = visit.scene_of(row)
    shot, whole = see(scene, camera, T), see_whole(scene, camera, T)
    moving = _poses_of_moving(visit, row)
    size = (camera.height, camera.width)
    t_ns = int(visit.t_ns[row])
    rows: list[dict[str, object]] = []
    flags: list[list[str]] = []
    shown = [i for i in np.unique(shot.ids).tolist() if i != 0]
    looks = Counter(visit.home.thing(i).look for i in shown if i > 0)
    for i in shown:
        mask = shot.ids == i
        pixels = int(mask.sum())
        if pixels < MIN_PIXELS:
            continue
        depth = float(np.median(shot.depth[mask]))
        counts = masks.encode(mask)
        facts: dict[str, float] = {"distance": depth, "visible": 1.0}
        marks: list[str] = []
        if i > 0:
            k = int(np.searchsorted(whole.ids, i))
            box = whole.box_xyxy[k]
            facts["visible"] = min(1.0, pixels / max(1, int(whole.pixels[k])))
            facts |= {
                f"whole_{n}": float(v) for n, v in zip(("x0", "y0", "x1", "y1"), box, strict=True)
            }
            facts |= moving.get(i, {})
            marks = _marks(visit.home.thing(i), facts, box, size, looks)
        rows.append({"id": i if i > 0 else STRUCTURE_ID - i, "mask": counts, "facts": facts})
        flags.append(marks)
    ids = [int(r["id"]) for r in rows]  # type: ignore[call-overload]
    names = sorted({n for r in rows for n in r["facts"]})  # type: ignore[attr-defined]
    seen.ids[row], seen.times[row] = ids, t_ns
    for r, i in zip(rows, ids, strict=True):
        seen.frames.setdefault(i, []).append(row)
        seen.pixels.setdefault(i, []).append(masks.area(r["mask"]))  # type: ignore[arg-type]
    labels = Labels(
        row,
        t_ns,
        size,
        np.array([masks.box(r["mask"], size) for r in rows], np.float32).reshape(-1, 4),  # type: ignore[arg-type]
        mask=tuple(r["mask"] for r in rows),  # type: ignore[misc]
        phrase=tuple(_phrase(visit.home, i) for i in ids),
        score=np.ones(len(rows), np.float32),
        p=np.ones(len(rows), np.float32),
        track=np.array(ids, np.int64),
        signals={
            n: np.array([r["facts"].get(n, np.nan) for r in rows], np.float32)  # type: ignore[attr-defined]
            for n in names
        },
        status=("verified",) * len(rows),
    )
    return labels, flags


def _poses_of_moving(visit: Visit, row: int) -> dict[int, dict[str, float]]:
    """By instance, the pose ``T_world_thing`` in one picture of what moves during the visit."""
    return {
        thing.id: {
            f"pose_{name}": float(v)
            for name, v in zip(POSE_NAMES, pose_vector(visit.pose_of(thing, row)), strict=True)
        }
        for thing in visit.motion.things
    }


def _notes(visit: Visit) -> list[str]:
    """What moved during the visit, for whoever reads the objects."""
    return [
        f"the {t.family.phrase} {object_id(visit.home, t.id)} moves during the visit: its object"
        " says where it ended, the signals pose_* of its instances where it was"
        for t in visit.motion.things
    ]


def _marks(
    thing: Thing,
    facts: Mapping[str, float],
    box: Float,
    size: tuple[int, int],
    looks: Mapping[int, int],
) -> list[str]:
    x0, y0, x1, y1 = box
    checks = {
        "truncated": x0 < 0 or y0 < 0 or x1 > size[1] or y1 > size[0],
        "occluded": facts["visible"] < 0.7,
        "lookalike": looks[thing.look] > 1,
    }
    return [name for name, found in checks.items() if found]


def _phrase(home: Home, id: int) -> str:
    return home.thing(id).family.phrase if id < STRUCTURE_ID else home.structure[STRUCTURE_ID - id]


# --- objects and relations ------------------------------------------------------------------------


def _objects(visit: Visit, seen: _Seen) -> Rows:
    return [_object(visit, id, seen) for id in sorted(seen.frames)]


def _object(visit: Visit, id: int, seen: _Seen) -> dict[str, object]:
    frames = seen.frames[id]
    best = np.argsort(-np.array(seen.pixels[id]), kind="stable")[:4]
    if id < STRUCTURE_ID:
        thing = visit.home.thing(id)
        center, extent, R = thing.center, thing.extent, thing.T_world_thing[:3, :3]
        rgb = np.array(thing.model.materials[0].rgb)
        kind = "flat" if extent[2] < 0.02 and thing.family.mobility == "movable" else "thing"
    else:
        kind = "wall" if visit.home.structure[STRUCTURE_ID - id] == "wall" else "support"
        center, extent, R = _structure_box(visit.home, kind)
        rgb = np.full(3, 0.7)
    return {
        "session": seen.session,
        "object": id,
        "track": id,
        "phrase": _phrase(visit.home, id),
        "kind": kind,
        "score": 1.0,
        "center": center.tolist(),
        "extent": extent.tolist(),
        "R_world_box": R.ravel().tolist(),
        "rgb": np.clip(255 * rgb ** (1 / 2.2), 0, 255).astype(np.uint8).tolist(),
        "frames": len(frames),
        "first_t_ns": seen.times[frames[0]],
        "last_t_ns": seen.times[frames[-1]],
        "best_frame_ids": [frames[int(k)] for k in best],
        "status": "verified",
    }


def _structure_box(home: Home, kind: str) -> tuple[Float, Float, Float]:
    rooms = home.rooms
    x0, x1 = min(r.x0 for r in rooms), max(r.x1 for r in rooms)
    y0, y1 = min(r.y0 for r in rooms), max(r.y1 for r in rooms)
    height = rooms[0].height if kind == "wall" else 0.01
    center = np.array([(x0 + x1) / 2, (y0 + y1) / 2, height / 2 if kind == "wall" else -0.005])
    return center, np.array([x1 - x0, y1 - y0, height]), np.eye(3)


def _relations(visit: Visit, seen: _Seen) -> Rows:
    floor, wall = (
        next(STRUCTURE_ID - i for i, said in visit.home.structure.items() if said == name)
        for name in ("floor", "wall")
    )
    return [
        {
            "session": seen.session,
            "subject": a,
            "predicate": how,
            "object": b,
            "score": 1.0,
            "source": "truth",
            "frame": "",
        }
        for a, how, b in true_relations(visit.home, seen.frames.keys(), floor, wall)
    ]


def _captions(visit: Visit, seen: _Seen) -> Rows:
    """One plain sentence per frame: the largest things in view and what they are on."""
    home = visit.home
    carried = {t.id: (how_carried(home, t), t.carrier) for t in home.things if t.carrier}
    rows = []
    for row, ids in seen.ids.items():
        shown = [i for i in ids if i < STRUCTURE_ID]
        parts = []
        held = _held(visit, row)
        for i in shown[:12]:
            how, on = ("held by", GRIPPER) if i in held else carried.get(i, ("on", None))
            place = f" {how} a {_phrase(visit.home, on)}" if on in shown else ""
            parts.append(f"a {_phrase(visit.home, i)}{place}")
        text = ", ".join(parts) if parts else "nothing but floor and walls"
        rows.append(
            {
                "session": seen.session,
                "frame_id": row,
                "t_ns": seen.times[row],
                "text": text,
                "source": "truth",
                "status": "verified",
            }
        )
    return rows


def _held(visit: Visit, row: int) -> set[int]:
    """What is in the gripper in one picture: it is neither where it was nor where it ends."""
    n = len(visit.t_ns) - 1
    out = set()
    for thing in visit.motion.things:
        first, here, last = (visit.pose_of(thing, k)[:3, 3] for k in (0, row, n))
        if min(np.abs(here - first).max(), np.abs(here - last).max()) > 1e-6:
            out.add(thing.id)
    return out - {GRIPPER}


def _changes(
    session: str, visit: Visit, before: tuple[str, Visit] | None, changes: Sequence[Change]
) -> Rows:
    if before is None:
        return []
    since, earlier = before
    rows = []
    for c in changes:
        old = None if c.kind == "added" else earlier.home.thing(c.thing)
        now = None if c.kind == "taken" else visit.home.thing(c.new_thing or c.thing)
        known = old or now
        assert known is not None
        rows.append(
            {
                "session": session,
                "since": since,
                "kind": c.kind,
                "object": c.thing,
                "new_object": c.new_thing,
                "phrase": known.family.phrase,
                "before": None if old is None else old.center.tolist(),
                "after": None if now is None else now.center.tolist(),
                "score": 1.0,
                "source": "truth",
            }
        )
    return rows


def _clip_bounds(t_ns: NDArray[np.int64]) -> tuple[int, ...]:
    if not len(t_ns):
        return (0,)
    number = ((t_ns - t_ns[0]) / (CLIP_SECONDS * 1e9)).astype(np.int64)
    return (*np.flatnonzero(np.diff(number, prepend=-1)).tolist(), len(t_ns))
