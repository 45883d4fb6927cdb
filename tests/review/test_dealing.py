"""A card shows exactly what the labels say, where they say it, and nothing of why it is asked."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from scenekeeper import masks
from scenekeeper.errors import DatasetError
from scenekeeper.review.apply import refresh
from scenekeeper.review.cards import Card, View
from scenekeeper.review.dealing import card, cards
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Decision, Sample, Subject
from scenekeeper.review.log import Log
from scenekeeper.review.pairs import pairs
from scenekeeper.review.queue import plan
from scenekeeper.review.reel import Reel
from scenekeeper.review.statements import relations
from scenekeeper.schema import OBJECTS, RELATIONS
from scenekeeper.store import Dataset
from tests.review.labelled import SIZE, STEP_NS, Thing, dataset, units

MUG = Thing(3, "mug", tuple(range(5, 95)), x=10, y=20, dx=0.5, object=1, doubted=(50, 51, 52))
BOWL = Thing(4, "bowl", tuple(range(100)), x=100, y=70, side=30, object=2)
BRIEF = Thing(9, "spoon", (7, 8, 9), x=5, y=90, side=6)
SAME_MUG = Thing(2, "mug", tuple(range(10, 60)), x=80, y=50, object=1)
SESSIONS = {"first": (MUG, BOWL, BRIEF), "second": (SAME_MUG,)}
ROWS = {"mug": 0, "bowl": 1, "spoon": 2, "second mug": 3}


def related(labelled: Dataset, session: str) -> Dataset:
    """The dataset with a relation between the mug and the bowl."""
    relation = {"session": session, "subject": 1, "predicate": "next to", "object": 2, "score": 0.6}
    row = {**dict.fromkeys(RELATIONS.names), **relation, "source": "geometry", "frame": ""}
    labelled.write_segment(pa.Table.from_pylist([row], RELATIONS), "relations", "r", session)
    labelled.set_current(session, {**labelled.current(session), "relations": "r"})
    return labelled


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory) -> Reel:
    made = related(dataset(tmp_path_factory.mktemp("labelled") / "d.sk", SESSIONS), "first")
    return Reel(made, units(SESSIONS), lambda key: {"track/first/3": 17}.get(key, 0))


def track(row: int, sample: Sample | None = None) -> Entry:
    thing = (*SESSIONS["first"], SAME_MUG)[row]
    subject = Subject("track", "first" if row < 3 else "second", thing.track)
    return Entry("track", subject, (row,), sample or Sample("repair"))


def made(reel: Reel, entry: Entry) -> Card:
    found = card(reel, entry)
    assert found is not None
    return found


def shows(view: View, thing: Thing) -> None:
    """The view is of the thing, to the pixel and the millisecond."""
    x0, y0, x1, y1 = thing.box(view.frame_id)
    assert view.box_xyxy == (x0, y0, x1, y1)
    assert view.counts is not None and view.counts.encode() == thing.mask(view.frame_id)
    assert view.size == SIZE
    assert view.seconds == pytest.approx(view.frame_id * STEP_NS / 1e9)
    left, top, right, bottom = view.window_xyxy
    assert 0 <= left <= x0 and x1 <= right <= SIZE[1] and 0 <= top <= y0 and y1 <= bottom <= SIZE[0]


# --- tracks ---------------------------------------------------------------------------------------


def test_a_filmstrip_shows_even_frames_and_where_the_machine_doubts(reel: Reel) -> None:
    shown = made(reel, track(ROWS["mug"]))
    for view in shown.views:
        shows(view, MUG)
    frames = [view.frame_id for view in shown.views]
    assert frames == sorted(set(frames)) and len(frames) == 12
    even = [view.frame_id for view in shown.views if not view.risk]
    assert even[0] == 5 and even[-1] == 94 and len(even) == 8
    assert np.ptp(np.diff(even)) <= 1
    risky = [view.frame_id for view in shown.views if view.risk]
    assert len(risky) == 4 and any(48 <= frame <= 54 for frame in risky)


def test_a_card_knows_its_track(reel: Reel) -> None:
    shown = made(reel, track(ROWS["mug"]))
    assert (shown.phrase, shown.frames, shown.sessions, shown.revision) == ("mug", 90, 1, 17)
    assert shown.choices[:2] == ("kettle", "lamp") and "mug" not in shown.choices
    assert set(shown.choices[2:]) == {"bowl", "spoon"}
    assert [frame for frame, _ in shown.series] == list(range(5, 95))
    assert min(shown.series, key=lambda point: point[1])[0] in MUG.doubted
    assert shown.context is not None
    assert shown.context.window_xyxy == (0, 0, SIZE[1], SIZE[0])
    assert shown.context.box_xyxy in [view.box_xyxy for view in shown.views]


def test_a_short_track_is_shown_whole(reel: Reel) -> None:
    shown = made(reel, track(ROWS["spoon"]))
    assert [view.frame_id for view in shown.views] == [7, 8, 9]
    for view in shown.views:
        shows(view, BRIEF)
        x0, y0, x1, y1 = view.window_xyxy
        assert (x1 - x0, y1 - y0) == (48, 48), "a small thing is not blown up out of all proportion"


def test_a_long_series_keeps_its_most_doubtful_moment(tmp_path: Path) -> None:
    long = replace(MUG, frames=tuple(range(900)), dx=0.1, doubted=(457,))
    made_of = {"only": (long,)}
    reel = Reel(dataset(tmp_path / "d.sk", made_of, frames=900), units(made_of))
    shown = made(reel, Entry("track", Subject("track", "only", 3), (0,)))
    assert len(shown.series) == 200 and (457, 0.2) in shown.series


def test_the_page_is_not_told_why_a_card_is_shown(reel: Reel) -> None:
    audit = Sample("audit", "tracks", 0.125, 3, 77, "first")
    repair = Sample("repair", snapshot="first")
    told = made(reel, track(0, audit)).to_page(), made(reel, track(0, repair)).to_page()
    assert json.dumps(told[0]) == json.dumps(told[1])
    assert "audit" not in json.dumps(told[0]) and "0.125" not in json.dumps(told[0])


def test_a_track_that_is_no_more_makes_no_card(reel: Reel) -> None:
    gone = {"first": (*SESSIONS["first"], replace(MUG, track=77)), "second": (SAME_MUG,)}
    stale = Reel(reel.dataset, units(gone))
    assert card(stale, Entry("track", Subject("track", "first", 77), (3,))) is None
    assert card(stale, Entry("object", Subject("object", "", 1), (0, 3, 4))) is None
    assert card(stale, track(0)) is not None


def test_a_damaged_segment_is_named(tmp_path: Path) -> None:
    made_of = {"only": (BOWL,)}
    labelled = dataset(tmp_path / "d.sk", made_of)
    reel = Reel(labelled, units(made_of))
    assert len(reel.film("only").frame_id) == 100
    labelled.segment("instances", "r", "only", 1).write_bytes(b"not Parquet")
    with pytest.raises(DatasetError, match="only-00001"):
        card(reel, Entry("track", Subject("track", "only", 4), (0,)))


# --- several tracks -------------------------------------------------------------------------------


def test_an_object_is_shown_in_all_its_sessions(reel: Reel) -> None:
    entry = Entry("object", Subject("object", "", 1), (ROWS["mug"], ROWS["second mug"]))
    shown = made(reel, entry)
    assert (shown.frames, shown.sessions, shown.phrase) == (140, 2, "mug")
    assert [part.subject.session for part in shown.parts] == ["first", "second"]
    assert [view.session for view in shown.views] == ["first"] * 4 + ["second"] * 4
    for view in shown.views:
        shows(view, MUG if view.session == "first" else SAME_MUG)
    assert not any(part.views for part in shown.parts), "no picture is shown twice"


def test_an_object_of_many_visits_does_not_burst_its_card(tmp_path: Path) -> None:
    made_of = {f"visit-{k:02d}": (replace(MUG, frames=tuple(range(k + 1))),) for k in range(30)}
    reel = Reel(dataset(tmp_path / "d.sk", made_of, frames=40), units(made_of))
    shown = made(reel, Entry("object", Subject("object", "", 1), tuple(range(30))))
    assert [view.session for view in shown.views] == [f"visit-{k:02d}" for k in range(6, 30)]
    assert (len(shown.parts), shown.frames, shown.sessions) == (30, sum(range(31)), 30)


def test_a_gallery_shows_the_best_of_each(reel: Reel) -> None:
    entry = Entry("gallery", Subject("track", "first", 3), (0, 3), Sample("repair"))
    shown = made(reel, entry)
    assert [len(part.views) for part in shown.parts] == [1, 1]
    assert [part.subject.id for part in shown.parts] == [3, 2]
    assert shown.parts[0].revision == 17
    assert all(part.views[0].frame_id not in MUG.doubted for part in shown.parts)


def test_a_relation_is_shown_where_both_can_be_seen(reel: Reel) -> None:
    (entry,) = relations(reel)
    assert entry.statement == "The mug is next to the bowl."
    assert entry.gain == pytest.approx(0.25 * 0.4 * 90, rel=1e-5)
    shown = made(reel, entry)
    assert shown.statement == entry.statement and shown.subject.predicate == "next to"
    assert [part.phrase for part in shown.parts] == ["mug", "bowl"]
    for one, other in zip(shown.views, shown.parts[1].views, strict=True):
        assert one.frame_id == other.frame_id and one.window_xyxy == other.window_xyxy
        shows(one, MUG)
        shows(other, BOWL)


def test_what_is_drawn_from_stays_what_machines_say(tmp_path: Path) -> None:
    made_of = {"only": (MUG, BOWL)}
    labelled = related(dataset(tmp_path / "d.sk", made_of), "only")
    before = relations(Reel(labelled, units(made_of)))
    with Log.open(labelled.path) as log:
        log.append([Decision("no-it-is-not", "reject", before[0].subject, actor="ann")])
    refresh(labelled)
    after = Dataset.open(labelled.path)
    assert len(after.table("relations")) == 0
    assert relations(Reel(after, units(made_of))) == before


def test_two_things_that_no_frame_shows_together_are_shown_apart(tmp_path: Path) -> None:
    one = Thing(1, "mug", tuple(range(20)), object=1)
    other = Thing(2, "bowl", tuple(range(50, 70)), x=90, object=2)
    made_of = {"only": (one, other)}
    reel = Reel(dataset(tmp_path / "d.sk", made_of), units(made_of))
    entry = Entry("relation", Subject("relation", "only", 1, 2, "behind"), (0, 1))
    seen = made(reel, entry).views
    for view, thing in zip(seen, (one, other), strict=True):
        shows(view, thing)


def test_an_audited_frame_shows_nothing_but_itself(reel: Reel) -> None:
    shown = made(reel, Entry("frame", Subject("frame", "first", 30)))
    (view,) = shown.views
    assert view.box_xyxy is None and view.counts is None
    assert view.window_xyxy == (0, 0, SIZE[1], SIZE[0])
    assert not shown.parts and not shown.phrase and not shown.choices
    with pytest.raises(DatasetError, match="no frame"):
        card(reel, Entry("frame", Subject("frame", "first", 3000)))


# --- pairs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "jump", "phrase", "asked"),
    [(5, 0, "mug", True), (5, 3, "mug", True), (5, 110, "mug", False), (40, 0, "mug", False)],
)
def test_a_track_that_goes_on_nearby_is_asked_about(
    tmp_path: Path, gap: int, jump: int, phrase: str, asked: bool
) -> None:
    one = Thing(1, "mug", tuple(range(40)), x=20, y=20)
    other = Thing(2, phrase, tuple(range(40 + gap, 90)), x=20 + jump, y=20)
    made_of = {"only": (one, other)}
    reel = Reel(dataset(tmp_path / "d.sk", made_of), units(made_of))
    found = pairs(reel)
    assert [e.subject for e in found] == ([Subject("pair", "only", 1, 2)] if asked else [])
    if asked:
        assert 0.5 * 40 < found[0].gain <= 40
        shown = made(reel, found[0])
        for part, thing in zip(shown.parts, (one, other), strict=True):
            assert part.subject.id == thing.track and part.frames == len(thing.frames)
            for view in part.views:
                shows(view, thing)


def test_two_objects_in_one_place_are_asked_about(tmp_path: Path) -> None:
    one = Thing(1, "mug", tuple(range(40)), x=20, y=20, object=5)
    twin = Thing(2, "mug", tuple(range(10, 50)), x=22, y=21, object=3)
    apart = Thing(3, "mug", tuple(range(20)), x=90, y=80, object=8)
    made_of = {"only": (one, twin, apart)}
    reel = Reel(dataset(tmp_path / "d.sk", made_of), units(made_of))
    (entry,) = [e for e in pairs(reel) if not e.subject.session]
    assert entry.subject == Subject("pair", "", 3, 5)
    assert [part.subject for part in made(reel, entry).parts] == [
        Subject("object", "", 3),
        Subject("object", "", 5),
    ]


def test_objects_without_a_place_are_in_no_pair(tmp_path: Path) -> None:
    one = Thing(1, "mug", tuple(range(40)), x=20, y=20, object=5)
    twin = Thing(2, "mug", tuple(range(10, 50)), x=22, y=21, object=3)
    made_of = {"only": (one, twin)}
    placed = dataset(tmp_path / "d.sk", made_of)
    run = placed.current("only")["objects"]
    rows = placed.read_segment("objects", run, "only").to_pylist()
    nowhere = [{**row, "center": None, "extent": None} for row in rows]
    placed.write_segment(pa.Table.from_pylist(nowhere, OBJECTS), "objects", run, "only")
    reel = Reel(placed, units(made_of))
    assert [e for e in pairs(reel) if not e.subject.session] == []


def test_a_lookalike_of_another_visit_may_have_been_moved(tmp_path: Path) -> None:
    shelf = Thing(1, "shelf", tuple(range(40)), x=100, y=20, side=50, object=1)
    before = Thing(2, "mug", tuple(range(40)), x=20, y=20, object=2)
    after = Thing(2, "mug", tuple(range(40)), x=60, y=80, object=3)
    unlike = Thing(3, "mug", tuple(range(40)), x=110, y=80, side=45, object=4)
    made_of = {"before": (shelf, before), "later": (shelf, after, unlike)}
    reel = Reel(dataset(tmp_path / "d.sk", made_of), units(made_of))
    assert [e.subject for e in pairs(reel)] == [Subject("pair", "", 2, 3)]
    strangers = {"before": (before,), "elsewhere": (after,)}
    other = Reel(dataset(tmp_path / "e.sk", strangers), units(strangers))
    assert pairs(other) == [], "these two visits share no world"
    red, green = replace(before, color="red"), replace(after, color="green")
    painted = {"before": (shelf, red), "later": (shelf, green)}
    third = Reel(dataset(tmp_path / "f.sk", painted), units(painted))
    assert pairs(third) == [], "one is red, the other green"


# --- seeded errors --------------------------------------------------------------------------------


def test_a_wrong_name_is_one_that_the_machine_could_have_given(reel: Reel) -> None:
    gold = Sample("gold", planted="phrase")
    shown, true = made(reel, track(0, gold)), made(reel, track(0))
    assert shown.phrase in true.choices[:3] and shown.phrase != "mug"
    assert shown.choices[0] == "mug" and shown.phrase not in shown.choices
    assert len(shown.choices) == len(true.choices)
    assert (shown.views, shown.subject) == (true.views, true.subject)
    assert shown.sample.planted == "phrase"


def test_a_ghost_is_a_box_where_nothing_is_labelled(reel: Reel) -> None:
    gold = Sample("gold", planted="ghost")
    shown = made(reel, track(ROWS["mug"], gold))
    assert shown.sample.planted == "ghost" and shown.phrase == "mug"
    assert shown.subject.id not in {3, 4, 9} and shown.subject.id > 0
    assert len(shown.views) >= 6
    for view in shown.views:
        assert view.box_xyxy is not None and view.counts is not None
        x0, y0, x1, y1 = view.box_xyxy
        assert 0 <= x0 < x1 <= SIZE[1] and 0 <= y0 < y1 <= SIZE[0]
        assert masks.area(view.counts.encode()) == MUG.side**2 - 16
        assert masks.box(view.counts.encode(), SIZE) == (x0, y0, x1, y1)
        for thing in (MUG, BOWL, BRIEF):
            if view.frame_id in thing.frames:
                a0, b0, a1, b1 = thing.box(view.frame_id)
                assert x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0


def test_where_no_ghost_fits_a_wrong_name_is_shown(tmp_path: Path) -> None:
    everywhere = Thing(1, "floor", tuple(range(20)), x=0, y=0, side=120)
    made_of = {"only": (everywhere,)}
    reel = Reel(dataset(tmp_path / "d.sk", made_of), units(made_of))
    entry = Entry("track", Subject("track", "only", 1), (0,), Sample("gold", planted="ghost"))
    assert made(reel, entry).sample.planted == "phrase"
    nameless = replace(reel.units, choices=({},))
    assert card(Reel(reel.dataset, nameless), entry) is None
    assert cards(Reel(reel.dataset, nameless), [entry]) == []


def test_a_whole_queue_is_dealt(reel: Reel) -> None:
    asked = plan(reel.units, np.full(4, 0.6), more=pairs(reel), mix={"repair": 3, "gold": 1})
    dealt = cards(reel, asked)
    assert len(dealt) == len(asked) and len({c.id for c in dealt}) == len(dealt)
    for one, entry in zip(dealt, asked, strict=True):
        assert one.id == entry.id and math.isfinite(one.seconds)
        json.dumps(one.to_page())
