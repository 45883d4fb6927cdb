"""Pictures for the cards: from the source, exact, bounded, and honest about what is gone."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scenekeeper.errors import DatasetError, RecordingError
from scenekeeper.recording.video import VideoSource
from scenekeeper.review.cards import View
from scenekeeper.review.media import BACKGROUND, STRIP_WIDTH, Media, layout, tile_width
from tests.recording.tiny_videos import STEP, number_of, write_video
from tests.review import tiny

WHOLE = (0, 0, 64, 48)


def picture(data: bytes) -> NDArray[np.uint8]:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def told(picture: NDArray[Any], number: int) -> bool:
    """Whether a picture shows a number; WebP moves grey by less than one."""
    return abs(float(picture.mean()) / STEP - number) < 0.8


def view(frame_id: int, window: tuple[int, int, int, int] = WHOLE, session: str = "walk") -> View:
    return View(session, frame_id, 0.0, tiny.SIZE, window)


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(tiny.labelled(tmp_path))


def test_any_frame_in_any_order_is_the_frame_that_was_asked_for(media: Media) -> None:
    order = list(range(tiny.FRAMES))
    random.Random(0).shuffle(order)
    for frame_id in order:
        assert number_of(media.rgb("walk", frame_id)) == frame_id
        assert told(picture(media.frame("walk", frame_id, 8192)), frame_id)


def test_a_frame_is_made_smaller_but_never_larger(media: Media) -> None:
    assert picture(media.frame("walk", 3, 32)).shape == (24, 32, 3)
    assert picture(media.frame("walk", 3, 640)).shape == (48, 64, 3)


def test_a_strip_shows_its_views_where_the_layout_says(media: Media) -> None:
    views = [view(f, (10, 10, 30, 26)) for f in (31, 2, 2, 17)]
    (width, height), tiles = layout(views, 32)
    strip = picture(media.strip(views, 32))
    assert strip.shape == (height, width, 3) == (32, 4 * 40, 3)
    shown = [strip[y + 4 : y + h - 4, x + 4 : x + w - 4] for x, y, w, h in tiles]
    assert all(told(a, n) for a, n in zip(shown, [31, 2, 2, 17], strict=True))


def test_a_strip_too_long_for_one_row_goes_on_in_the_next() -> None:
    views = [view(f) for f in range(60)]
    (width, height), tiles = layout(views, 192)
    assert width <= STRIP_WIDTH and height == 2 * 192
    assert len(set(tiles)) == 60 and tiles[-1][1] == 192


def test_a_window_beyond_the_picture_is_grey_there_and_a_narrow_one_is_not_stretched_far(
    media: Media,
) -> None:
    crop = picture(media.crop("walk", 20, (-64, 0, 64, 48), 48))
    assert crop.shape == (48, 128, 3)
    assert np.abs(crop[:, :60].astype(int) - BACKGROUND).max() < 8
    assert told(crop[:, 68:], 20)
    assert tile_width((0, 0, 1000, 2), 50) == 200 and tile_width((0, 0, 1, 900), 48) == 12


def test_a_window_of_any_size_costs_no_more_than_its_picture(media: Media) -> None:
    far = 10**9
    assert picture(media.crop("walk", 1, (-far, -far, far, far), 64)).shape == (64, 64, 3)
    assert picture(media.crop("walk", 1, (far, far, far + 5, far + 5), 64)).shape == (64, 64, 3)


def test_memory_is_bounded_whatever_is_looked_at(tmp_path: Path) -> None:
    media = Media(tiny.labelled(tmp_path), decoded_bytes=5 * 64 * 48 * 3, encoded_bytes=3000)
    for frame_id in range(tiny.FRAMES):
        media.frame("walk", frame_id, 64)
        media.strip([view(frame_id), view((frame_id * 7) % tiny.FRAMES)])
        assert media.held <= 5 * 64 * 48 * 3 + 3000


def test_what_was_seen_is_not_decoded_again(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = VideoSource.read

    def counted(self: VideoSource, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        read.extend(rows)
        return original(self, rows)

    monkeypatch.setattr(VideoSource, "read", counted)
    views = [view(f) for f in (9, 4, 9)]
    first = media.strip(views)
    assert media.strip(views) == first
    media.crop("walk", 4, (0, 0, 9, 9))
    assert read == [4, 9]


def test_versions_tell_recordings_frames_and_windows_apart(tmp_path: Path) -> None:
    media = Media(tiny.labelled(tmp_path, "walk", "run"))
    shown = [[view(1)], [view(2)], [view(1, (0, 0, 9, 9))], [view(1, session="run")]]
    assert len({media.version(views) for views in shown}) == 4
    assert media.content("walk") != media.content("run")


@pytest.mark.parametrize("session", ["..", "../walk", "nowhere", "", "/etc", "walk\0"])
def test_a_session_that_is_not_there_is_not_looked_for(media: Media, session: str) -> None:
    with pytest.raises(DatasetError, match="no session"):
        media.frame(session, 0, 64)


@pytest.mark.parametrize("frame_id", [-1, tiny.FRAMES, 10**9])
def test_a_frame_that_is_not_there_is_said(media: Media, frame_id: int) -> None:
    with pytest.raises(DatasetError, match="has no frame"):
        media.frame("walk", frame_id, 64)
    with pytest.raises(DatasetError, match="has no frame"):
        media.strip([view(1), view(frame_id)])


def test_a_recording_that_moved_is_told_with_its_remedy_and_found_when_it_is_back(
    media: Media, tmp_path: Path
) -> None:
    (tmp_path / "walk.mp4").rename(tmp_path / "elsewhere.mp4")
    for _ in range(2):
        with pytest.raises(RecordingError, match=r"no longer here.*Put the recording back"):
            media.strip([view(1), view(2)])
    assert "no longer here" in media.problems()["walk"]
    (tmp_path / "elsewhere.mp4").rename(tmp_path / "walk.mp4")
    assert number_of(media.rgb("walk", 7)) == 7
    assert not media.problems()


def test_another_recording_in_its_place_is_not_shown(media: Media, tmp_path: Path) -> None:
    assert number_of(media.rgb("walk", 7)) == 7
    write_video(tmp_path / "walk.mp4", range(50, 90))
    with pytest.raises(RecordingError, match="another recording is here now"):
        media.frame("walk", 8, 64)


def test_pictures_beside_a_damaged_one_are_still_shown(
    media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = VideoSource.read

    def damaged(self: VideoSource, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        for row in rows:
            if row == 12:
                raise RecordingError("this picture cannot be decoded")
            yield from original(self, [row])

    monkeypatch.setattr(VideoSource, "read", damaged)
    views = [view(f) for f in (3, 12, 30)]
    _, tiles = layout(views)
    strip = picture(media.strip(views))
    shown = [strip[y + 4 : y + h - 4, x + 4 : x + w - 4] for x, y, w, h in tiles]
    assert told(shown[0], 3) and told(shown[2], 30)
    assert np.abs(shown[1].astype(int) - BACKGROUND).max() < 8
    with pytest.raises(RecordingError, match="cannot be decoded"):
        media.strip([view(12)])
