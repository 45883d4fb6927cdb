"""Whatever people make of the tracks in a tool, the labels say the same once it is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scenekeeper.exchange.queue_decisions import decisions
from scenekeeper.exchange.queue_pending import filled_in, is_pending, makers
from scenekeeper.exchange.queue_sheets import Owner, Queue, Returned, Sheet, Strand
from scenekeeper.review.events import Decision, Event
from scenekeeper.review.fold import fold
from scenekeeper.review.labelled import MADE, Labelled

N, TRACKS, STRANDS, SIZE = 8, (0, 1, 2), 5, (100, 400)
NAMES = ["mug", "cup", "bowl"]

Held = Mapping[tuple[int, int], int]
"""Per track and frame, the strand that holds it; those taken away are absent."""


@st.composite
def edits(draw: st.DrawFn) -> tuple[Held, list[str], list[str]]:
    """Who holds which box now, and per strand its key and its name."""
    held: dict[tuple[int, int], int] = {}
    before = list(TRACKS)
    for frame in range(N):
        if draw(st.integers(0, 2)) == 0:  # somebody changes something here
            before = draw(st.permutations(range(STRANDS)))[: len(TRACKS)]
        for track in TRACKS:
            if draw(st.integers(0, 5)):
                held[track, frame] = before[track]
    keys = [f"a{i}" if i in TRACKS else "" for i in range(STRANDS)]
    return held, keys, [draw(st.sampled_from(NAMES)) for _ in range(STRANDS)]


def box(track: int, frame: int) -> list[float]:
    return [100.0 * track + 2 * frame, 10, 100 * track + 2 * frame + 40, 60]


def strand(key: str, name: str, boxes: Sequence[tuple[int, int]]) -> Strand:
    ordered = sorted(boxes, key=lambda b: b[1])
    sides = np.array([box(*b) for b in ordered]).reshape(-1, 4)
    return Strand(key, name, np.array([f for _, f in ordered], np.int64), sides)


def queue() -> Queue:
    sheet = Sheet("sheet", "a", "video", "s", "c", SIZE, 10, np.arange(N))
    written = {f"a{t}": strand(f"a{t}", "mug", [(t, f) for f in range(N)]) for t in TRACKS}
    facts = ("q", "made", {"s": "c"}, {"s": "r"}, 0)
    return Queue(*facts, {"a": sheet}, written, {f"a{t}": Owner(t, -1) for t in TRACKS})


def recorded(found: list[Decision]) -> list[Event]:
    """As :func:`scenekeeper.exchange.queues.record` does it."""
    first = [d for d in found if not is_pending(d)]
    numbered = {d.id: MADE + k for k, d in enumerate(first, 1)}
    later = [filled_in(d, numbered) for d in found if is_pending(d) and makers(d)]
    return [Event(k, d, k, "", "") for k, d in enumerate(first + later, 1)]


def effective(found: list[Decision]) -> dict[tuple[int, int], tuple[int, str]]:
    """Per track and frame that is left, the thing that it is and what it is called."""
    frames = {t: np.arange(N) for t in TRACKS}
    boxes = {f: (np.array(TRACKS), np.array([box(t, f) for t in TRACKS])) for f in range(N)}
    labelled = Labelled(
        "r", frames, dict.fromkeys(TRACKS, "mug"), {}, boxes, dict.fromkeys(range(N), SIZE)
    )
    folded = fold(recorded(found), {"s": labelled})
    assert not folded.remarks, folded.remarks
    out = {(t, f): (t, "mug") for t in TRACKS for f in range(N)}
    for row in folded.rulings.to_pylist():
        for f in range(max(0, row["first"]), min(N - 1, row["last"]) + 1):
            thing = row["track"] if row["as_track"] is None else row["as_track"]
            out[row["track"], f] = (thing, row["phrase"] or "mug")
            if not row["there"]:
                del out[row["track"], f]
    return out


@settings(max_examples=300, deadline=None)
@given(edits())
def test_labels_say_what_the_tool_shows(edit: tuple[Held, list[str], list[str]]) -> None:
    held, keys, names = edit
    mine = {i: [b for b, by in held.items() if by == i] for i in range(STRANDS)}
    # Of a box drawn in one picture alone, without a key, the name alone tells that it is another.
    strands = {i: strand(keys[i], names[i], b) for i, b in mine.items() if b}
    if any(not s.key and len(s.at) == 1 for s in strands.values()):
        return
    found = decisions(queue(), [Returned("a", np.arange(N), list(strands.values()))])
    said = effective(found)
    assert said.keys() == held.keys()
    assert {b: name for b, (_, name) in said.items()} == {b: names[i] for b, i in held.items()}
    things: dict[int, set[int]] = {}
    for b, (thing, _) in said.items():
        things.setdefault(held[b], set()).add(thing)
    assert all(len(t) == 1 for t in things.values()), "one strand is one thing"
    assert len({t for ts in things.values() for t in ts}) == len(things), "two strands are two"
