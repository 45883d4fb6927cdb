"""Every hop's doubt reaches its column, what was not measured is 0, and people change nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scenekeeper import schema
from scenekeeper.review.signals import NAMES, SIGNALS, snapshot, units
from scenekeeper.review.units import Units
from tests.review.labelled_room import FRAMES, instances, room, row, thing


def column(found: Units, name: str) -> np.ndarray[Any, Any]:
    return found.X[:, NAMES.index(name)]


def raw(found: Units, name: str) -> np.ndarray[Any, Any]:
    signal = SIGNALS[NAMES.index(name)]
    return column(found, name) * signal.spread + signal.typical


def steady(track: int, frames: int = FRAMES, **values: Any) -> list[dict[str, Any]]:
    return [row(k, track, **values) for k in range(frames)]


def test_a_track_is_a_unit(tmp_path: Path) -> None:
    made = [*steady(3, 7), *steady(5, score=0.4)]
    found = units(room(tmp_path / "a.sk", made))
    assert found.session == ("kitchen", "kitchen")
    assert found.track.tolist() == [3, 5]
    assert found.object.tolist() == [-1, -1]
    assert found.phrase == ("cup", "cup")
    assert found.frames.tolist() == [7, FRAMES]
    assert (found.first.tolist(), found.last.tolist()) == ([0, 0], [6, FRAMES - 1])
    np.testing.assert_allclose(found.size_px, 50)
    np.testing.assert_allclose(found.logit, np.log([0.8 / 0.2, 0.4 / 0.6]), rtol=1e-4)
    assert found.choices[0] == {"cup": 1.0}


def test_units_come_by_session_and_track_and_labels_without_a_track_are_left_out(
    tmp_path: Path,
) -> None:
    room(tmp_path / "a.sk", [*steady(9), *steady(2), *steady(-1)], session="b")
    found = units(room(tmp_path / "a.sk", steady(4), session="a"))
    assert list(zip(found.session, found.track.tolist(), strict=True)) == [
        ("a", 4),
        ("b", 2),
        ("b", 9),
    ]


def test_what_was_not_measured_is_typical(tmp_path: Path) -> None:
    found = units(room(tmp_path / "a.sk", steady(1)))
    absent = ("weak existence", "weak mask", "torn detector", "rival name", "disagreement")
    absent += ("unsure words", "count", "odd size", "3D residual", "not placed", "weakest score")
    assert all(column(found, name)[0] == 0 for name in absent)
    assert np.isfinite(found.X).all()
    assert (np.abs(found.X) <= 3).all()


def test_a_dataset_without_labels_has_no_units(tmp_path: Path) -> None:
    found = units(room(tmp_path / "a.sk", []))
    assert len(found) == 0
    assert found.X.shape == (0, len(NAMES))


def test_scores_of_detector_and_segmenter_are_read(tmp_path: Path) -> None:
    hops = {"mask_iou": 0.9, "stability": 0.2, "entropy": 1.5}
    made = [*steady(1, signals=hops), *[row(k, 2, score=0.9 - 0.03 * k) for k in range(FRAMES)]]
    found = units(room(tmp_path / "a.sk", made))
    np.testing.assert_allclose(raw(found, "weak mask")[0], np.log(0.8 / 0.2), rtol=1e-4)
    np.testing.assert_allclose(raw(found, "torn detector")[0], 1.5, rtol=1e-4)
    assert column(found, "weak mask")[1] == 0
    mean, least = 0.9 - 0.03 * 9.5, 0.9 - 0.03 * 19
    apart = np.log(mean / (1 - mean)) - np.log(least / (1 - least))
    np.testing.assert_allclose(raw(found, "weakest score")[1], apart, rtol=1e-4)


def test_what_flickers_jumps_or_jerks_is_doubted(tmp_path: Path) -> None:
    def moved(track: int, x: Any, side: Any = lambda k: 50.0) -> list[dict[str, Any]]:
        return [
            row(k, track, box=(x(k), 100.0, x(k) + side(k), 100.0 + side(k))) for k in range(FRAMES)
        ]

    gappy = [r for r in steady(1) if r["frame"] % 2 == 0]
    smooth = moved(2, lambda k: 100.0 + 5 * k)
    jerking = moved(3, lambda k: 100.0 + 40 * (k % 2))
    swelling = moved(4, lambda k: 100.0, lambda k: 50.0 + 50 * (k % 2))
    found = units(room(tmp_path / "a.sk", [*gappy, *smooth, *jerking, *swelling]))
    np.testing.assert_allclose(raw(found, "gaps"), [9 / 19, 0, 0, 0], atol=1e-6)
    assert column(found, "jerk")[2] > column(found, "jerk")[1] + 1
    assert column(found, "area jumps")[3] > column(found, "area jumps")[1] + 1


def test_a_cut_off_box_does_not_count_as_a_jump(tmp_path: Path) -> None:
    made = [row(k, 1, box=(0, 100, 50 + 40 * (k % 2), 150), flags=["truncated"]) for k in range(20)]
    found = units(room(tmp_path / "a.sk", made))
    assert column(found, "area jumps")[0] == column(found, "jerk")[0] == 0
    assert raw(found, "cut off")[0] == pytest.approx(1)


def test_pictures_and_flags_are_read(tmp_path: Path) -> None:
    quality = [["blurred"] if k < 5 else ["dark"] if k < 7 else [] for k in range(FRAMES)]
    made = [row(k, 1, flags=["lookalike"] if k < 10 else []) for k in range(FRAMES)]
    found = units(room(tmp_path / "a.sk", made, quality=quality))
    assert raw(found, "blur")[0] == pytest.approx(0.25)
    assert raw(found, "exposure")[0] == pytest.approx(0.1)
    assert raw(found, "look-alike")[0] == pytest.approx(0.5)


def test_the_world_is_read(tmp_path: Path) -> None:
    names = [("cup", 0.7), ("mug", 0.21)]
    things = [
        thing(1, p=0.7, names=names, score=0.95),
        thing(2, center=[0.1, 0.0, 2.0], score=0.5),
        thing(3, center=[0.0, 0.0, -2.0], phrase="object"),
    ]
    objects = pa.Table.from_pylist(things, schema.OBJECTS)
    made = [*steady(1), *steady(2, flags=["added"]), *steady(3)]
    found = units(room(tmp_path / "a.sk", made, tables={"objects": objects}))
    assert found.object.tolist() == [1, 2, 3]
    np.testing.assert_allclose(found.logit[0], np.log(0.7 / 0.3), rtol=1e-4)
    assert list(found.choices[0]) == ["cup", "mug"]
    np.testing.assert_allclose(raw(found, "rival name")[0], np.log(0.21 / 0.7), rtol=1e-4)
    np.testing.assert_allclose(
        raw(found, "weak existence")[:2], [-np.log(0.95 / 0.05), 0], atol=1e-4
    )
    # Track 1 is seen where the world has it, 2 half a box beside it, 3 lies behind the camera.
    np.testing.assert_allclose(raw(found, "3D residual")[:2], np.log([0.02, 0.52]), atol=1e-3)
    assert column(found, "3D residual")[2] == 3
    assert raw(found, "expected but missed")[1] == pytest.approx(0.75)  # held at 3 spreads
    assert found.phrase[2] == "object"
    assert column(found, "unnamed").tolist() == [0, 0, 1]


def test_a_thing_of_another_size_than_its_kind_is_odd(tmp_path: Path) -> None:
    sizes = (0.1, 0.11, 0.1, 0.09, 0.1, 0.8)
    things = [thing(k, extent=[s, s, s]) for k, s in enumerate(sizes)]
    made = [r for k in range(len(sizes)) for r in steady(k)]
    objects = pa.Table.from_pylist(things, schema.OBJECTS)
    odd = column(units(room(tmp_path / "a.sk", made, tables={"objects": objects})), "odd size")
    assert odd.argmax() == 5
    assert odd[5] > odd[:5].max() + 2


def test_a_name_that_changes_from_frame_to_frame_is_doubted(tmp_path: Path) -> None:
    made = [row(k, 1, phrase="mug" if k % 4 == 0 else "cup") for k in range(FRAMES)]
    found = units(room(tmp_path / "a.sk", [*made, *steady(2)]))
    assert found.phrase == ("cup", "cup")
    assert raw(found, "changing names").tolist() == pytest.approx([0.25, 0])
    assert found.choices[0] == pytest.approx({"cup": 0.75, "mug": 0.25})


def test_what_the_models_said_before_the_world_decided_is_compared(tmp_path: Path) -> None:
    decisions = [
        {
            "session": "kitchen",
            "frame_id": k,
            "instance": 0,
            "track": 1,
            "action": "renamed" if k < 5 else "confirmed",
            "reason": "",
        }
        for k in range(FRAMES)
    ]
    reconciled = pa.Table.from_pylist(decisions, schema.RECONCILED)
    dataset = room(
        tmp_path / "a.sk",
        steady(1),
        tables={"reconciled": reconciled},
        reads={"instances": "models"},
    )
    before = [row(k, 7, phrase="mug" if k < 5 else "cup") for k in range(FRAMES)]
    dataset.write_segment(instances("kitchen", before), "instances", "models", "kitchen", 0)
    found = units(dataset)
    assert raw(found, "changing names")[0] == pytest.approx(0.25)
    assert list(found.choices[0]) == ["cup", "mug"]


def test_what_a_describer_says_is_compared(tmp_path: Path) -> None:
    said = [("a blue cup", 0.2), ("a bowl with apples", 1.2)]
    statements = [
        {
            "session": "kitchen",
            "frame_id": 0,
            "kind": "object",
            "subject": 1,
            "text": text,
            "signals": [("text_entropy", entropy)],
        }
        for text, entropy in said
    ]
    statements.append(
        {"session": "kitchen", "frame_id": 0, "kind": "caption", "signals": [("count_gap", -2.0)]}
    )
    tables = {"statements": pa.Table.from_pylist(statements, schema.STATEMENTS)}
    found = units(room(tmp_path / "a.sk", [*steady(1), row(3, 2)], tables=tables))
    assert raw(found, "disagreement")[0] == pytest.approx(0.5)
    assert raw(found, "unsure words")[0] == pytest.approx(0.7)
    assert raw(found, "count")[0] == pytest.approx(2)
    assert column(found, "count")[1] == 0  # it is in no frame that was described


@pytest.mark.parametrize(
    ("odds", "unsure"),
    [([("text_p_min", 0.5)], np.log(2)), ([], None), ([("text_entropy", 0.9)], 0.9)],
)
def test_a_describer_that_tells_no_odds_is_not_taken_for_unsure(
    tmp_path: Path, odds: list[tuple[str, float]], unsure: float | None
) -> None:
    said = {"session": "kitchen", "frame_id": 0, "kind": "object", "subject": 1, "text": "a cup"}
    statements = pa.Table.from_pylist([{**said, "signals": odds}], schema.STATEMENTS)
    found = units(room(tmp_path / "a.sk", steady(1), tables={"statements": statements}))
    assert column(found, "disagreement")[0] < 0
    if unsure is None:
        assert column(found, "unsure words")[0] == 0
    else:
        assert raw(found, "unsure words")[0] == pytest.approx(unsure, abs=0.01)


# --- the cache ------------------------------------------------------------------------------------


def same(a: Units, b: Units) -> bool:
    arrays = ("track", "object", "frames", "first", "last", "size_px", "X", "logit")
    texts = ("snapshot", "session", "phrase", "choices", "signals")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in arrays) and all(
        getattr(a, n) == getattr(b, n) for n in texts
    )


def test_what_was_kept_is_what_was_read(tmp_path: Path) -> None:
    things = [thing(1, names=[("cup", 0.6), ("mug", 0.3)])]
    tables = {"objects": pa.Table.from_pylist(things, schema.OBJECTS)}
    dataset = room(tmp_path / "a.sk", [*steady(1), *steady(2)], tables=tables)
    first = units(dataset)
    (file,) = (dataset.path / "cache" / "review").iterdir()
    assert same(first, units(dataset))
    file.write_bytes(b"damaged")
    assert same(first, units(dataset))


def test_a_dataset_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    dataset = room(tmp_path / "a.sk", steady(1))
    (dataset.path / "cache").write_text("in the way")
    assert len(units(dataset)) == 1


def test_another_labelling_is_another_snapshot_and_a_persons_name_is_none(tmp_path: Path) -> None:
    things = {"objects": pa.Table.from_pylist([thing(1)], schema.OBJECTS)}
    dataset = room(tmp_path / "a.sk", steady(1), tables=things)
    first = units(dataset)
    assert first.snapshot == snapshot(dataset)
    dataset.name_object(1, "mug")
    assert same(first, units(dataset))
    dataset.write_segment(instances("kitchen", steady(1, 5)), "instances", "r2", "kitchen", 0)
    dataset.set_current("kitchen", {**dataset.current("kitchen"), "instances": "r2"})
    again = units(dataset)
    assert again.snapshot == snapshot(dataset) != first.snapshot
    assert again.frames.tolist() == [5]
    assert len(list((dataset.path / "cache" / "review").iterdir())) == 1
