"""A recording written as RGB-D folders reads back the same, and is TUM RGB-D to everybody else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange.recording_rgbd import write_recording
from scenekeeper.geometry import invert, pose_matrix
from scenekeeper.recording import open_recording, open_recordings, rgbd
from scenekeeper.recording.base import Encoded, Images
from scenekeeper.recording.frames import frame_index
from tests.exchange import made_recordings as made


@pytest.mark.parametrize("one_clock", [False, True])
@pytest.mark.parametrize("cameras", [1, 2])
def test_everything_reads_back_the_same(tmp_path: Path, one_clock: bool, cameras: int) -> None:
    before = made.robot(one_clock=one_clock)
    before = before if cameras == 2 else made.alone(before)
    write_recording(before, tmp_path / "run")
    after = open_recording(tmp_path / "run")
    assert (after.name, after.format, after.notes) == ("run", "TUM RGB-D (scenekeeper)", ())
    made.same(before, after)


def test_reading_back_and_writing_again_gives_the_same(tmp_path: Path) -> None:
    before = made.robot()
    write_recording(before, tmp_path / "first")
    write_recording(open_recording(tmp_path / "first"), tmp_path / "second")
    made.same(before, open_recording(tmp_path / "second"))
    files = [p.relative_to(tmp_path / "first") for p in (tmp_path / "first").rglob("*.png")]
    assert len(files) > 12
    for file in files:
        assert (tmp_path / "second" / file).read_bytes() == (tmp_path / "first" / file).read_bytes()


def test_colour_files_are_copied_byte_for_byte(tmp_path: Path) -> None:
    before = made.alone(made.robot())
    write_recording(before, tmp_path / "run")
    after = open_recording(tmp_path / "run").views[0].rgb.source
    files = before.views[0].rgb.source.files
    assert [after.encoded(k) for k in range(len(after))] == files


def test_a_tum_reader_that_knows_nothing_of_us_gets_pictures_times_and_poses(
    tmp_path: Path,
) -> None:
    before = made.robot()
    write_recording(before, tmp_path / "run")
    for view, folder in zip(before.views, ("head", "wrist_rgb"), strict=True):
        [plain] = rgbd.open(tmp_path / "run" / folder)
        [after] = plain.views
        assert plain.format == "TUM RGB-D" and np.array_equal(after.camera.intrinsics, made.K)
        made.same_images(view.rgb, after.rgb)
        assert np.array_equal(view.depth.t_ns, after.depth.t_ns)
        expected = pose_matrix(view.poses.values)
        if view.posed == "depth":
            expected = expected @ invert(view.T_camera_depth)
        np.testing.assert_allclose(pose_matrix(after.poses.values), expected, atol=1e-12)


def test_a_folder_of_written_folders_opens_as_all_of_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_recording(made.robot(3), tmp_path / "day" / name)
    assert [r.name for r in open_recordings(tmp_path / "day")] == ["one", "two"]


def test_depth_too_far_for_the_units_is_unknown_and_told(tmp_path: Path) -> None:
    arrays = [np.float32([[0, 1.0004], [13.107, 13.2]])] * 2
    view = replace(
        made.robot(2).views[0],
        camera=made.Camera("c", 2, 2),
        rgb=Images(made.times(2), made.Stored([np.zeros((2, 2, 3), np.uint8)] * 2)),
        depth=Images(made.times(2), made.Stored(arrays)),
    )
    written = write_recording(replace(made.robot(2), views=(view,)), tmp_path / "run")
    [note] = written.notes
    assert "2 depth pictures reach beyond 13.1 m" in note
    after = next(open_recording(tmp_path / "run").views[0].depth.source.read([0]))
    np.testing.assert_allclose(after, [[0, 1.0004], [13.107, 0]], atol=1e-4)


def test_a_depth_file_in_millimetres_is_not_taken_for_one_of_5000_per_metre(
    tmp_path: Path,
) -> None:
    before = made.alone(made.robot())
    view = before.views[0]
    stored = made.Stored(
        view.depth.source.arrays,
        [
            Encoded(made_png, "png")
            for made_png in [_png(a * 1000) for a in view.depth.source.arrays]
        ],
    )
    before = replace(before, views=(replace(view, depth=Images(view.depth.t_ns, stored)),))
    write_recording(before, tmp_path / "run")
    made.same(before, open_recording(tmp_path / "run"))


def _png(numbers: np.ndarray) -> bytes:
    from scenekeeper.exchange.encoded import png

    return png(np.rint(numbers).astype(np.uint16))


def test_what_is_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(ExportError, match="is in the way"):
        write_recording(made.robot(2), tmp_path / "run")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_recording_without_pictures_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="as MCAP"):
        write_recording(replace(made.robot(2), views=()), tmp_path / "run")


def test_times_before_1970_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    before = made.alone(made.robot(2))
    view = before.views[0]
    early = replace(view, rgb=Images(view.rgb.t_ns - view.rgb.t_ns[-1], view.rgb.source))
    with pytest.raises(ExportError, match="1970"):
        write_recording(replace(before, views=(early,)), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    class Broken(made.Stored):
        def read(self, rows):
            raise RecordingError("lost")

    before = made.alone(made.robot(2))
    view = replace(before.views[0], rgb=Images(made.times(1), Broken([None])))
    with pytest.raises(RecordingError, match="lost"):
        write_recording(replace(before, views=(view,)), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(scenekeeper=2), "version 2 is not known"),
        (lambda v: v["where"].update(folders=["../elsewhere", "wrist_rgb"]), "names no folder"),
        (lambda v: v["where"].update(folders=["head"]), "1 folders for 2 cameras"),
        (lambda v: v["cameras"][0].update(width=2**31), "its pictures 24x16"),
        (lambda v: v["cameras"][1].update(poses=7), "there is no signal 7"),
        (lambda v: v.pop("signals"), "'signals'"),
    ],
)
def test_nonsense_beside_the_pictures_is_an_error_that_names_the_file(
    tmp_path: Path, change, said: str
) -> None:
    write_recording(made.robot(2), tmp_path / "run")
    file = tmp_path / "run" / "scenekeeper.json"
    content = json.loads(file.read_text())
    change(content["recordings"][0])
    file.write_text(json.dumps(content))
    with pytest.raises(RecordingError, match=said) as caught:
        open_recording(tmp_path / "run")
    assert caught.value.path == file and "remove" in str(caught.value)


def test_a_missing_table_of_numbers_is_an_error_when_numbers_are_asked_for(tmp_path: Path) -> None:
    before = made.alone(made.robot(2))
    view = replace(before.views[0], poses=None)
    write_recording(replace(before, views=(view,)), tmp_path / "run")
    (tmp_path / "run" / "signals.parquet").unlink()
    after = open_recording(tmp_path / "run")
    assert "joints" in after.signals
    with pytest.raises(RecordingError, match=r"signals\.parquet"):
        after.signals["joints"]


def test_a_real_kinect_recording_gives_the_same_frames(kitchen: Path, tmp_path: Path) -> None:
    [whole] = rgbd.open(kitchen)
    before = replace(made.every(whole, 50), name="kitchen")
    write_recording(before, tmp_path / "kitchen")
    after = open_recording(tmp_path / "kitchen")
    made.same(before, after)
    assert frame_index(after).equals(frame_index(before))
    assert after.views[0].rgb.source.encoded(2) == whole.views[0].rgb.source.encoded(100)
