"""Homes visited twice, along other ways, with things moved, taken, added and swapped in between.

Made to measure second visits on: recordings and their truth, the second visit also in a frame of
its own; labels that are exact or wrong the way detectors are; and what a world made of them says
against what is so.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.lookalikes import told
from benchmarks.looked_at import looked_at
from scenekeeper.evaluate.frames import on_common_frames
from scenekeeper.evaluate.mislabel import PROFILES, Errors, mislabel
from scenekeeper.evaluate.objects import Objects, Tables, pair_objects
from scenekeeper.evaluate.pairing import MIN_SIDE, pair
from scenekeeper.evaluate.reading import read_labelled
from scenekeeper.evaluate.relations import Fact, changed
from scenekeeper.exchange.recordings import write_recording
from scenekeeper.geometry import pose_matrix, pose_vector, transform
from scenekeeper.labeling import build_world
from scenekeeper.recording import open_recordings
from scenekeeper.recording.base import Recording
from scenekeeper.recording.frames import frame_index, signal_rows
from scenekeeper.simulate.produce import TRUTH, Scenario, simulate
from scenekeeper.store import Dataset, open_dataset
from scenekeeper.world.recall import open_world

Float = NDArray[np.float64]

SCENARIO = Scenario(
    seconds=13,
    fps=4,
    size=(320, 240),
    pose_noise=(0.005, np.radians(0.15)),
    visits=2,
    changes=("moved", "taken", "added", "swapped") * 4,
    finer=1,
)
OWN = "own frame"
LABELS: Mapping[str, Errors] = {
    "exact labels": PROFILES["none"],
    "noisy labels": Errors(
        miss=0.15,
        miss_small=0.25,
        miss_hidden=0.4,
        confuse=0.15,
        flicker=0.05,
        sticky=1.5,
        random=0.8,
        jitter=0.03,
        id_break=0.02,
    ),
}
FRAMES = ("same frame", "own frame")
KINDS = ("added", "taken", "moved", "swapped")


class Home(NamedTuple):
    """A simulated home: its folder, and where the second visit's own frame lies in the first's."""

    folder: Path
    T_first_own: Float


def home(folder: Path, seed: int) -> Home:
    """Simulate two visits; the second one's recording comes in two frames."""
    simulate(folder, [seed], "mcap", SCENARIO)
    rng = np.random.default_rng([seed, 21])
    yaw, T = rng.uniform(-np.pi, np.pi), np.eye(4)
    T[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    T[:3, 3] = rng.uniform(-3, 3, 3)
    second = sorted(folder.glob("*.mcap"))[1]
    own = folder / "own frame" / second.name
    if not own.exists():
        own.parent.mkdir()
        turned = _in_frame(open_recordings(second)[0], np.linalg.inv(T))
        write_recording(turned, "mcap", own)
    return Home(folder, T)


def _in_frame(recording: Recording, T_own_world: NDArray[Any]) -> Recording:
    """The same recording with poses in another frame."""
    views = []
    for view in recording.views:
        assert view.poses is not None
        poses = [pose_vector(T_own_world @ pose_matrix(p)) for p in view.poses.values]
        views.append(replace(view, poses=replace(view.poses, values=np.array(poses))))
    return replace(recording, views=tuple(views))


def labelled(home: Home, labels: str, frame: str) -> Dataset:
    """A dataset of a home's two visits and its world, from labels of a kind."""
    out = home.folder / f"{labels} {frame}.sk"
    seed = int(home.folder.name.rpartition("-")[2])
    dataset = mislabel(open_dataset(home.folder / TRUTH), out, LABELS[labels], seed)
    if frame == "own frame":
        session = dataset.sessions()[1]
        info, runs = dataset.session(session), dataset.current(session)
        own = open_recordings(home.folder / frame / f"{session}.mcap")[0]
        shutil.rmtree(out / "sessions" / session)
        there = replace(info, source=str(own.path.resolve()), content=own.content)
        dataset.add_session(there, frame_index(own), signal_rows(own))
        dataset.set_current(session, runs)
    build_world(dataset, workers=1)
    return dataset


@dataclass(frozen=True)
class Outcome:
    """What a world says of a second visit, counted; counters hold (right, of all).

    Attributes:
        stayed: unmoved things that were found in both visits and kept their id,
        moved: and moved ones, of which either visit looked at both places.
        reused: ids of the second visit that were another thing's in the first.
        there: changes that are so, by kind,
        said: that are said,
        right: and both.
        unexplored: things said, wrongly, to have come to a place that the first visit had not
            looked at, or to have gone from one that the second did not.
        metres: error of the second visit's frame in the middle of the home,
        radians: and of its direction.
        refused: the second visit was not laid onto the first.
        wrong: what is wrong, for people.
    """

    stayed: tuple[int, int]
    moved: tuple[int, int]
    reused: tuple[int, int]
    there: Counter[str]
    said: Counter[str]
    right: Counter[str]
    unexplored: int
    metres: float
    radians: float
    refused: bool
    wrong: tuple[str, ...]


def outcome(home: Home, dataset: Dataset, frame: str) -> Outcome:
    """Compare a world with the truth."""
    found, _ = read_labelled(dataset.path)
    true, truth = read_labelled(home.folder / TRUTH)
    assert truth is not None
    found, true = on_common_frames(found, true)
    first, second = truth.sessions()
    tables = Tables(dataset, truth, (first, second), {})
    objects = pair_objects(tables, pair(true, found, {}, MIN_SIDE))
    tables, objects = told(tables, objects)
    there, said = changed(tables, objects)
    lost = there - _found(tables, objects, there)
    # Nor can one tell that what left or came unseen did anything else than leave or come.
    unseen = {what[2] for _, what in lost} | _half_shown(tables, objects)
    there = there - lost
    said = {(kind, what) for kind, what in said if what[2] not in unseen}
    places = _places(home, objects, (first, second))
    rows = tables.of_truth("changes", second)
    untold = _untold(there, places)
    there, said = there - untold, said - untold
    touched = {r["object"] for r in rows} | {r["new_object"] for r in rows}
    moved = {r["object"] for r in rows if r["kind"] == "moved"} & (places[0] | places[1])
    a, b = ({t: f for s, t, f in objects.pairs if s == name} for name in (first, second))
    both = sorted(set(a) & set(b))
    stayed = [t for t in both if t not in touched]
    went = [t for t in both if t in moved]
    reused = [t for t, f in b.items() if f in a.values() and a.get(t) != f and _another(a, t, f)]
    metres, radians, refused = _misplaced(home, dataset, frame)
    return Outcome(
        (sum(a[t] == b[t] for t in stayed), len(stayed)),
        (sum(a[t] == b[t] for t in went), len(went)),
        (len(reused), len(b)),
        Counter(kind for kind, _ in there),
        Counter(kind for kind, _ in said),
        Counter(kind for kind, _ in there & said),
        sum(_unexplored(kind, what[2], objects, places) for kind, what in said - there),
        metres,
        radians,
        refused,
        tuple(_wrong(tables, objects, stayed, went, reused, a, b, there, said)),
    )


def _found(tables: Tables, o: Objects, there: set[tuple[str, Fact]]) -> set[tuple[str, Fact]]:
    """Changes of things that the labels show in every visit that they were there in."""
    first, second = tables.sessions
    found = {(s, t) for s, t, _ in o.pairs}
    other = {r["object"]: r["new_object"] for r in tables.of_truth("changes", second)}
    return {
        (kind, what)
        for kind, what in there
        for thing in [int(str(what[2]))]
        if (kind == "added" or (first, thing) in found)
        and (kind == "taken" or (second, other.get(thing) or thing) in found)
    }


def _half_shown(tables: Tables, o: Objects) -> set[Hashable]:
    """Things that moved, and that only one of the visits shows."""
    first, second = tables.sessions
    rows = tables.of_truth("changes", second)
    moved = {r["object"] for r in rows if r["kind"] == "moved"}
    return {t for t in moved if (t in o.true[first]) != (t in o.true[second])}


def _another(a: Mapping[int, int], thing: int, found: int) -> bool:
    """Whether an id was only ever of other things in the first visit."""
    return thing not in [t for t, f in a.items() if f == found]


def _places(home: Home, o: Objects, sessions: tuple[str, str]) -> tuple[set[int], set[int]]:
    """Things of the first visit whose place the second one looks at, and the other way round."""
    recordings = [open_recordings(home.folder / f"{s}.mcap")[0] for s in sessions]
    first, second = (o.true[s] for s in sessions)
    return looked_at(recordings[1], first), looked_at(recordings[0], second)


def _untold(
    there: set[tuple[str, Fact]], places: tuple[set[int], set[int]]
) -> set[tuple[str, Fact]]:
    """Changes that no picture tells: of what was taken, or moved away, nobody looked at the place
    since; or nobody had ever looked where it was added."""
    seen_since, seen_before = places
    return {
        (kind, what)
        for kind, what in there
        for thing in [int(str(what[2]))]
        if (kind in ("taken", "moved") and thing not in seen_since)
        or (kind == "added" and thing not in seen_before)
    }


def _unexplored(kind: str, thing: object, o: Objects, places: tuple[set[int], set[int]]) -> bool:
    """Whether a change that is not so is said of a place that one of the visits did not look at."""
    if kind not in ("taken", "added"):
        return False
    was = [thing in true for true in o.true.values()]
    mine = 0 if kind == "taken" else 1
    return was[mine] and thing not in places[mine]


def _misplaced(home: Home, dataset: Dataset, frame: str) -> tuple[float, float, bool]:
    """How far off the second visit's frame is, metres and radians, and whether it was refused."""
    place = open_world(dataset).places()[1]
    T = np.eye(4) if frame == "same frame" else home.T_first_own
    if place.how == "apart":
        return np.nan, np.nan, True
    E = place.T_place_session @ np.linalg.inv(T)
    middle = np.array([[2.0, 2.0, 1.0]])
    off = float(np.linalg.norm(transform(E, middle) - middle))
    return off, float(np.arccos(np.clip((np.trace(E[:3, :3]) - 1) / 2, -1, 1))), False


def _wrong(
    tables: Tables,
    o: Objects,
    stayed: list[int],
    went: list[int],
    reused: list[int],
    a: Mapping[int, int],
    b: Mapping[int, int],
    there: set[tuple[str, Fact]],
    said: set[tuple[str, Fact]],
) -> Iterator[str]:
    first, second = tables.sessions
    name: dict[Hashable, str] = {
        t: r["phrase"] for s in tables.sessions for t, r in o.true[s].items()
    }
    for t in stayed:
        if a[t] != b[t]:
            yield f"stayed {name[t]} {t}: {a[t]} -> {b[t]}"
    for t in went:
        if a[t] != b[t]:
            yield f"moved {name[t]} {t}: {a[t]} -> {b[t]}"
    for t in reused:
        yield f"reused {name[t]} {t}: {b[t]} was {[x for x, f in a.items() if f == b[t]]}"
    for kind, what in sorted(there - said, key=str):
        yield f"missed {kind} {what[2]} {name.get(what[2])}"
    for kind, what in sorted(said - there, key=str):
        thing = what[2]
        shown = [thing in o.true[s] for s in (first, second)]
        yield f"false {kind} {thing} {name.get(thing)} shown {shown}"
