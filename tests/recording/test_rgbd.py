from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from scenekeeper import geometry
from scenekeeper.errors import RecordingError
from scenekeeper.recording import POSE_NAMES, Recording, rgbd
from tests.recording import rgbd_layouts as make

every_layout = pytest.mark.parametrize("layout", make.LAYOUTS)


def open_one(folder: Path) -> Recording:
    recordings = rgbd.open(folder)
    assert recordings is not None
    assert len(recordings) == 1
    return recordings[0]


def open_made(layout: str, folder: Path) -> Recording:
    return open_one(make.LAYOUTS[layout](folder))


@every_layout
def test_every_layout_is_recognised_with_all_its_streams(tmp_path, layout):
    recording = open_made(layout, tmp_path / "room")
    view = recording.view("camera")
    assert (recording.name, recording.format) == ("room", layout)
    assert len(view.rgb) == len(view.depth) == len(view.poses) == make.FRAMES
    assert recording.signals == {"camera_pose": view.poses}
    assert view.poses.names == POSE_NAMES
    for k in range(make.FRAMES):
        expected = make.pose(k)
        np.testing.assert_allclose(geometry.pose_matrix(view.poses.values[k]), expected, atol=1e-5)


@every_layout
def test_every_layout_gives_the_pixels_that_were_written(tmp_path, layout):
    view = open_made(layout, tmp_path / "room").view("camera")
    per_metre = {"TUM RGB-D": 5000, "Replica": 6553.5}.get(layout, 1000)
    for k, (rgb, depth) in enumerate(
        zip(view.rgb.source.read(range(4)), view.depth.source.read(range(4)), strict=True)
    ):
        assert rgb.shape == (view.camera.height, view.camera.width, 3)
        written = make.color(k, view.camera.width, view.camera.height)
        assert np.abs(rgb.astype(int) - written).mean() < 4
        numbers = make.depth_numbers(k).astype(np.float64)
        numbers[0, 0] = 0
        if layout == "7-Scenes":
            numbers[0, 1] = 0
        np.testing.assert_array_equal(depth, (numbers / per_metre).astype(np.float32))


@every_layout
def test_intrinsics_are_read_from_the_folder(tmp_path, layout):
    view = open_made(layout, tmp_path / "room").view("camera")
    scale = 2 if layout == "ScanNet" else 1
    np.testing.assert_allclose(view.camera.intrinsics, np.diag([scale, scale, 1]) @ make.K)
    assert (view.camera.width, view.camera.height) == (scale * make.WIDTH, scale * make.HEIGHT)
    assert (view.depth_camera is not None) == (layout == "ScanNet")


@every_layout
def test_only_7_scenes_holds_poses_of_the_depth_camera(tmp_path, layout):
    view = open_made(layout, tmp_path / "room").view("camera")
    assert view.posed == ("depth" if layout == "7-Scenes" else "rgb")
    np.testing.assert_array_equal(view.T_camera_depth, np.eye(4))


@every_layout
def test_times_are_real_or_said_to_be_synthesised(tmp_path, layout):
    recording = open_made(layout, tmp_path / "room")
    t_ns = recording.view("camera").rgb.t_ns.tolist()
    if layout == "TUM RGB-D":
        assert t_ns[:2] == [1305031102175304000, 1305031102208637000]
        assert recording.notes == ()
    else:
        assert t_ns == [0, 33333333, 66666667, 100000000]
        assert "30 Hz" in recording.notes[0]


@every_layout
def test_a_moved_recording_keeps_its_fingerprint_and_a_changed_one_does_not(tmp_path, layout):
    folder = make.LAYOUTS[layout](tmp_path / "room")
    before = open_one(folder).content
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere" / "copy"))
    assert open_one(moved).content == before
    picture = max(moved.rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    assert open_one(moved).content != before


@every_layout
def test_a_damaged_picture_fails_when_read_and_not_when_opened(tmp_path, layout):
    folder = make.LAYOUTS[layout](tmp_path / "room")
    colors = open_one(folder).view("camera").rgb.source.files
    colors[0].write_bytes(colors[0].read_bytes()[:60])
    colors[2].write_bytes(b"")
    source = open_one(folder).view("camera").rgb.source
    assert len(source) == make.FRAMES
    for row in (0, 2):
        with pytest.raises(RecordingError, match=colors[row].name):
            next(source.read([row]))
    assert len(list(source.read([1, 3]))) == 2


@every_layout
def test_a_known_layout_without_colour_pictures_is_an_error(tmp_path, layout):
    folder = make.LAYOUTS[layout](tmp_path / "room")
    for picture in open_one(folder).view("camera").rgb.source.files:
        picture.unlink()
    with pytest.raises(RecordingError, match="colour picture"):
        rgbd.open(folder)


@every_layout
def test_without_depth_and_poses_colour_remains(tmp_path, layout):
    folder = make.LAYOUTS[layout](tmp_path / "room")
    view = open_one(folder).view("camera")
    for picture in view.depth.source.files:
        picture.unlink()
    for text in [*folder.rglob("*pose*.txt"), *folder.glob("pose/*"), *folder.glob("t*.txt")]:
        text.unlink(missing_ok=True)
    (folder / "groundtruth.txt").unlink(missing_ok=True)
    recording = open_one(folder)
    view = recording.view("camera")
    assert (len(view.rgb), view.depth, view.poses) == (make.FRAMES, None, None)
    assert recording.signals == {}


@every_layout
def test_unusable_intrinsics_name_their_file(tmp_path, layout):
    folder = make.LAYOUTS[layout](tmp_path / "room")
    name = {
        "7-Scenes": "camera-intrinsics.txt",
        "TUM RGB-D": "calibration.txt",
        "ScanNet": "intrinsic_color.txt",
        "Replica": "cam_params.json",
    }[layout]
    file = next(folder.rglob(name))
    for text in ("", "1 2 3", "nan 30 15 11", "0 30 15 11", "[" * 10_000, '{"camera": {"w": []}}'):
        file.write_text(text)
        with pytest.raises(RecordingError, match=name):
            rgbd.open(folder)


@pytest.mark.parametrize("content", [{}, {"notes.txt": "x"}, {"color/0.jpg": ""}, {"rgb.txt": ""}])
def test_other_folders_and_files_are_not_taken(tmp_path, content):
    for name, text in content.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        assert rgbd.open(tmp_path / name) is None
    assert rgbd.open(tmp_path) is None


# --- 7-Scenes -------------------------------------------------------------------------------------


def test_sequences_in_subfolders_are_recordings_of_their_own(tmp_path):
    root = tmp_path / "chess"
    for name in ("seq-02", "seq-01"):
        make.seven_scenes(root / name)
        (root / name / "camera-intrinsics.txt").unlink()
    np.savetxt(root / "camera-intrinsics.txt", make.K)
    recordings = rgbd.open(root)
    assert [r.name for r in recordings] == ["chess-seq-01", "chess-seq-02"]
    for recording in recordings:
        np.testing.assert_array_equal(recording.view("camera").camera.intrinsics, make.K)


def test_published_intrinsics_hold_only_at_their_size(tmp_path):
    small = make.seven_scenes(tmp_path / "small")
    (small / "camera-intrinsics.txt").unlink()
    recording = open_one(small)
    assert recording.view("camera").camera.intrinsics is None
    assert any("unknown" in note for note in recording.notes)
    full = tmp_path / "full"
    make.save(full / "frame-000000.color.png", np.zeros((480, 640, 3), np.uint8))
    recording = open_one(full)
    expected = [[585, 0, 320], [0, 585, 240], [0, 0, 1]]
    np.testing.assert_array_equal(recording.view("camera").camera.intrinsics, expected)
    assert any("published" in note for note in recording.notes)


def test_frames_are_kept_without_the_depth_or_pose_they_lack(tmp_path):
    folder = make.seven_scenes(tmp_path / "room")
    (folder / "frame-000001.depth.png").unlink()
    (folder / "frame-000002.pose.txt").unlink()
    (folder / "frame-000003.pose.txt").write_text("-inf " * 16)
    recording = open_one(folder)
    view = recording.view("camera")
    assert len(view.rgb) == 4
    assert view.depth.t_ns.tolist() == [0, 66666667, 100000000]
    assert view.poses.t_ns.tolist() == [0, 33333333]
    assert "1 of 4 colour pictures have no depth." in recording.notes
    assert "1 of 4 colour pictures have no pose." in recording.notes
    assert any(note.startswith("1 of 3 poses") for note in recording.notes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 0 0 0 0 1 0 0 0 0 1 0",
        "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 x",
        "nan 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1",
        "2 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1",
        "-1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1",
        "1 0 0 0 0 1 0 0 0 0 1 0 5 6 7 1",  # written column by column
    ],
)
def test_what_is_no_rigid_transform_is_no_pose(tmp_path, text):
    folder = make.seven_scenes(tmp_path / "room")
    (folder / "frame-000000.pose.txt").write_text(text)
    assert open_one(folder).view("camera").poses.t_ns.tolist() == [33333333, 66666667, 100000000]


def test_numbers_and_not_names_give_the_order(tmp_path):
    for number in (999999, 1000000, 2):
        make.save(tmp_path / f"frame-{number:06d}.color.png", make.color(number % 5))
    t_ns = open_one(tmp_path).view("camera").rgb.t_ns
    assert t_ns.tolist() == [66666667, 33333300000000, 33333333333333]


def test_intrinsics_of_another_picture_size_are_noticed(tmp_path):
    folder = make.seven_scenes(tmp_path / "room")
    np.savetxt(folder / "camera-intrinsics.txt", [[585, 0, 320], [0, 585, 240], [0, 0, 1]])
    assert any("another size" in note for note in open_one(folder).notes)


# --- TUM ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "focal", "coefficients"),
    [
        ("rgbd_dataset_freiburg1_desk", 517.3, 5),
        ("rgbd_dataset_freiburg2_xyz", 520.9, 5),
        ("rgbd_dataset_freiburg3_office", 535.4, 0),
        ("my_own", 525.0, 0),
    ],
)
def test_tum_intrinsics_go_by_the_name_of_the_folder(tmp_path, name, focal, coefficients):
    folder = make.tum(tmp_path / name)
    (folder / "calibration.txt").unlink()
    assert open_one(folder).view("camera").camera.intrinsics is None  # published for 640x480
    for picture in (folder / "rgb").iterdir():
        make.save(picture, np.zeros((480, 640, 3), np.uint8))
    recording = open_one(folder)
    camera = recording.view("camera").camera
    assert camera.intrinsics[0, 0] == focal
    assert len(camera.distortion) == coefficients
    assert any("No calibration file" in note for note in recording.notes)


def test_decimal_seconds_become_exact_nanoseconds(tmp_path):
    folder = make.tum(tmp_path / "room")
    name = next((folder / "rgb").iterdir()).name
    seconds = ["1305031102.175304001", "1.305031102175304003e+09", "1305031102", "7"]
    (folder / "rgb.txt").write_text("".join(f"{s} rgb/{name}\n" for s in seconds))
    t_ns = open_one(folder).view("camera").rgb.t_ns.tolist()
    assert t_ns == [7 * 10**9, 1305031102 * 10**9, 1305031102175304001, 1305031102175304003]


def test_lines_that_cannot_be_used_are_left_out_and_counted(tmp_path):
    folder = make.tum(tmp_path / "room")
    bad = ["soon rgb/a.png", "nan rgb/a.png", "-5 rgb/a.png", "1e400 rgb/a.png", "9e99999999 a"]
    lines = (folder / "rgb.txt").read_text().splitlines()
    (folder / "rgb.txt").write_text("\n".join([*bad, *lines, lines[-1]]))
    with (folder / "groundtruth.txt").open("a") as file:
        file.write("1305031103.0 0 0 0 0 0 0 0\n1305031104.0 0 0 0 0 0")
    recording = open_one(folder)
    assert len(recording.view("camera").rgb) == 4
    assert len(recording.view("camera").poses) == 4
    assert any(note.startswith("rgb.txt: 6 lines") for note in recording.notes)
    assert any(note.startswith("2 of 6 poses") for note in recording.notes)


@pytest.mark.parametrize(
    "name", ["rgb/absent.png", "../secret.png", "/etc/hostname", "rgb/../../secret.png", "\0", ""]
)
def test_lists_reach_no_file_that_is_absent_or_outside_the_folder(tmp_path, name):
    folder = make.tum(tmp_path / "room")
    make.save(tmp_path / "secret.png", make.color(0))
    with (folder / "rgb.txt").open("a") as file:
        file.write(f"9000000.0 {name}\n")
    recording = open_one(folder)
    assert len(recording.view("camera").rgb) == 4
    assert "rgb.txt names 1 pictures that are not there." in recording.notes


# --- ScanNet --------------------------------------------------------------------------------------


def test_colour_and_depth_of_scannet_have_cameras_of_their_own(tmp_path):
    view = open_made("ScanNet", tmp_path / "scene0000_00").view("camera")
    assert (view.camera.width, view.camera.height) == (64, 48)
    assert (view.depth_camera.width, view.depth_camera.height) == (32, 24)
    np.testing.assert_array_equal(view.depth_camera.intrinsics, make.K)


def test_extrinsics_place_the_depth_camera(tmp_path):
    folder = make.scannet(tmp_path / "room")
    np.savetxt(folder / "intrinsic/extrinsic_color.txt", make.pose(1))
    np.savetxt(folder / "intrinsic/extrinsic_depth.txt", make.pose(2))
    T = open_one(folder).view("camera").T_camera_depth
    np.testing.assert_allclose(T, np.linalg.inv(make.pose(1)) @ make.pose(2), atol=1e-12)
    (folder / "intrinsic/extrinsic_depth.txt").write_text("1 2 3")
    with pytest.raises(RecordingError, match=r"extrinsic_depth\.txt"):
        rgbd.open(folder)


def test_lost_tracking_leaves_frames_without_a_pose(tmp_path):
    folder = make.scannet(tmp_path / "room")
    np.savetxt(folder / "pose/2.txt", np.full((4, 4), -np.inf))
    recording = open_one(folder)
    assert len(recording.view("camera").rgb) == 4
    assert len(recording.view("camera").poses) == 3
    assert any(note.startswith("1 of 4 poses") for note in recording.notes)


# --- Replica --------------------------------------------------------------------------------------


def test_camera_parameters_may_lie_beside_the_rooms_and_set_the_scale(tmp_path):
    folder = make.replica(tmp_path / "room0")
    parameters = json.loads((folder / "cam_params.json").read_text())
    (folder / "cam_params.json").unlink()
    parameters["camera"]["scale"] = 1000
    (tmp_path / "cam_params.json").write_text(json.dumps(parameters))
    view = open_one(folder).view("camera")
    np.testing.assert_array_equal(view.camera.intrinsics, make.K)
    assert next(view.depth.source.read([0]))[0, 5] == np.float32(1.005)


def test_parameters_for_another_picture_size_are_refused(tmp_path):
    folder = make.replica(tmp_path / "room0")
    text = (folder / "cam_params.json").read_text().replace('"w": 32', '"w": 1200')
    (folder / "cam_params.json").write_text(text)
    with pytest.raises(RecordingError, match=r"cam_params\.json.*1200x24.*32x24"):
        rgbd.open(folder)


def test_a_thinned_replica_keeps_the_right_pose_by_number_or_by_order(tmp_path):
    folder = make.replica(tmp_path / "room0")
    for k in (0, 2):
        (folder / f"results/frame{k:06d}.jpg").unlink()
    poses = open_one(folder).view("camera").poses  # all rows are there: the number counts
    np.testing.assert_allclose(poses.values[:, 0], [0, 1, 2, 3], atol=1e-12)
    np.savetxt(folder / "traj.txt", [make.pose(k).ravel() for k in (1, 3)])
    view = open_one(folder).view("camera")  # as many rows as pictures: the order counts
    np.testing.assert_array_equal(view.poses.t_ns, view.rgb.t_ns)
    np.testing.assert_allclose(view.poses.values[:, 0], [1, 3], atol=1e-12)


def test_a_cut_trajectory_keeps_every_whole_row(tmp_path):
    folder = make.replica(tmp_path / "room0")
    text = (folder / "traj.txt").read_text()
    (folder / "traj.txt").write_text(text[: len(text) - 200])
    recording = open_one(folder)
    assert recording.view("camera").poses.t_ns.tolist() == [0, 33333333, 66666667]
    assert any(note.startswith("1 of 4 poses") for note in recording.notes)


# --- Reality ---------------------------------------------------------------------------


def test_the_real_kitchen_reads_as_its_files_say(kitchen):
    recording = open_one(kitchen)
    view = recording.view("camera")
    assert recording.format == "7-Scenes"
    assert len(view.rgb) == len(view.depth) == len(view.poses) == 300
    assert view.rgb.t_ns[[0, 1, -1]].tolist() == [0, 66666667, 598 * 10**9 // 30]
    assert (view.camera.width, view.camera.height, view.posed) == (640, 480, "depth")
    expected = [[585, 0, 320], [0, 585, 240], [0, 0, 1]]
    np.testing.assert_array_equal(view.camera.intrinsics, expected)
    first = np.loadtxt(kitchen / "frame-000000.pose.txt")
    # The matrices in the files are rotations to four digits only.
    np.testing.assert_allclose(geometry.pose_matrix(view.poses.values[0]), first, atol=1e-4)
    assert len(recording.notes) == 1


def test_real_depth_has_no_65535_left(kitchen):
    from PIL import Image

    view = open_one(kitchen).view("camera")
    rgb, depth = next(view.rgb.source.read([117])), next(view.depth.source.read([117]))
    numbers = np.asarray(Image.open(kitchen / "frame-000234.depth.png"))
    assert (rgb.shape, depth.shape) == ((480, 640, 3), (480, 640))
    unknown = (numbers == 0) | (numbers == 65535)
    assert (numbers == 65535).any()
    np.testing.assert_array_equal(depth == 0, unknown)
    np.testing.assert_allclose(depth[~unknown], numbers[~unknown] / 1000, rtol=1e-6)
    assert view.rgb.source.encoded(117).data == (kitchen / "frame-000234.color.jpg").read_bytes()
