"""The numbers and words of the page: queries over the dataset's views, plain JSON values out.

Every query is bounded: it returns the chosen frames, one row per object, or a fixed number of
bins over time, however long the session is.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper.report.pictures import BestView
from scenekeeper.report.scene import pose_values
from scenekeeper.schema import UNNAMED
from scenekeeper.store import Dataset, SessionInfo, ledger

STRUCTURE = ("support", "wall")
TIMELINE_BINS = 96
QUALITY_BINS = 180
_GOLDEN = 0.6180339887

Row = dict[str, Any]


# --- what to show ---------------------------------------------------------------------------------


def choose_frames(index: pa.Table, notable: Sequence[int], limit: int) -> list[int]:
    """At most ``limit`` frames, evenly spaced for every camera; notable ones come first.

    Args:
        index: the session's frames.
        notable: frames to include whatever the spacing; they count and take half at most.
        limit: at least 1.
    """
    ids = index["frame_id"].to_numpy()
    if len(ids) <= limit:
        return sorted(ids.tolist())
    cameras = index["camera"].to_pylist()
    names = sorted(set(cameras))
    kept = set(list(notable)[: limit // 2])
    each = max(1, (limit - len(kept)) // len(names))
    of_camera = np.array(cameras)
    for name in names:
        mine = ids[of_camera == name]
        kept.update(mine[np.linspace(0, len(mine) - 1, min(each, len(mine))).astype(int)].tolist())
    return sorted(kept)[:limit]


def affordable(
    dataset: Dataset, session: str, chosen: Sequence[int], limit: int
) -> tuple[list[int], int]:
    """Of the chosen frames so many, evenly, that their labels take no more than ``limit`` bytes.

    Returns:
        The frames, and about how many bytes their labels take.
    """
    rows = dataset.sql(
        "SELECT frame_id, sum(coalesce(octet_length(mask), 0) + 70) AS bytes FROM instances"
        " WHERE session = ? AND frame_id IN (SELECT unnest(?::BIGINT[])) GROUP BY frame_id",
        [session, list(chosen)],
    ).to_pylist()
    size = {row["frame_id"]: int(row["bytes"]) for row in rows}
    kept = list(chosen)
    while len(kept) > 1 and sum(size.get(k, 0) for k in kept) > limit:
        kept = kept[::2]
    return kept, sum(size.get(k, 0) for k in kept)


def notable_frames(dataset: Dataset, session: str) -> list[Row]:
    """Up to a dozen frames worth a look, each with the reason."""
    seen: dict[int, str] = {}
    for reason, condition, order, limit in (
        ("flag", "len(flags) > 0", "sharpness", 8),
        ("most look-alikes", "lookalikes > 0", "lookalikes DESC", 2),
        ("fewest labels", "instances > 0", "instances", 2),
    ):
        rows = dataset.sql(
            f"SELECT frame_id, flags FROM quality WHERE session = ? AND {condition}"
            f" ORDER BY {order}, frame_id LIMIT {limit}",
            [session],
        )
        for row in rows.to_pylist():
            said = ", ".join(row["flags"]) if reason == "flag" else reason
            seen.setdefault(row["frame_id"], said.replace("_", " "))
    return [{"frame_id": frame_id, "reason": reason} for frame_id, reason in seen.items()]


# --- parts of the page ----------------------------------------------------------------------------


def overview(
    dataset: Dataset, info: SessionInfo, index: pa.Table, objects: Sequence[Row]
) -> dict[str, Any]:
    """What the head of the page says of a session."""
    counted = dataset.sql(
        "SELECT count(*) AS instances, count(DISTINCT track) AS tracks FROM instances"
        " WHERE session = ?",
        [info.name],
    ).to_pylist()[0]
    t_ns = index["t_ns"].to_numpy()
    things = [row for row in objects if row["kind"] not in STRUCTURE]
    return {
        "name": info.name,
        "format": info.format,
        "source": info.source,
        "task": info.task,
        "notes": list(info.notes),
        "registered": bool(info.alignment),
        "has_depth": len(index) > index["depth_row"].null_count,
        "has_poses": len(index) > index["pose"].null_count,
        "cameras": [_camera(c) for c in info.cameras],
        "frame_count": len(index),
        "seconds": round(float(t_ns[-1] - t_ns[0]) / 1e9, 3) if len(t_ns) else 0.0,
        **counted,
        "things": len(things),
        "unnamed": sum(row["phrase"] == UNNAMED for row in things),
    }


def frames(
    dataset: Dataset,
    session: str,
    index: pa.Table,
    chosen: Sequence[int],
    objects: Sequence[Row],
    pictures: Mapping[int, str],
    basis: NDArray[np.float64],
) -> list[Row]:
    """The chosen frames with their pictures and labels.

    A label is ``[place of its object or -1, track, phrase, x0, y0, x1, y1, counts, status]``.
    """
    place = {row["id"]: k for k, row in enumerate(objects)}
    cameras = {name: k for k, name in enumerate(dict.fromkeys(_names(dataset, session)))}
    t0 = index["t_ns"][0].as_py() if len(index) else 0
    labels: dict[int, list[list[Any]]] = {}
    for row in _of_frames(dataset, "instances", session, chosen):
        box = [round(v, 1) for v in row["box_xyxy"]]
        counts = None if row["mask"] is None else row["mask"].decode("ascii")
        known = place.get(row["object"], -1)
        phrase = None if known >= 0 else row["phrase"]
        label = [known, row["track"], phrase, *box, counts, row["status"]]
        labels.setdefault(row["frame_id"], []).append(label)
    flags = {r["frame_id"]: r["flags"] for r in _of_frames(dataset, "quality", session, chosen)}
    said = {r["frame_id"]: r["text"] for r in _of_frames(dataset, "captions", session, chosen)}
    return [
        {
            "id": row["frame_id"],
            "t": round((row["t_ns"] - t0) / 1e9, 3),
            "camera": cameras.get(row["camera"], 0),
            "size": [row["width"], row["height"]],
            "picture": pictures.get(row["frame_id"]),
            "flags": flags.get(row["frame_id"]) or [],
            "caption": said.get(row["frame_id"]),
            "pose": pose_values(row["pose"], basis),
            "labels": labels.get(row["frame_id"], []),
        }
        # Frames are numbered by their rows.
        for row in index.take(pa.array(sorted(chosen), pa.int64())).to_pylist()
    ]


def objects(dataset: Dataset, session: str) -> list[Row]:
    """The session's objects, those in most frames first.

    Keys that begin with an underscore are for the other parts, not for the page.
    """
    t0, n = _start(dataset, session)
    seen = _timelines(dataset, session, n)
    rows = dataset.sql(
        "SELECT * FROM objects WHERE session = ? ORDER BY coalesce(frames, 0) DESC, object",
        [session],
    )
    found = []
    for row in rows.to_pylist():
        extent = row["extent"]
        found.append(
            {
                "id": row["object"],
                "track": row["track"],
                "phrase": row["phrase"] or UNNAMED,
                "named": row["status"] in ("verified", "corrected"),
                "kind": row["kind"] or "thing",
                "structure": row["kind"] in STRUCTURE,
                "color": color(row["object"]),
                "cm": None if extent is None else [round(100 * v, 1) for v in extent],
                "frames": row["frames"] or 0,
                "first": _seconds(row["first_t_ns"], t0),
                "last": _seconds(row["last_t_ns"], t0),
                "seen": seen.get(row["track"], ""),
                "best": row["best_frame_ids"] or [],
                "_center": row["center"],
                "_extent": extent,
                "_R_world_box": row["R_world_box"],
            }
        )
    return found


def best_views(dataset: Dataset, session: str, objects: Sequence[Row]) -> list[BestView]:
    """Where each object is seen best, for those that any frame shows."""
    ids = [row["id"] for row in objects if row["best"]]
    best = [row["best"][0] for row in objects if row["best"]]
    rows = dataset.sql(
        "SELECT i.object, i.frame_id, i.box_xyxy, i.mask, i.height, i.width"
        " FROM instances i JOIN (SELECT unnest(?::BIGINT[]) AS object,"
        " unnest(?::BIGINT[]) AS frame_id) b USING (object, frame_id)"
        " WHERE i.session = ? ORDER BY i.object, i.area",
        [ids, best, session],
    )
    views = {  # the largest instance comes last and stays
        row["object"]: BestView(
            row["object"],
            row["frame_id"],
            tuple(row["box_xyxy"]),
            row["mask"],
            (row["height"], row["width"]),
            color(row["object"]),
        )
        for row in rows.to_pylist()
    }
    return list(views.values())


def relations(dataset: Dataset, session: str, objects: Sequence[Row]) -> list[list[Any]]:
    """``[subject's place, predicate, object's place, score, source]`` among known objects."""
    place = {row["id"]: k for k, row in enumerate(objects)}
    return [
        [place[r["subject"]], r["predicate"], place[r["object"]], r["score"], r["source"]]
        for r in dataset.table("relations", session).to_pylist()
        if r["subject"] in place and r["object"] in place
    ]


def quality(dataset: Dataset, session: str, notable: Sequence[Row]) -> dict[str, Any] | None:
    """Sharpness and brightness over time, counts of flags; ``None`` when nothing was measured."""
    _, n = _start(dataset, session)
    if not n:
        return None
    bins = min(QUALITY_BINS, n)
    binned = dataset.sql(
        "SELECT frame_id * ? // ? AS bin, avg(sharpness) AS sharpness,"
        " avg(brightness) AS brightness, avg(depth_known) AS depth,"
        " count(*) FILTER (len(flags) > 0) AS flagged, min(frame_id) AS frame"
        " FROM quality WHERE session = ? GROUP BY bin ORDER BY bin",
        [bins, n, session],
    ).to_pylist()
    if not binned:
        return None
    flags = dataset.sql(
        "SELECT flag, count(*) AS n FROM (SELECT unnest(flags) AS flag FROM quality"
        " WHERE session = ?) GROUP BY flag ORDER BY n DESC, flag",
        [session],
    ).to_pylist()
    sums = dataset.sql(
        "SELECT sum(small)::BIGINT AS small, sum(truncated)::BIGINT AS truncated,"
        " sum(lookalikes)::BIGINT AS lookalike FROM quality WHERE session = ?",
        [session],
    ).to_pylist()[0]
    return {
        "frames": [r["frame"] for r in binned],
        "sharpness": [_rounded(r["sharpness"]) for r in binned],
        "brightness": [_rounded(r["brightness"]) for r in binned],
        "depth": [_rounded(r["depth"], 3) for r in binned],
        "flagged": [r["flagged"] for r in binned],
        "frame_flags": [[r["flag"], r["n"]] for r in flags],
        "instance_flags": [[name, count] for name, count in sums.items() if count],
        "notable": [[row["frame_id"], row["reason"]] for row in notable],
    }


def speed(dataset: Dataset, session: str) -> dict[str, Any]:
    """Seconds of work per stage, and what failed."""
    taken = ledger.seconds(dataset.path, session)
    failed = [f for f in ledger.failures(dataset.path) if f[1] == session]
    stages = sorted(((k, round(v or 0.0, 3)) for k, v in taken.items()), key=lambda s: -s[1])
    failures = [[stage, clip, reason.strip().splitlines()[-1]] for stage, _, clip, reason in failed]
    return {"stages": stages, "failures": failures}


def runs(dataset: Dataset, session: str) -> list[Row]:
    """What made each table in force: the run, its stage, its facts and what it read."""
    found = []
    for table, run in sorted(dataset.current(session).items()):
        try:
            facts = dataset.run_facts(table, run)
        except FileNotFoundError:
            facts = {}
        stage, reads = facts.pop("stage", ""), facts.pop("reads", {})
        found.append({"table": table, "run": run, "stage": stage, "reads": reads, "facts": facts})
    return found


def color(object_id: int) -> str:
    """``#rrggbb`` of an object: the same on every page, neighbours in number far apart in hue."""
    hue = (object_id * _GOLDEN) % 1
    lightness = (0.58, 0.66, 0.52)[object_id % 3]
    r, g, b = colorsys.hls_to_rgb(hue, lightness, 0.78)
    return f"#{round(255 * r):02x}{round(255 * g):02x}{round(255 * b):02x}"


# --- helpers --------------------------------------------------------------------------------------


def _of_frames(dataset: Dataset, view: str, session: str, chosen: Sequence[int]) -> list[Row]:
    query = (
        f"SELECT * FROM {view} WHERE session = ? AND frame_id IN (SELECT unnest(?::BIGINT[]))"
        " ORDER BY frame_id"
    )
    return list(dataset.sql(query, [session, list(chosen)]).to_pylist())


def _timelines(dataset: Dataset, session: str, n: int) -> dict[int, str]:
    """Per track, in how many frames of each bin over time it is seen: digits 0 to 9."""
    if not n:
        return {}
    bins = min(TIMELINE_BINS, n)
    rows = dataset.sql(
        "SELECT track, frame_id * ? // ? AS bin, count(*) AS seen FROM instances"
        " WHERE session = ? GROUP BY track, bin",
        [bins, n, session],
    )
    per_bin = n / bins
    found: dict[int, list[int]] = {}
    for row in rows.to_pylist():
        line = found.setdefault(row["track"], [0] * bins)
        if 0 <= row["bin"] < bins:
            line[row["bin"]] = min(9, int(np.ceil(9 * row["seen"] / per_bin)))
    return {track: "".join(map(str, line)) for track, line in found.items()}


def _start(dataset: Dataset, session: str) -> tuple[int, int]:
    """Time of the first frame and number of frames."""
    row = dataset.sql(
        "SELECT min(t_ns) AS t0, count(*) AS n FROM frames WHERE session = ?", [session]
    ).to_pylist()[0]
    return row["t0"] or 0, row["n"]


def _names(dataset: Dataset, session: str) -> list[str]:
    return [camera.name for camera in dataset.session(session).cameras]


def _camera(camera: Any) -> Row:
    K = camera.intrinsics
    focal = None if K is None else round(float(K[0, 0]), 1)
    return {"name": camera.name, "width": camera.width, "height": camera.height, "focal": focal}


def _seconds(t_ns: int | None, t0: int) -> float | None:
    return None if t_ns is None else round((t_ns - t0) / 1e9, 2)


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, digits)
