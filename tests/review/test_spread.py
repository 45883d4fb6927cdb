"""A mask drawn in one frame mends the frames around it, and goes with it when it is undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper import masks
from scenekeeper.review.access import Visitor
from scenekeeper.review.desk import Desk
from scenekeeper.schema import Frame
from scenekeeper.store import Dataset
from tests.review import tiny

ANN = Visitor("browser", "ann")
DRAWN, WRONG = 12, range(9, 17)
"""The frame that is corrected, and all those in which the labels are wrong."""


@dataclass
class Made:
    frame_id: int
    counts: bytes | None
    score: float = 1.0


class Follower:
    """Knows where the thing is: the label moved by six pixels in the wrong frames."""

    def __init__(self, labels: dict[int, bytes], lost: int | None = None) -> None:
        self.labels, self.lost, self.seen = labels, lost, list[int]()

    def mask(self, *_: Any) -> Any:
        raise AssertionError

    def carry(self, frames: Iterable[Frame], counts: bytes) -> Iterator[Made]:
        for frame in frames:
            self.seen.append(frame.frame_id)
            gone = self.lost is not None and abs(frame.frame_id - DRAWN) >= self.lost
            yield Made(frame.frame_id, None if gone else truth(self.labels, frame.frame_id))


def truth(labels: dict[int, bytes], frame: int) -> bytes:
    if frame not in WRONG:
        return labels[frame]
    return masks.encode(np.roll(masks.decode(labels[frame], tiny.SIZE), 6, axis=0))


def shown(dataset: Dataset, track: int) -> dict[int, tuple[bytes, str]]:
    rows = Dataset.open(dataset.path).sql(
        "SELECT frame_id, mask, status FROM instances WHERE track = ?", [track]
    )
    return {r["frame_id"]: (r["mask"], r["status"]) for r in rows.to_pylist()}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return tiny.labelled(tmp_path)


def said(desk: Desk, op: str, **body: Any) -> str:
    """Decide about the first track without being asked; the decision's id."""
    subject = {"kind": "track", "session": "walk", "id": 0}
    sent = {"id": f"decision-{op}-{len(body)}", "op": op, "subject": subject, "body": body}
    assert desk.decide(ANN, [sent])[0]["status"] == "saved"
    return sent["id"]


def correct(
    dataset: Dataset,
    lost: int | None = None,
    undo: bool = False,
    plain: dict[int, bytes] | None = None,
) -> Follower:
    """Draw a mask as a reviewer does, and have it spread by what is returned."""
    plain = plain or {f: m for f, (m, _) in shown(dataset, 0).items()}
    follower = Follower(plain, lost)
    with closing(Desk(Dataset.open(dataset.path), segmenter=follower)) as desk:
        drawn = said(desk, "mask", frame=DRAWN, counts=truth(plain, DRAWN).decode())
        desk._spreading.upkeep.now()
        if undo:
            said(desk, "undo", of=drawn)
    return follower


def test_the_frames_around_are_mended_until_the_labels_are_right_again(dataset: Dataset) -> None:
    before = {f: m for f, (m, _) in shown(dataset, 0).items()}
    follower = correct(dataset)
    after = shown(dataset, 0)
    for frame, (mask, status) in after.items():
        if frame in WRONG:
            assert mask == truth(before, frame)
            assert status == ("corrected" if frame == DRAWN else "propagated")
        else:
            assert mask == before[frame] and status != "corrected"
    assert set(follower.seen) == set(range(WRONG.start - 3, WRONG.stop + 3))


def test_undone_it_mends_nothing(dataset: Dataset) -> None:
    before = shown(dataset, 0)
    correct(dataset, undo=True)
    assert shown(dataset, 0) == before


def test_where_the_thing_is_lost_it_ends(dataset: Dataset) -> None:
    correct(dataset, lost=2)
    mended = {f for f, (_, status) in shown(dataset, 0).items() if status == "propagated"}
    assert mended == {DRAWN - 1, DRAWN + 1}


def test_what_a_person_has_looked_at_stays(dataset: Dataset) -> None:
    plain = {f: m for f, (m, _) in shown(dataset, 0).items()}
    with closing(Desk(dataset)) as desk:
        said(desk, "box", frame=DRAWN + 2, box_xyxy=[1, 2, 9, 8])
    correct(dataset, plain=plain)
    after = shown(dataset, 0)
    assert after[DRAWN + 1][1] == "propagated" and after[DRAWN + 2][1] == "corrected"
    assert after[DRAWN + 3][1] != "propagated"
