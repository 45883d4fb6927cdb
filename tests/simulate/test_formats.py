"""Simulated visits in every recording format: the same frames and numbers, nothing drawn twice."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from scenekeeper import engine, labeling
from scenekeeper.errors import ScenekeeperError
from scenekeeper.evaluate.frames import on_common_frames
from scenekeeper.evaluate.reading import read_labelled
from scenekeeper.exchange.recordings import FORMATS
from scenekeeper.recording import Recording, open_recordings
from scenekeeper.recording.frames import frame_index, read_frames
from scenekeeper.simulate.produce import TRUTH, Scenario, simulate, visits_of
from scenekeeper.simulate.session import Visit
from scenekeeper.store import Dataset, open_dataset

pytest.importorskip("h5py")

SCENARIO = Scenario(
    kinds=("kitchen",), seconds=1.0, fps=5, size=(96, 72), visits=2, finer=1, clutter=0.3
)
SEED = 5


@dataclass(frozen=True)
class Made:
    """Two visits to one home in a format, and how often each picture and depth was drawn."""

    format: str
    out: Path
    paths: list[Path]
    drawn: Counter[tuple[str, str, int]]
    told: list[str]

    def recordings(self) -> list[Recording]:
        return [r for path in self.paths for r in open_recordings(path)]


def counting(patch: pytest.MonkeyPatch, drawn: Counter[tuple[str, str, int]]) -> None:
    for name, draw in (("rgb", Visit.rgb), ("depth", Visit.depth)):

        def counted(visit: Visit, row: int, name: str = name, draw: object = draw) -> object:
            drawn[name, visit.name, row] += 1
            return draw(visit, row)  # type: ignore[operator]

        patch.setattr(Visit, name, counted)


@pytest.fixture(scope="module", params=FORMATS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    out, told = tmp_path_factory.mktemp(request.param), list[str]()
    drawn: Counter[tuple[str, str, int]] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        counting(patch, drawn)
        paths = simulate(out, [SEED], request.param, SCENARIO, told.append)
    return Made(request.param, out, paths, drawn, told)


@pytest.fixture(scope="module")
def visits() -> list[tuple[Visit, Sequence[np.ndarray], Sequence[np.ndarray]]]:
    """The visits, their pictures and their depth."""
    found = [visit for visit, _ in visits_of(SEED, SCENARIO)]
    return [
        (v, *(list(images.source.read(range(len(images)))) for images in (view.rgb, view.depth)))
        for v in found
        for view in v.recording().views
    ]


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def test_no_picture_is_drawn_twice(made: Made) -> None:
    assert len(made.drawn) == 24 and set(made.drawn.values()) == {1}


def test_only_a_dataset_of_episodes_holds_many(made: Made) -> None:
    many = FORMATS[made.format].many
    assert len(made.paths) == (1 if many else 2)
    assert all(path.suffix == FORMATS[made.format].suffix for path in made.paths)
    assert not many or made.paths == [made.out / made.format]


def test_frames_read_back_as_they_were_simulated(made: Made, visits: list) -> None:
    for recording, (visit, pictures, depth) in zip(made.recordings(), visits, strict=True):
        frames = list(read_frames(recording, frame_index(recording)))
        assert [f.t_ns for f in frames] == visit.t_ns.tolist()
        for row, frame in enumerate(frames):
            if made.format == "lerobot":  # video loses detail
                assert likeness(frame.rgb, pictures[row]) > 25
            else:
                assert np.array_equal(frame.rgb, pictures[row])
            assert np.abs(frame.depth - depth[row]).max() <= 1e-4
            assert frame.T_world_camera == pytest.approx(visit.pose(row), abs=1e-9)
            assert frame.camera.intrinsics == pytest.approx(visit.camera.intrinsics)


def test_joints_and_actions_keep_their_own_rate(made: Made, visits: list) -> None:
    for recording, (visit, _, _) in zip(made.recordings(), visits, strict=True):
        assert recording.task == "look around the kitchen"
        for name, before in visit.recording().signals.items():
            after = recording.signals[name]
            assert len(after) == 101 and "head_pan" in recording.signals["/joint_states"].names
            assert (after.kind, after.names) == (before.kind, before.names)
            assert np.array_equal(after.t_ns, before.t_ns)
            assert np.array_equal(after.values, before.values)


@dataclass(frozen=True)
class NoLabeler:
    """Opens and indexes as the labeler does, and finds nothing."""

    def stages(self, dataset: Dataset, session: str) -> Sequence[engine.Stage]:
        return []


def test_what_is_labelled_pairs_with_the_truth_in_every_frame(made: Made, tmp_path: Path) -> None:
    labeling.label(made.paths, tmp_path / "found.sk", labeler=NoLabeler())
    found, truth = (read_labelled(p)[0] for p in (tmp_path / "found.sk", made.out / TRUTH))
    assert len(truth.frames) == 12 and truth.frames == found.frames
    truth_itself = replace(truth, name="found.sk", frames=found.frames)
    pair = on_common_frames(truth_itself, truth)
    assert [len(side.frames) for side in pair] == [12, 12]
    assert len(pair[0]) == len(pair[1]) == len(truth) > 50


def test_every_table_of_the_truth_bears_the_names_of_its_sessions(made: Made) -> None:
    truth = open_dataset(made.out / TRUTH)
    first, second = truth.sessions()
    assert [first, second] == [r.name for r in made.recordings()]
    for table in ("instances", "objects", "relations", "captions"):
        assert set(truth.table(table)["session"].to_pylist()) == {first, second}, table
    changes = truth.table("changes").to_pylist()
    assert changes and {(c["since"], c["session"]) for c in changes} == {(first, second)}
    assert f"{SEED:05d}-visit-2" in truth.session(second).notes[0]


def test_what_is_there_is_not_made_again(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def stamps() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in made.out.rglob("*") if p.is_file()}

    before, drawn = stamps(), Counter[tuple[str, str, int]]()
    counting(monkeypatch, drawn)
    assert simulate(made.out, [SEED], made.format, SCENARIO) == made.paths
    assert stamps() == before and not drawn


@pytest.mark.parametrize(
    ("seeds", "problem"), [([SEED + 1], "of another simulation"), ([SEED, 6], "not 4")]
)
@pytest.mark.parametrize("made", ["lerobot", "rlds"], indirect=True)
def test_other_episodes_are_in_the_way(made: Made, seeds: list[int], problem: str) -> None:
    with pytest.raises(ScenekeeperError, match=problem):
        simulate(made.out, seeds, made.format, SCENARIO)


def test_what_a_format_cannot_hold_is_told_once(made: Made) -> None:
    notes = [line for line in made.told if line.startswith(f"{made.format}: ")]
    assert len(notes) == len(set(notes)) and (len(notes) > 0) == (made.format == "hdf5")


@pytest.fixture
def nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail as soon as anything is furnished."""
    monkeypatch.setattr("scenekeeper.simulate.produce.furnish", None)
    return


@pytest.mark.usefixtures("nothing_is_made")
def test_a_missing_library_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ScenekeeperError, match=r"pip install 'scenekeeper\[hdf5\]'"):
        simulate(tmp_path / "out", [1], "hdf5")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("nothing_is_made")
@pytest.mark.parametrize("change", [{"size": (97, 72)}, {"size": (96, 71)}, {"fps": 7.5}])
def test_what_lerobot_cannot_hold_is_refused_first(
    tmp_path: Path, change: dict[str, object]
) -> None:
    with pytest.raises(ScenekeeperError, match="even sides and a whole number"):
        simulate(tmp_path / "out", [1], "lerobot", replace(SCENARIO, **change))
