from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.errors import RecordingError
from scenekeeper.recording import Recording, video
from scenekeeper.recording.video import Video, VideoSource
from scenekeeper.recording.video_index import mp4_is_whole, ticks_to_ns
from tests.recording.tiny_videos import HEIGHT, WIDTH, grey, number_of, write_video

N = 60


def open_one(path: Path) -> Recording:
    recordings = video.open(path)
    assert recordings is not None
    [recording] = recordings
    return recording


def numbers(recording: Recording, rows: list[int]) -> list[int]:
    return [number_of(picture) for picture in recording.views[0].rgb.source.read(rows)]


@pytest.fixture(scope="module")
def b_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "clip.mp4", range(N))


@pytest.mark.parametrize(
    ("name", "codec", "gop"),
    [
        ("a.mp4", "libx264", 12),
        ("a.mkv", "libx264", 12),
        ("a.mov", "libx264", 1),
        ("a.ts", "libx264", 12),
        ("a.avi", "mpeg4", 12),
        ("a.mp4", "libsvtav1", 2),
    ],
)
def test_every_picture_is_found_by_any_way_of_asking(
    tmp_path: Path, name: str, codec: str, gop: int
) -> None:
    recording = open_one(write_video(tmp_path / name, range(N), codec, gop))

    assert numbers(recording, list(range(N))) == list(range(N))
    draw = np.random.default_rng(0)
    for size in (1, 1, 1, 2, 3, 5, 8, 20):
        rows = sorted(draw.choice(N, size, replace=False).tolist())
        assert numbers(recording, rows) == rows


@pytest.mark.parametrize("name", ["a.avi", "a.h264"])
def test_pictures_without_presentation_times_are_counted_and_said_to_be(
    tmp_path: Path, name: str
) -> None:
    recording = open_one(write_video(tmp_path / name, range(N)))

    assert numbers(recording, [3, 4, 40]) == [3, 4, 40]
    assert len(recording.views[0].rgb) == N
    assert recording.views[0].rgb.t_ns[30] == 1_000_000_000
    assert "counted at 30 fps" in recording.notes[0]


def test_a_recording_says_what_the_file_is(b_frames: Path) -> None:
    recording = open_one(b_frames)

    assert (recording.name, recording.format, recording.notes) == ("clip", "video (h264)", ())
    camera = recording.views[0].camera
    assert (camera.name, camera.width, camera.height) == ("camera", WIDTH, HEIGHT)
    assert camera.intrinsics is None
    assert recording.views[0].rgb.source.encoded(0) is None


def test_a_copy_elsewhere_is_the_same_recording(b_frames: Path, tmp_path: Path) -> None:
    copy = tmp_path / "renamed.mp4"
    copy.write_bytes(b_frames.read_bytes())

    assert open_one(copy).content == open_one(b_frames).content


def test_times_are_the_native_ones_of_a_variable_frame_rate(tmp_path: Path) -> None:
    pts = [0, 1, 5, 6, 30, 31, 90]
    recording = open_one(write_video(tmp_path / "vfr.mp4", range(7), pts=pts))

    expected = [round(Fraction(tick, 30) * 10**9) for tick in pts]
    assert recording.views[0].rgb.t_ns.tolist() == expected
    assert numbers(recording, [1, 4, 6]) == [1, 4, 6]


@given(st.lists(st.integers(-(2**40), 2**40)), st.fractions(Fraction(1, 2**31), 10))
def test_ticks_become_the_nearest_nanosecond(ticks: list[int], time_base: Fraction) -> None:
    found = ticks_to_ns(np.array(ticks, np.int64), time_base)

    for tick, t_ns in zip(ticks, found, strict=True):
        assert abs(t_ns - tick * time_base * 10**9) <= Fraction(1, 2)


def test_a_time_range_of_a_file_is_a_source_of_its_own(b_frames: Path) -> None:
    clip = Video(b_frames)
    source = VideoSource(clip, clip.index.between(500_000_000, 1_000_000_000))

    assert len(source) == 15
    assert [number_of(p) for p in source.read([0, 7, 14])] == [15, 22, 29]


def test_a_video_is_first_touched_when_a_picture_is_asked_for(tmp_path: Path) -> None:
    source = VideoSource(Video(tmp_path / "late.mp4"), np.array([0, 100_000_000]))
    write_video(tmp_path / "late.mp4", range(10))

    assert [number_of(p) for p in source.read([1])] == [3]


def test_a_time_without_a_picture_is_an_error_and_not_its_neighbour(b_frames: Path) -> None:
    source = VideoSource(Video(b_frames), np.array([0, 9_000_000_000]), tolerance_ns=16_000_000)

    with pytest.raises(RecordingError, match=r"no picture at 9\.0000 s"):
        list(source.read([0, 1]))


def test_it_seeks_when_the_gap_is_long_and_decodes_on_when_it_is_short(
    b_frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = open_one(b_frames)
    sought: list[int] = []
    seek = video._Cursor._seek

    def watch(cursor: video._Cursor, row: int) -> bool:
        sought.append(row)
        return seek(cursor, row)

    monkeypatch.setattr(video._Cursor, "_seek", watch)
    assert numbers(recording, [0, 5, 13, 50]) == [0, 5, 13, 50]

    assert sought == [12, 48]  # 5 lies in the same group of pictures, 48 leads to 50


def test_reading_part_of_a_file_leaves_no_handle_open(b_frames: Path) -> None:
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("needs /proc")
    source = open_one(b_frames).views[0].rgb.source
    before = len(list(handles.iterdir()))
    for _ in range(5):
        pictures = source.read(range(N))
        next(pictures)
        pictures.close()  # type: ignore[attr-defined]

    assert len(list(handles.iterdir())) == before


def test_a_turned_video_comes_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.set_display_rotation(-90)
        stored = grey(0)
        stored[:, :8] = 255  # white at the left as stored
        file.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        file.mux(stream.encode(None))
    recording = open_one(path)
    [picture] = recording.views[0].rgb.source.read([0])

    assert (recording.views[0].camera.width, recording.views[0].camera.height) == (HEIGHT, WIDTH)
    assert picture.shape == (WIDTH, HEIGHT, 3)
    assert picture[:6].min() > 200 and picture[10:].max() < 50  # a clockwise turn: now on top


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts"])
def test_a_cut_file_keeps_the_pictures_before_the_cut(tmp_path: Path, name: str) -> None:
    whole = write_video(tmp_path / f"whole{Path(name).suffix}", range(N), movflags="faststart")
    cut = tmp_path / name
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * 0.85)])

    recording = open_one(cut)
    rows = list(range(len(recording.views[0].rgb)))
    assert 20 < len(rows) < N
    pictures = numbers(recording, rows)
    times = recording.views[0].rgb.t_ns - recording.views[0].rgb.t_ns[0]
    assert pictures == np.rint(times * 30 / 1e9).astype(int).tolist()
    if name != "cut.ts":  # a transport stream has no announced length to fall short of
        assert "cut" in recording.notes[0]


@pytest.mark.parametrize("size", [1200, 2000])  # in the pictures, in the index
def test_a_recording_that_was_never_finished_says_how_to_mend_it(
    b_frames: Path, tmp_path: Path, size: int
) -> None:
    cut = tmp_path / "crashed.mp4"
    cut.write_bytes(b_frames.read_bytes()[:size])

    assert not mp4_is_whole(cut) and mp4_is_whole(b_frames)
    with pytest.raises(RecordingError, match=r"crashed\.mp4.*moov.*untrunc"):
        video.open(cut)


@pytest.mark.parametrize("data", [b"", b"no video at all" * 9])
def test_a_file_that_is_no_video_is_an_error_that_names_it(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(data)

    with pytest.raises(RecordingError, match=r"broken\.mp4"):
        video.open(path)


def test_sound_alone_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        silence = np.zeros((1, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))

    with pytest.raises(RecordingError, match="no video stream"):
        video.open(path)


def test_other_files_and_folders_are_left_to_other_readers(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")

    assert video.open(text) is None
    assert video.open(tmp_path) is None
