"""From what describers said of keyframes to captions of every frame and of every object.

In: statements, and the instances and objects that they are about. A frame has the caption of the
keyframe nearest in time that shows the same things; where there is none, a template's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from scenekeeper.describe.template import SessionTables, captions_of
from scenekeeper.schema import CAPTIONS, OBJECT_CAPTIONS


@dataclass(frozen=True)
class Compose:
    """Session stage: statements in, captions out.

    Attributes:
        names: names that people gave, by object.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    name: str = "caption"
    reads: tuple[str, ...] = ("instances", "objects", "relations", "statements")
    writes: tuple[str, ...] = ("captions", "object_captions")

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 1, "names": sorted([k, v] for k, v in self.names.items())}

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """Caption every frame and every object."""
        said = [row for part in tables.each_clip("statements") for row in part.to_pylist()]
        rows = captions_of(tables, self.names)
        _spread(rows, said, _shown(tables), _cameras(tables))
        return {
            "captions": pa.Table.from_pylist(rows, CAPTIONS),
            "object_captions": pa.Table.from_pylist(_objects(tables, said), OBJECT_CAPTIONS),
        }


def _spread(
    rows: list[dict[str, Any]],
    said: list[dict[str, Any]],
    shown: Mapping[int, frozenset[int]],
    camera: Mapping[int, str],
) -> None:
    """Put what was said of keyframes in the place of the template's words."""
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for s in said:
        if s["kind"] == "caption":
            told[camera[s["frame_id"]]].append(s)
    for row in rows:
        here = shown.get(row["frame_id"])
        alike = [s for s in told[camera[row["frame_id"]]] if shown.get(s["frame_id"]) == here]
        if not alike:
            continue
        key = min(alike, key=lambda s: abs(s["t_ns"] - row["t_ns"]))
        own = key["frame_id"] == row["frame_id"]
        row |= {"text": key["text"], "source": key["source"]}
        row["status"] = "auto" if own else "propagated"


def _shown(tables: SessionTables) -> dict[int, frozenset[int]]:
    """Tracks that each frame shows."""
    out: dict[int, frozenset[int]] = {}
    for part in tables.each_clip("instances"):
        ids, tracks = part["frame_id"].to_numpy(), part["track"].to_numpy()
        for frame_id in np.unique(ids):
            out[int(frame_id)] = frozenset(tracks[ids == frame_id].tolist())
    return out


def _cameras(tables: SessionTables) -> dict[int, str]:
    frames = tables.frames()
    return dict(zip(frames["frame_id"].to_pylist(), frames["camera"].to_pylist(), strict=True))


def _objects(tables: SessionTables, said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The likeliest sentence about each thing; of those that are alike in that, the longest."""
    objects = tables.of_session("objects").select(["object", "track"]).to_pylist()
    of_track = {o["track"]: o["object"] for o in objects}
    best: dict[int, dict[str, Any]] = {}
    for s in said:
        if s["kind"] == "object":
            before = best.get(s["subject"])
            if before is None or _worth(s) > _worth(before):
                best[s["subject"]] = s
    return [
        {
            "session": tables.session,
            "object": of_track.get(track),
            "track": track,
            "frame_id": s["frame_id"],
            "text": s["text"],
            "score": s["score"],
            "source": s["source"],
            "status": "auto",
        }
        for track, s in sorted(best.items())
    ]


def _worth(statement: Mapping[str, Any]) -> tuple[float, int]:
    return statement["score"] or 0.0, len(statement["text"])
