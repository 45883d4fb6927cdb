"""One function writes recordings in any format, alone or together."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scenekeeper.errors import ExportError
from scenekeeper.exchange.recordings import (
    FORMATS,
    find_format,
    format_of,
    write_recording,
    write_recordings,
)
from scenekeeper.recording import open_recordings
from tests.exchange import made_recordings as made

pytest.importorskip("h5py")

ONE_AFTER_THE_OTHER = [name for name, f in FORMATS.items() if not f.many]


@pytest.mark.parametrize("format", FORMATS)
def test_one_recording_is_written_and_read_back(tmp_path: Path, format: str) -> None:
    before = made.robot(4)
    done = write_recording(before, format, tmp_path / f"run{FORMATS[format].suffix}")
    [after] = open_recordings(done.path)
    assert (done.path.parent, done.frames >= 4) == (tmp_path, True)
    assert after.task == before.task
    made.same_signal(before.signals["command"], after.signals["command"])


@pytest.mark.parametrize("format", FORMATS)
def test_several_recordings_are_written_into_one_folder(tmp_path: Path, format: str) -> None:
    before, told = [made.robot(3, "a/b"), made.robot(5, "c")], list[str]()
    done = write_recordings(before, format, tmp_path / "out", told.append)
    known = FORMATS[format]
    paths = [done.path] if known.many else [done.path / f"{n}{known.suffix}" for n in ("a_b", "c")]
    after = [recording for path in paths for recording in open_recordings(path)]
    assert len(told) == (0 if known.many else 2) and done.frames >= 8
    for a, b in zip(before, after, strict=True):
        made.same_signal(a.signals["command"], b.signals["command"])
    assert len(set(done.notes)) == len(done.notes)


def test_pictures_that_become_jpeg_in_mcap_are_told(tmp_path: Path) -> None:
    done = write_recording(made.robot(2), "mcap", tmp_path / "run.mcap")
    assert len(done.notes) == 1 and "'/wrist/rgb'" in done.notes[0] and "JPEG" in done.notes[0]
    assert write_recording(made.alone(made.robot(2)), "mcap", done.path).notes == ()


@pytest.mark.parametrize("format", ONE_AFTER_THE_OTHER)
def test_a_recording_that_cannot_be_read_leaves_nothing(tmp_path: Path, format: str) -> None:
    class Broken(made.Stored):
        def encoded(self, row: int) -> None:
            raise ExportError("broken")

    good = made.robot(2, "good")
    view = replace(good.views[0], rgb=replace(good.views[0].rgb, source=Broken([0, 0])))
    bad = replace(made.alone(good), name="bad", views=(view,))
    with pytest.raises(ExportError, match="broken"):
        write_recordings([good, bad], format, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "wanted", "format"),
    [
        ("a.mcap", None, "mcap"),
        ("a.HDF5", None, "hdf5"),
        ("a.h5", "hdf5", "hdf5"),
        ("a", "rlds", "rlds"),
        ("a.sk", "mcap", "mcap"),
    ],
)
def test_a_suffix_says_the_format_where_nobody_does(
    name: str, wanted: str | None, format: str
) -> None:
    assert format_of(Path(name), wanted) == format


def test_a_name_that_says_nothing_or_something_else_is_refused() -> None:
    with pytest.raises(ExportError, match=r"mcap, rgbd, hdf5, lerobot, rlds"):
        format_of(Path("out"))
    with pytest.raises(ExportError, match="ends like mcap, but is to be lerobot"):
        format_of(Path("out.mcap"), "lerobot")


def test_an_unknown_format_and_a_missing_library_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ExportError, match=r"no recording format 'avi'. There are: mcap"):
        find_format("avi")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ExportError, match=r"pip install 'scenekeeper\[hdf5\]'"):
        find_format("hdf5")
