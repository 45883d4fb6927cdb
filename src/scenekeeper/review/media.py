"""Pictures for the cards, decoded on demand from the recording that was labelled.

In: a dataset, and which window of which frame. Out: WebP. Nothing is copied into the dataset and
nothing is kept but the last used, within a bound; a recording that has moved or changed is told.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, WebPImagePlugin

from scenekeeper.errors import DatasetError, RecordingError
from scenekeeper.recording import Recording
from scenekeeper.recording.open import reopen
from scenekeeper.review.cards import Card, View
from scenekeeper.review.recent import Recent
from scenekeeper.schema import Frame
from scenekeeper.store import Dataset, SessionInfo

Rgb = NDArray[np.uint8]
Window = tuple[int, int, int, int]

DECODED_BYTES = 128 << 20
ENCODED_BYTES = 64 << 20
OPEN_RECORDINGS = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
AT_ONCE = 2
"""Recordings that are decoded at the same time; the rest waits."""
QUALITY = 82
STRIP_HEIGHT = 128
STRIP_WIDTH = 8192
"""Tiles that do not fit into one row begin another; WebP ends at 16,383 pixels."""
WIDEST = 4.0
"""A tile is at most so many times as wide as high, or as high as wide."""
BACKGROUND = (118, 118, 118)
"""Where a window leaves the picture, and in place of a picture that cannot be read."""


@dataclass(frozen=True, eq=False)
class _Opened:
    """A session's recording, and how its file looked when it was opened."""

    recording: Recording
    stamp: tuple[int, int]
    camera: NDArray[Any]
    row: NDArray[np.int64]
    t_ns: NDArray[np.int64]


class Media:
    """The pictures of one dataset; for several threads.

    Args:
        dataset: whose sessions.
        decoded_bytes: bound on the pictures that are kept decoded,
        encoded_bytes: and on those that are kept as they were sent.
    """

    def __init__(
        self,
        dataset: Dataset,
        decoded_bytes: int = DECODED_BYTES,
        encoded_bytes: int = ENCODED_BYTES,
    ) -> None:
        self.dataset = dataset
        self._infos: dict[str, SessionInfo] = {}
        self._opened: Recent[str, _Opened] = Recent(OPEN_RECORDINGS)
        self._decoded: Recent[tuple[str, int], Rgb] = Recent(decoded_bytes, lambda a: a.nbytes)
        self._encoded: Recent[tuple[Any, ...], bytes] = Recent(encoded_bytes, len)
        self._decoding = threading.BoundedSemaphore(AT_ONCE)
        self._failed: dict[str, tuple[tuple[int, int], RecordingError]] = {}

    @property
    def held(self) -> int:
        """Bytes of pictures that are kept."""
        return self._decoded.held + self._encoded.held

    def content(self, session: str) -> str:
        """Fingerprint of the recorded bytes a session was labelled from.

        Raises:
            DatasetError: no such session.
        """
        return self._info(session).content

    def version(self, views: Iterable[View]) -> str:
        """Twelve hex digits that change when what a strip shows does."""
        shown = [(self.content(v.session), v.frame_id, v.window_xyxy) for v in views]
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:12]

    def problems(self) -> Mapping[str, str]:
        """Sessions whose recording could not be opened when last wanted, and why."""
        return {session: str(error) for session, (_, error) in list(self._failed.items())}

    # --- pictures ---------------------------------------------------------------------------------

    def frame(self, session: str, frame_id: int, width: int) -> bytes:
        """A whole frame as WebP, at most so many pixels wide.

        Raises:
            DatasetError: there is no such session or frame.
            RecordingError: its picture is not there or cannot be read.
        """

        def make() -> bytes:
            rgb = self.rgb(session, frame_id)
            height, full = rgb.shape[:2]
            wide = min(width, full)
            return _webp(_resized(rgb, (wide, max(1, _round(height * wide / full)))))

        return self._encoded.made((self.content(session), "frame", frame_id, width), make)

    def crop(
        self, session: str, frame_id: int, window: Window, height: int = STRIP_HEIGHT
    ) -> bytes:
        """A window of a frame as WebP of so many pixels height.

        Raises:
            DatasetError: there is no such session or frame.
            RecordingError: its picture is not there or cannot be read.
        """

        def make() -> bytes:
            rgb = self.rgb(session, frame_id)
            size = (rgb.shape[0], rgb.shape[1])
            return _webp(_tile(rgb, window, size, (tile_width(window, height), height)))

        return self._encoded.made((self.content(session), frame_id, window, height), make)

    def strip(self, views: Sequence[View], height: int = STRIP_HEIGHT) -> bytes:
        """Windows side by side as one WebP, laid out as :func:`layout` says.

        A view whose picture cannot be read is left grey, so that the others can be judged.

        Raises:
            DatasetError: there are no views, or no such session or frame.
            RecordingError: not one of the pictures can be read.
        """
        if not views:
            raise DatasetError("this card has no views")
        key = (self.version(views), "strip", height)
        return self._encoded.made(key, lambda: _webp(self._strip(views, height)))

    def rgb(self, session: str, frame_id: int) -> Rgb:
        """One frame decoded, ``uint8 [H, W, 3]``.

        Raises:
            DatasetError: there is no such session or frame.
            RecordingError: its picture is not there or cannot be read.
        """
        key = (self.content(session), frame_id)

        def make() -> Rgb:
            opened = self._open(session)
            if not 0 <= frame_id < len(opened.row):
                raise DatasetError(f"session {session!r} has no frame {frame_id}")
            [(_, rgb)] = self._read(opened, [frame_id])
            return rgb

        return self._decoded.made(key, make)

    def seen(self, session: str, frame_id: int) -> Frame:
        """One frame with its camera, for a model to look at; without depth and pose.

        Raises:
            DatasetError: there is no such session or frame.
            RecordingError: its picture is not there or cannot be read.
        """
        rgb, opened = self.rgb(session, frame_id), self._open(session)
        name = opened.camera[frame_id]
        camera = next(c for c in self._info(session).cameras if c.name == name)
        return Frame(frame_id, session, camera, int(opened.t_ns[frame_id]), rgb)

    def warm(self) -> None:
        """Open the first recording in the background: the readers take a second to load."""
        names = self.dataset.sessions()[:1]

        def work() -> None:
            with suppress(RecordingError, DatasetError):  # told when a picture is wanted
                self._open(names[0])

        if names:
            threading.Thread(target=work, daemon=True).start()

    def _strip(self, views: Sequence[View], height: int) -> Rgb:
        (width, whole), tiles = layout(views, height)
        out = np.empty((whole, width, 3), np.uint8)
        out[:] = BACKGROUND
        failed: RecordingError | None = None
        painted = 0
        for session in dict.fromkeys(view.session for view in views):
            mine: dict[int, list[int]] = {}
            for k, view in enumerate(views):
                if view.session == session:
                    mine.setdefault(view.frame_id, []).append(k)
            try:
                for frame_id, rgb in self._several(session, sorted(mine)):
                    for k in mine[frame_id]:
                        x, y, w, h = tiles[k]
                        view = views[k]
                        out[y : y + h, x : x + w] = _tile(rgb, view.window_xyxy, view.size, (w, h))
                        painted += 1
            except RecordingError as error:
                failed = error
        if failed is not None and not painted:
            raise failed
        return out

    def _several(self, session: str, frame_ids: Sequence[int]) -> Iterator[tuple[int, Rgb]]:
        """Frames of a session, one in memory at a time beside those that are kept."""
        content = self.content(session)
        absent = []
        for frame_id in frame_ids:
            kept = self._decoded.get((content, frame_id))
            if kept is None:
                absent.append(frame_id)
            else:
                yield frame_id, kept
        failed: RecordingError | None = None
        opened = self._open(session)
        for mine in _by_camera(opened, absent):
            while mine:
                try:
                    for frame_id, rgb in self._read(opened, mine):
                        mine = mine[1:]
                        self._decoded.put((content, frame_id), rgb)
                        yield frame_id, rgb
                except RecordingError as error:  # those behind a damaged one may be whole
                    failed, mine = error, mine[1:]
        if failed is not None:
            raise failed

    # --- recordings -------------------------------------------------------------------------------

    def _read(self, opened: _Opened, frame_ids: Sequence[int]) -> Iterator[tuple[int, Rgb]]:
        """Decode ascending frames of one camera through one open file."""
        if not frame_ids:
            return
        view = opened.recording.view(opened.camera[frame_ids[0]])
        rows = opened.row[list(frame_ids)].tolist()
        try:
            with self._decoding:
                yield from zip(frame_ids, view.rgb.source.read(rows), strict=True)
        except OSError as error:
            raise RecordingError(
                f"it cannot be read ({error.strerror or error})", path=opened.recording.path
            ) from error

    def _open(self, session: str) -> _Opened:
        info = self._info(session)
        stamp = _stamp(info.source)
        kept = self._opened.get(session)
        if kept is not None and kept.stamp == stamp:
            return kept
        if session in self._failed and self._failed[session][0] == stamp:
            raise self._failed[session][1].with_traceback(None)
        self._opened.forget(session)
        try:
            opened = self._opened.made(session, lambda: self._reopened(info, stamp))
        except RecordingError as error:
            self._failed[session] = stamp, error
            raise
        self._failed.pop(session, None)
        return opened

    def _reopened(self, info: SessionInfo, stamp: tuple[int, int]) -> _Opened:
        recording = reopen(info.source, info.name, info.content, info.alignment)
        index = self.dataset.frames(info.name)
        return _Opened(
            recording,
            stamp,
            index["camera"].to_numpy(zero_copy_only=False),
            index["rgb_row"].to_numpy(),
            index["t_ns"].to_numpy(),
        )

    def _info(self, session: str) -> SessionInfo:
        if session not in self._infos:
            if not _NAME.fullmatch(session):  # never make a path of what a client sends
                raise DatasetError(f"no session {session!r}"[:200])
            self._infos[session] = self.dataset.session(session)
        return self._infos[session]


def views_of(card: Card) -> tuple[View, ...]:
    """Every view of a card in the order of its strip: its own, then those of its parts."""
    return card.views + tuple(view for part in card.parts for view in part.views)


def layout(
    views: Sequence[View], height: int = STRIP_HEIGHT
) -> tuple[tuple[int, int], list[tuple[int, int, int, int]]]:
    """Size ``(width, height)`` of a strip, and where each view lies in it: ``(x, y, w, h)``."""
    tiles, x, y, widest = [], 0, 0, 0
    for view in views:
        w = tile_width(view.window_xyxy, height)
        if x and x + w > STRIP_WIDTH:
            x, y = 0, y + height
        tiles.append((x, y, w, height))
        x += w
        widest = max(widest, x)
    return (widest, y + height), tiles


def tile_width(window: Window, height: int) -> int:
    """How wide a window is shown when it is shown so high."""
    x0, y0, x1, y1 = window
    aspect = (x1 - x0) / max(y1 - y0, 1)
    return max(1, _round(height * min(max(aspect, 1 / WIDEST), WIDEST)))


def _by_camera(opened: _Opened, frame_ids: Sequence[int]) -> list[list[int]]:
    """The frames of each camera, ascending; each camera has a stream of its own."""
    beyond = [f for f in frame_ids if not 0 <= f < len(opened.row)]
    if beyond:
        raise DatasetError(f"session {opened.recording.name!r} has no frame {beyond[0]}")
    groups: dict[str, list[int]] = {}
    for frame_id in sorted(frame_ids):
        groups.setdefault(opened.camera[frame_id], []).append(frame_id)
    return list(groups.values())


def _stamp(source: str) -> tuple[int, int]:
    """How a file looks from outside; a recording that looks the same is not opened anew."""
    try:
        facts = Path(source).stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


def _tile(rgb: Rgb, window: Window, size: tuple[int, int], shown: tuple[int, int]) -> Rgb:
    """A window in pixels of a frame of ``size`` ``(H, W)``, resized to ``shown`` ``(w, h)``."""
    height, width = rgb.shape[:2]
    sides = []
    for low, high, full, labelled, wanted in (
        (window[0], window[2], width, size[1], shown[0]),
        (window[1], window[3], height, size[0], shown[1]),
    ):
        a, b = (math.floor(v * full / labelled) for v in (low, high))
        b = max(b, a + 1)
        inner = min(max(a, 0), full), min(max(b, 0), full)
        place = [_round((v - a) * wanted / (b - a)) for v in inner]
        sides.append((inner, place))
    (xs, (left, right)), (ys, (top, bottom)) = sides
    inside = rgb[slice(*ys), slice(*xs)]
    if (left, top, right, bottom) == (0, 0, *shown):
        return _resized(inside, shown)
    out = np.empty((shown[1], shown[0], 3), np.uint8)
    out[:] = BACKGROUND
    if inside.size and right > left and bottom > top:
        out[top:bottom, left:right] = _resized(inside, (right - left, bottom - top))
    return out


def _resized(rgb: Rgb, size: tuple[int, int]) -> Rgb:
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    smaller = size[0] < rgb.shape[1]
    how = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(rgb).resize(size, how))


def _webp(rgb: Rgb) -> bytes:
    out = io.BytesIO()
    # By its plugin: to look for the format, Pillow would load all that it knows.
    Image.fromarray(rgb).save(out, WebPImagePlugin.WebPImageFile.format, quality=QUALITY, method=1)
    return out.getvalue()


def _round(value: float) -> int:
    """Half is rounded up, as browsers do."""
    return math.floor(value + 0.5)
