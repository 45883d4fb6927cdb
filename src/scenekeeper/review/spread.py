"""A corrected mask, spread by a segmenter through the frames around it.

In: a decision that holds a mask, the labels and the pictures. Out: a second decision with the masks
of the frames before and after, up to where the labels are right again. It stands and falls with the
first, and never covers a frame that a person has looked at.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from scenekeeper import masks
from scenekeeper.review.asked import UnavailableError
from scenekeeper.review.events import MAX_BODY, Decision, Sample
from scenekeeper.review.log import Log
from scenekeeper.review.media import Media
from scenekeeper.review.segmenter import Mask, Segmenter
from scenekeeper.review.upkeep import Upkeep
from scenekeeper.schema import Frame
from scenekeeper.store import Dataset

MOST = 300
"""Frames to each side."""

AGREES, IN_A_ROW = 0.9, 3
"""IoU from which on the label is taken to be right, and in how many frames one after the other."""

Labelled = tuple[int, bytes | None]
"""A frame, and the mask that the track has there."""


class Spreading:
    """Spreads the masks of a running review in the background.

    Args:
        labels: the labels as they stand.
        media: their pictures.
        segmenter: what follows a mask; ``None`` = nothing is spread.
        log: takes what was made.
        done: called after it has.
    """

    def __init__(
        self,
        labels: Callable[[], Dataset],
        media: Media,
        segmenter: Segmenter | None,
        log: Log,
        done: Callable[[], None],
    ) -> None:
        self._labels, self._media, self._segmenter = labels, media, segmenter
        self._log, self._done = log, done
        self._waiting: queue.SimpleQueue[Decision] = queue.SimpleQueue()
        self._busy = threading.Lock()
        self.upkeep = Upkeep(self._work)

    def take(self, decisions: Iterable[Decision]) -> None:
        """Spread the masks among some decisions, soon."""
        if self._segmenter is None:
            return
        for decision in decisions:
            if decision.op == "mask" and decision.sample.stream != "gold":
                self._waiting.put(decision)
                self.upkeep.ask()

    def mask(
        self,
        frame: Frame,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: tuple[float, ...] | None,
    ) -> Mask:
        """A mask for clicks and a box; waits while another is made.

        Raises:
            UnavailableError: there is no segmenter.
        """
        if self._segmenter is None:
            raise UnavailableError(
                "masks cannot be made of clicks here",
                remedy="Start the review with a segmenter: --segmenter sam2:CHECKPOINT; or draw a"
                " box instead.",
            )
        with self._busy:
            return self._segmenter.mask(frame, clicks, box_xyxy)

    def _work(self) -> None:
        while not self._waiting.empty() and self._segmenter is not None:
            decision = self._waiting.get()
            with self._busy:
                made = spread(self._labels(), self._media, self._segmenter, decision)
            if made is not None:
                self._log.append([made])
                self._done()


def spread(
    dataset: Dataset, media: Media, segmenter: Segmenter, decision: Decision
) -> Decision | None:
    """The masks of the frames around a corrected one, as a decision of their own.

    Args:
        dataset: the labels as they stand.
        media: its pictures.
        segmenter: what follows a mask.
        decision: a ``mask`` about a track.

    Returns:
        ``None`` where there is nothing to mend.

    Raises:
        DatasetError: the labels cannot be read.
        RecordingError: a picture cannot be read.
        ModelError: the segmenter cannot be used.
    """
    session, frame = decision.subject.session, int(decision.body["frame"])
    counts = str(decision.body["counts"])
    found: list[tuple[int, str]] = []
    for side in _sides(dataset, session, decision.subject.id, frame):
        found += _mended(media, segmenter, session, (frame, counts), side)
    if not found:
        return None
    kept, size = [], 0
    for number, made in sorted(found, key=lambda f: abs(f[0] - frame)):
        size += len(made) + 20
        if size > MAX_BODY // 2:
            break
        kept.append([number, made])
    return replace(
        decision,
        id=f"spread-{decision.id}"[:64],
        body={"frame": frame, "counts": counts, "carried": sorted(kept), "of": decision.id},
        base=-1,
        think_ms=0,
        client="segmenter",
        card="",
        sample=Sample(),
    )


def _sides(
    dataset: Dataset, session: str, track: int, frame: int
) -> tuple[Sequence[Labelled], Sequence[Labelled]]:
    """What the track shows after a frame, and before it backwards, as far as nobody has looked."""
    rows = dataset.sql(
        "SELECT frame_id, mask, status FROM instances WHERE session = ? AND track = ?"
        " AND frame_id BETWEEN ? AND ? AND frame_id <> ? ORDER BY frame_id",
        [session, track, frame - MOST, frame + MOST, frame],
    ).to_pylist()
    after, before = list[Labelled](), list[Labelled]()
    for way, side in ((rows, after), (rows[::-1], before)):
        for row in way:
            if (row["frame_id"] > frame) != (side is after):
                continue
            if row["status"] in ("verified", "corrected"):
                break
            side.append((row["frame_id"], row["mask"]))
    return after, before


def _mended(
    media: Media,
    segmenter: Segmenter,
    session: str,
    start: tuple[int, str],
    side: Sequence[Labelled],
) -> Iterator[tuple[int, str]]:
    """Masks where the labels are wrong, until they are right in some frames running."""
    frames = (media.seen(session, number) for number in (start[0], *(n for n, _ in side)))
    size = media.seen(session, start[0]).rgb.shape[:2]
    followed = segmenter.carry(frames, start[1].encode())
    next(followed, None)  # the corrected frame itself
    right = 0
    for (number, label), made in zip(side, followed, strict=False):
        if made.counts is None:
            return  # it has lost the thing
        right = right + 1 if _agree(label, made.counts, size) else 0
        if right == IN_A_ROW:
            return
        if not right:
            yield number, made.counts.decode()


def _agree(label: bytes | None, made: bytes, size: tuple[int, int]) -> bool:
    return label is not None and bool(masks.iou([label], [made], size)[0, 0] >= AGREES)
