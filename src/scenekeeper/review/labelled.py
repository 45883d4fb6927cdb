"""What machines say of a session, as far as a fold needs it, and where in it a decision belongs.

Labels that were made anew number their tracks anew. Then a decision finds its track by the boxes
that the person looked at: whatever lies there now is what was decided about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenekeeper.review.events import Decision

Int = NDArray[np.int64]
Float = NDArray[np.float64]

MADE = 1_000_000_000
"""Tracks that people made are numbered from here on, by their event; machines count from 0."""

MEETS = 0.5
"""Intersection over union at which two boxes are taken to be of one thing."""

_SHARE = 0.25
"""Of a decision's boxes, so many have to meet a track for the decision to be about it, too."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """A session's labels in force, as machines made them.

    Attributes:
        run: of its instances.
        frames: per track, ``int64 [N]`` the frames that show it, ascending.
        phrase: per track, what the machine calls it.
        object: per track that has one, its object.
        boxes: of frames that decisions speak of: ``int64 [N]`` tracks and ``float64 [N, 4]`` boxes.
        size: ``(H, W)`` of the same frames.
        captions: per camera the caption of each of its frames, in order; where decisions need it.
    """

    run: str
    frames: Mapping[int, Int]
    phrase: Mapping[int, str] = field(default_factory=dict)
    object: Mapping[int, int] = field(default_factory=dict)
    boxes: Mapping[int, tuple[Int, Float]] = field(default_factory=dict)
    size: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    captions: tuple[Mapping[int, str], ...] = ()


def is_same_run(decision: Decision, session: str, labelled: Labelled) -> bool | None:
    """Whether the labels are those that the person saw; ``None`` = it was not recorded."""
    run = decision.runs.get(session)
    return None if run is None else run == labelled.run


def met(decision: Decision, session: str, labelled: Labelled) -> dict[int, list[int]]:
    """Tracks that lie where the person looked, most often met first, and in which frames.

    More than half of the boxes have to meet something, else nothing is found. One box that meets
    another track than the others is chance; a quarter of them is a thing that is now followed in
    pieces.
    """
    looked = [a[1:] for a in decision.anchor if a[0] == session]
    found: dict[int, list[int]] = {}
    for frame_id, *box in looked:
        track = meeting(labelled, frame_id, box)
        if track is not None:
            found.setdefault(track, []).append(frame_id)
    if 2 * sum(map(len, found.values())) <= len(looked):
        return {}
    enough = {t: sorted(f) for t, f in found.items() if len(f) >= _SHARE * len(looked)}
    return dict(sorted(enough.items(), key=lambda item: (-len(item[1]), item[0])))


def meeting(labelled: Labelled, frame_id: int, box_xyxy: Sequence[float]) -> int | None:
    """The track whose box in a frame meets a box best; ``None`` if none does."""
    if frame_id not in labelled.boxes:
        return None
    tracks, boxes = labelled.boxes[frame_id]
    if not len(tracks):
        return None
    overlap = ious(np.asarray(box_xyxy, np.float64), boxes)
    best = int(np.argmax(np.where(tracks >= 0, overlap, -1)))
    return int(tracks[best]) if overlap[best] >= MEETS and tracks[best] >= 0 else None


def ious(box: Float, boxes: Float) -> Float:
    """Intersection over union of a box ``[4]`` with boxes ``[N, 4]``: ``float64 [N]``."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(both / np.maximum(np.prod(box[2:] - box[:2]) + areas - both, 1e-9))


def frames_needed(decisions: Iterable[Decision]) -> dict[str, set[int]]:
    """Per session, the frames that decisions speak of."""
    out: dict[str, set[int]] = {}
    for d in decisions:
        for session, frame_id, *_ in d.anchor:
            out.setdefault(session, set()).add(frame_id)
        if d.op == "add":
            out.setdefault(d.subject.session, set()).add(d.subject.id)
        elif d.op in ("box", "mask"):
            drawn = [d.body["frame"], *(frame for frame, _ in d.body.get("carried", ()))]
            out.setdefault(d.subject.session, set()).update(drawn)
    return out


def former(d: Decision) -> tuple[str, int]:
    """The track that a decision was about when it was made."""
    return d.runs.get(d.subject.session, ""), d.subject.id


def claims(
    session: str, labelled: Labelled, decisions: Iterable[Decision]
) -> dict[int, dict[tuple[str, int], tuple[int, int]]]:
    """Per track of labels made anew, the former tracks that lie on it and in which frames."""
    out: dict[int, dict[tuple[str, int], tuple[int, int]]] = {}
    for d in decisions:
        if d.subject.kind != "track" or d.subject.id >= MADE:
            continue
        if is_same_run(d, session, labelled):
            continue
        for track, frames in met(d, session, labelled).items():
            spans_of = out.setdefault(track, {})
            first, last = spans_of.get(former(d), (frames[0], frames[-1]))
            spans_of[former(d)] = min(first, frames[0]), max(last, frames[-1])
    return out
