"""Tracks from pieces of the map and proposals: who confirms, parts, names and adds whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scenekeeper import geometry
from scenekeeper.schema import FRAMES, PROPOSALS, SEGMENTS, UNNAMED, Camera
from scenekeeper.segment import Unite
from scenekeeper.voxels import voxel_keys

SIZE = 0.02
K = np.array([[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]])
CAMERA = Camera("camera", 320, 240, K)
CLASSES = ("mug", "bowl")


def block(x: float, width: float, depth: float = 0.3) -> np.ndarray:
    """Voxels of the front of a block two metres before the camera."""
    xs, ys = np.meshgrid(np.arange(x, x + width, SIZE / 2), np.arange(-0.15, 0.15, SIZE / 2))
    zs = [np.full(xs.size, 2.0 + d) for d in np.arange(0, depth, SIZE)]
    points = np.concatenate([np.column_stack((xs.ravel(), ys.ravel(), z)) for z in zs])
    return np.unique(voxel_keys(points.astype(np.float32), SIZE))


def segment(track: int, x: float, width: float, depth: float = 0.3) -> dict[str, Any]:
    return {
        "session": "s",
        "track": track,
        "kind": "thing",
        "score": 0.8,
        "extent": [width, 0.3, depth],
        "rgb": [1, 2, 3],
        "up": [0.0, -1.0, 0.0],
        "voxel_size": SIZE,
        "keys": block(x, width, depth).tolist(),
    }


@dataclass
class Tables:
    """A session of ten frames from one place."""

    segments: list[dict[str, Any]] = field(default_factory=list)
    proposals: list[dict[str, Any]] = field(default_factory=list)
    session: str = "s"

    def frames(self) -> pa.Table:
        pose = geometry.pose_vector(np.eye(4)).tolist()
        rows = [
            {
                "session": "s",
                "frame_id": k,
                "camera": "camera",
                "t_ns": k * 100_000_000,
                "rgb_row": k,
                "depth_row": k,
                "depth_residual_ns": 0,
                "pose": pose,
                "pose_residual_ns": 0,
                "width": 320,
                "height": 240,
            }
            for k in range(10)
        ]
        return pa.Table.from_pylist(rows, FRAMES)

    def of_session(self, table: str) -> pa.Table:
        return pa.Table.from_pylist(self.segments, SEGMENTS)

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        yield pa.Table.from_pylist(self.proposals, PROPOSALS)

    def propose(
        self,
        x: float,
        width: float,
        logits: tuple[float, ...],
        frames: range,
        score: float = 0.9,
    ) -> None:
        """Propose what stands from ``x`` on, in some frames."""
        keys = block(x, width, SIZE)
        corners = geometry.project(K, np.array([[x, -0.15, 2.0], [x + width, 0.15, 2.0]]))
        for k in frames:
            self.proposals.append(
                {
                    "session": "s",
                    "frame_id": k,
                    "t_ns": k * 100_000_000,
                    "proposal": len(self.proposals),
                    "box_xyxy": corners.ravel().tolist(),
                    "mask": b"",
                    "height": 240,
                    "width": 320,
                    "score": score,
                    "depth": 2.0,
                    "keys": keys[:: max(1, len(keys) // 40)].tolist(),
                    "embedding": np.eye(4)[int(np.argmax(logits))].tolist(),
                    "logits": list(logits),
                }
            )


def united(tables: Tables) -> list[dict[str, Any]]:
    stage = Unite(CLASSES, 15.0, cameras={"camera": CAMERA})
    return list(stage.reduce(tables, "run")["tracks"].to_pylist())


def test_a_piece_is_named_by_the_proposals_on_it_and_keeps_its_id() -> None:
    tables = Tables([segment(7, 0.0, 0.3)])
    tables.propose(0.0, 0.3, (4.0, 0.0), range(10))
    [row] = united(tables)
    assert (row["track"], row["segment"], row["phrase"]) == (7, 7, "mug")
    assert row["p"] > 0.9 and row["frame_ids"] == list(range(10))


def test_a_track_says_what_else_it_may_be_called_and_how_probably() -> None:
    tables = Tables([segment(0, 0.0, 0.3)])
    tables.propose(0.0, 0.3, (4.0, 0.0), range(10))
    [row] = united(tables)
    assert row["names"] == ["mug", "bowl"] and row["names"][0] == row["phrase"]
    assert row["p_names"][0] == pytest.approx(row["p"])
    assert sum(row["p_names"]) == pytest.approx(1)


def test_what_is_too_unsure_for_a_name_keeps_its_likeliest_names() -> None:
    tables = Tables([segment(0, 0.0, 0.3)])
    tables.propose(0.0, 0.3, (0.0, 0.5), range(10))
    [row] = united(tables)
    assert row["phrase"] == UNNAMED and row["names"] == ["bowl", "mug"]
    assert row["p"] == pytest.approx(1 - row["p_names"][0])


def test_a_piece_that_nothing_proposes_has_no_names() -> None:
    [row] = united(Tables([segment(0, 0.0, 0.3)]))
    assert row["names"] == [] and row["p_names"] == []


def test_views_that_disagree_leave_it_an_object() -> None:
    tables = Tables([segment(0, 0.0, 0.3)])
    tables.propose(0.0, 0.3, (2.0, 0.0), range(5))
    tables.propose(0.0, 0.3, (0.0, 2.0), range(5, 10))
    assert {r["phrase"] for r in united(tables)} <= {UNNAMED, "mug", "bowl"}
    whole = [r for r in united(tables) if r["segment"] == 0]
    assert whole and all(r["phrase"] == UNNAMED for r in whole if len(r["frame_ids"]) == 10)


def test_two_things_side_by_side_part_a_piece() -> None:
    tables = Tables([segment(0, -0.4, 0.8)])
    tables.propose(-0.4, 0.38, (4.0, 0.0), range(10))
    tables.propose(0.02, 0.38, (0.0, 4.0), range(10))
    rows = united(tables)
    assert {(r["segment"], r["phrase"]) for r in rows} == {(-1, "mug"), (-1, "bowl")}


def test_what_the_map_does_not_show_is_added() -> None:
    tables = Tables([segment(3, -0.4, 0.3)])
    tables.propose(0.2, 0.2, (4.0, 0.0), range(6))
    rows = united(tables)
    added = [r for r in rows if r["segment"] == -1]
    assert len(added) == 1 and added[0]["track"] == 4 and added[0]["keys"]


def test_a_bulky_piece_without_proposals_stays_with_a_low_score_and_a_sliver_goes() -> None:
    rows = united(Tables([segment(0, 0.0, 0.3), segment(1, 0.5, 0.3, depth=0.03)]))
    assert [r["track"] for r in rows] == [0]
    assert rows[0]["score"] < 0.5 and rows[0]["phrase"] == UNNAMED and rows[0]["p"] is None


def test_parts_that_are_hardly_believed_do_not_part_a_piece() -> None:
    tables = Tables([segment(0, -0.4, 0.8)])
    tables.propose(-0.4, 0.8, (4.0, 0.0), range(10))
    tables.propose(-0.4, 0.38, (4.0, 0.0), range(10), score=0.4)
    tables.propose(0.02, 0.38, (0.0, 4.0), range(10), score=0.4)
    assert [r for r in united(tables) if r["segment"] == 0]


def test_what_lies_on_a_piece_and_is_surely_something_else_stands_alone() -> None:
    tables = Tables([segment(0, -0.4, 0.8)])
    tables.propose(-0.4, 0.8, (4.0, 0.0), range(10))
    tables.propose(-0.15, 0.42, (0.0, 4.0), range(10))  # seen with the other in every picture
    rows = united(tables)
    assert {(r["segment"], r["phrase"]) for r in rows} == {(0, "mug"), (-1, "bowl")}


def test_what_lies_on_a_piece_and_is_unsure_of_itself_says_nothing_of_it() -> None:
    tables = Tables([segment(0, -0.4, 0.8)])
    tables.propose(-0.4, 0.8, (4.0, 0.0), range(10))
    tables.propose(-0.15, 0.42, (0.0, 4.0), range(10), score=0.4)
    [row] = united(tables)
    assert row["phrase"] == "mug" and len(row["frame_ids"]) == 10


@pytest.mark.parametrize("frames", [range(1), range(0)])
def test_nothing_to_unite_is_no_error(frames: range) -> None:
    tables = Tables()
    tables.propose(0.0, 0.3, (4.0, 0.0), frames)
    assert len(united(tables)) == len(frames)  # one good look is enough


def test_a_taught_word_names_what_looks_like_it() -> None:
    tables = Tables([segment(0, 0.0, 0.3)])
    tables.propose(0.0, 0.3, (0.5, 0.0), range(10))
    taught = {"gasket": tuple(np.eye(4)[0].tolist())}
    stage = Unite(CLASSES, 15.0, taught, {"camera": CAMERA})
    [row] = stage.reduce(tables, "run")["tracks"].to_pylist()
    assert row["phrase"] == "gasket"
    assert stage.facts() != Unite(CLASSES, 15.0, cameras={"camera": CAMERA}).facts()
