"""Real recordings open in full, and a recording written as MCAP gives the same frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenekeeper.exchange.recording_mcap import write_recording
from scenekeeper.recording import Recording, open_recording, open_recordings
from scenekeeper.recording.frames import frame_index, read_frames, signal_rows
from scenekeeper.recording.registration import align


@pytest.fixture(scope="module")
def both(kitchen: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Recording]:
    """The kitchen as the folder it is, and as the MCAP file written from it."""
    folder = open_recording(kitchen)
    path = tmp_path_factory.mktemp("written") / "kitchen.mcap"
    return folder, open_recording(write_recording(folder, path))


def test_the_kitchen_as_mcap_gives_the_same_frames_to_the_bit(both: tuple[Recording, Recording]):
    folder, file = both
    assert file.format == "MCAP (foxglove protobuf)"
    index = frame_index(folder)
    assert frame_index(file).equals(index) and len(index) == 300
    assert index["pose"].null_count == index["depth_row"].null_count == 0
    some = index.take(np.arange(0, 300, 12))
    for a, b in zip(read_frames(folder, some), read_frames(file, some), strict=True):
        assert (a.frame_id, a.t_ns, a.session) == (b.frame_id, b.t_ns, b.session)
        assert np.array_equal(a.camera.intrinsics, b.camera.intrinsics)
        assert np.array_equal(a.rgb, b.rgb) and np.array_equal(a.depth, b.depth)
        assert np.array_equal(a.T_world_camera, b.T_world_camera)


def test_the_kitchen_as_mcap_is_corrected_like_the_folder(both: tuple[Recording, Recording]):
    [found, again] = [align(recording)[1] for recording in both]
    assert found == again
    assert 515 < found["camera"]["intrinsics"][0][0] < 535


def test_the_real_humanoid_gives_frames_joints_and_actions(shared_data: Path):
    recordings = open_recordings(shared_data / "g1_lerobot_v21")
    counts = [len(frame_index(recording)) for recording in recordings]
    assert [r.name[-2:] for r in recordings] == ["29", "30"]
    for recording, n in zip(recordings, counts, strict=True):
        assert recording.task == "Pick up the yellow bottle on the table."
        kinds = {name: (s.kind, s.values.shape) for name, s in recording.signals.items()}
        assert kinds["observation.state"] == ("joint_state", (n, 26))
        assert kinds["action"] == ("action", (n, 26))
        assert all(np.isfinite(s.values).all() for s in recording.signals.values())
        assert len(signal_rows(recording)) == n * len(recording.signals)
        index = frame_index(recording)
        assert np.diff(index["t_ns"]).max() == 33_333_334
        some = index.take(np.array([0, n // 2, n - 1]))
        frames = list(read_frames(recording, some))
        assert [f.rgb.shape for f in frames] == [(480, 640, 3)] * 3
        assert all(f.rgb.std() > 20 and f.depth is None for f in frames)


def test_a_humanoid_episode_as_mcap_keeps_times_and_every_number(shared_data: Path, tmp_path: Path):
    episode = open_recordings(shared_data / "g1_lerobot_v21")[0]
    view = episode.views[0]
    short = replace(view, rgb=replace(view.rgb, t_ns=view.rgb.t_ns[:10], source=First(view, 10)))
    file = open_recording(write_recording(replace(episode, views=(short,)), tmp_path / "e.mcap"))
    assert file.task == episode.task
    assert file.views[0].rgb.t_ns.tolist() == view.rgb.t_ns[:10].tolist()
    for name, signal in episode.signals.items():
        assert np.array_equal(file.signals[name].values, signal.values)
        assert np.array_equal(file.signals[name].t_ns, signal.t_ns)
        assert (file.signals[name].kind, file.signals[name].names) == (signal.kind, signal.names)


class First:
    """The first pictures of a view."""

    def __init__(self, view, n):
        self.source, self.n = view.rgb.source, n

    def __len__(self):
        return self.n

    def read(self, rows):
        return self.source.read(rows)

    def encoded(self, row):
        return self.source.encoded(row)


@pytest.mark.parametrize("name", ["husky.bag", "jackal.bag", "turtlesim-lz4.bag", "rosbag2"])
def test_every_number_of_the_real_bags_is_finite_and_in_order(shared_data: Path, name: str):
    recording = open_recording(shared_data / "bags" / name)
    assert recording.signals and len(frame_index(recording)) == 0
    for signal in recording.signals.values():
        assert np.isfinite(signal.values).all() and len(signal) > 100
        assert (np.diff(signal.t_ns) >= 0).all()
        assert 1 < (signal.t_ns[-1] - signal.t_ns[0]) / 1e9 < 1000
        if signal.name.startswith("/tf"):
            assert np.linalg.norm(signal.values[:, 3:], axis=1) == pytest.approx(1, abs=1e-6)
    rows = signal_rows(recording)
    assert len(rows) == sum(len(signal) for signal in recording.signals.values())
