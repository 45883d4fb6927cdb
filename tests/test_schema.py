"""The vocabulary refuses what it cannot mean, and composes what it can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper import masks, schema
from scenekeeper.schema import Camera, Clip, Frame, Labels

CAMERA = Camera("front", 8, 6, np.array([[5.0, 0, 3.5], [0, 5, 2.5], [0, 0, 1]]))
RGB = np.zeros((6, 8, 3), np.uint8)
BOXES = np.array([[0, 0, 4, 3], [1, 1, 5, 5], [2, 0, 8, 6]], np.float32)


def labels(frame_id: int = 7, **columns: Any) -> Labels:
    return Labels(frame_id, 1_000, (6, 8), BOXES, **columns)


FULL = labels(
    mask=(masks.encode(np.eye(6, 8) > 0), None, masks.encode(np.ones((6, 8), bool))),
    phrase=("mug", "table", "object"),
    score=np.array([0.1, 0.5, 0.9], np.float32),
    signals={"iou": np.array([1, 2, 3], np.float32)},
    p=np.array([0.2, np.nan, 0.4], np.float32),
    track=np.array([5, 6, 7]),
    object=np.array([50, 60, -1]),
    status=("auto", "verified", "corrected"),
    caption="a mug on a table",
)


# --- one thing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(0, 6), (8, -1)])
def test_a_camera_has_a_size(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is empty"):
        Camera("front", *size)


@pytest.mark.parametrize(
    "K",
    [np.eye(4), np.full((3, 3), np.nan), np.diag([0.0, 5, 1]), np.diag([5.0, -5, 1])],
    ids=["shape", "not a number", "no focal length", "mirrored"],
)
def test_a_camera_has_true_intrinsics_or_none(K: Any) -> None:
    with pytest.raises(ValueError, match="intrinsics must be"):
        Camera("front", 8, 6, K)
    assert Camera("front", 8, 6).intrinsics is None


def test_intrinsics_cannot_be_changed_behind_a_cameras_back() -> None:
    given_K = np.diag([5.0, 5, 1])
    camera = Camera("front", 8, 6, given_K)
    given_K[0, 0] = 9
    assert camera.intrinsics is not None and camera.intrinsics[0, 0] == 5
    with pytest.raises(ValueError, match="read-only"):
        camera.intrinsics[0, 0] = 9


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rgb": RGB.astype(np.float32)}, "rgb must be uint8"),
        ({"rgb": RGB[..., :2]}, "rgb must be uint8"),
        ({"depth": np.zeros((6, 8))}, "depth must be float32"),
        ({"depth": np.zeros((8, 6), np.float32)}, "depth must be float32"),
        ({"T_world_camera": np.eye(3)}, "T_world_camera must be"),
    ],
)
def test_a_frame_has_pictures_and_poses_of_the_right_kind(
    fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=f"frame 3: {said}"):
        Frame(**{"frame_id": 3, "session": "s", "camera": CAMERA, "t_ns": 0, "rgb": RGB, **fields})


def test_a_clip_counts_its_frames() -> None:
    assert len(Clip("s", 0, 10, 25)) == 15


# --- many things ----------------------------------------------------------------------------------


def test_what_is_not_said_of_an_instance_is_unknown() -> None:
    bare = labels()
    assert bare.phrase == ("object",) * 3 and bare.status == ("auto",) * 3
    assert bare.mask == (None,) * 3 and bare.score.tolist() == [1, 1, 1]
    assert np.isnan(np.asarray(bare.p)).all()
    assert np.asarray(bare.track).tolist() == np.asarray(bare.object).tolist() == [-1] * 3


@pytest.mark.parametrize(
    "columns",
    [
        {"mask": (b"a",)},
        {"phrase": ("mug",) * 4},
        {"score": np.ones(2, np.float32)},
        {"track": np.arange(4)},
        {"status": ("auto",)},
    ],
)
def test_every_column_has_one_value_per_box(columns: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="3 boxes"):
        labels(**columns)


def test_a_status_is_one_of_five() -> None:
    with pytest.raises(ValueError, match="no such status"):
        labels(status=("auto", "perfect", "auto"))


rows = st.one_of(
    st.slices(3),
    st.lists(st.integers(0, 2), max_size=5).map(lambda k: np.array(k, np.int64)),
    st.lists(st.booleans(), min_size=3, max_size=3).map(lambda k: np.array(k, np.bool_)),
)


@given(rows)
def test_indexing_takes_the_same_rows_of_every_column(index: Any) -> None:
    wanted = np.arange(3)[index]
    part = FULL[index]
    assert len(part) == len(wanted)
    assert part.box_xyxy.tolist() == BOXES[wanted].tolist()
    assert part.mask == tuple(FULL.mask[k] for k in wanted)
    assert part.phrase == tuple(FULL.phrase[k] for k in wanted)
    assert part.signals["iou"].tolist() == [k + 1 for k in wanted]
    assert np.asarray(part.object).tolist() == [[50, 60, -1][k] for k in wanted]
    assert part.status == tuple(FULL.status[k] for k in wanted)
    assert part.caption == FULL.caption


def test_one_index_gives_labels_of_one_instance() -> None:
    assert len(FULL[-1]) == 1 and FULL[-1].phrase == ("object",)


@given(st.integers(0, 3))
def test_cutting_and_joining_gives_the_same_labels(cut: int) -> None:
    joined = Labels.concatenate([FULL[:cut], FULL[cut:]])
    first, second = (schema.instances_table("s", [x]) for x in (joined, FULL))
    assert first.equals(second) and joined.caption == FULL.caption


def test_a_signal_that_one_part_lacks_is_not_a_number_there() -> None:
    joined = Labels.concatenate([FULL, labels()])
    assert joined.signals["iou"][:3].tolist() == [1, 2, 3]
    assert np.isnan(joined.signals["iou"][3:]).all()


def test_labels_of_different_frames_are_not_joined() -> None:
    with pytest.raises(ValueError, match="one and the same frame"):
        Labels.concatenate([FULL, labels(frame_id=8)])
    with pytest.raises(ValueError, match="one and the same frame"):
        Labels.concatenate([])


def test_labels_from_masks_have_the_masks_boxes() -> None:
    dense = np.zeros((2, 6, 8), bool)
    dense[0, 1:4, 2:7] = True
    made = Labels.from_masks(Frame(7, "s", CAMERA, 5, RGB), dense, phrase=("mug", "nothing"))
    assert made.box_xyxy.tolist() == [[2, 1, 7, 4], [0, 0, 0, 0]]
    assert made.mask[0] == masks.encode(dense[0]) and made.t_ns == 5 and made.size == (6, 8)


def test_a_table_of_instances_holds_what_the_labels_hold() -> None:
    made = FULL[np.array([0, 2])]
    counts = masks.encode(np.ones((6, 8), bool))
    made = Labels.concatenate([made, labels(mask=(counts,) * 3)[:1]])
    table = schema.instances_table("s", [made[2:]], [[["small"]]])
    row = table.to_pylist()[0]
    assert table.schema.equals(schema.INSTANCES)
    assert row["mask"] == counts and row["area"] == 48 and (row["height"], row["width"]) == (6, 8)
    assert row["p"] is None and row["signals"] == [] and row["flags"] == ["small"]


def test_every_table_has_a_schema_that_parquet_takes() -> None:
    for name, columns in schema.TABLES.items():
        assert columns.empty_table().schema.equals(columns), name
        assert isinstance(columns, pa.Schema)
