"""Whatever models there are, their answers become one dataset: boxes, tracks, objects, words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scenekeeper import label, open_dataset
from scenekeeper.errors import ModelError
from scenekeeper.labelers import ModelLabeler
from scenekeeper.models import Device, Model, Source
from scenekeeper.models.plan import plan
from scenekeeper.segment.boxes import load as load_boxes
from scenekeeper.store import Dataset
from scenekeeper.verbs import simulate
from tests.models.oracle import Follower, Grounder, Teller, Truth


@dataclass(frozen=True)
class Home:
    """A simulated recording and what is true of it."""

    recording: Path
    truth: Truth
    words: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    [recording] = simulate(folder, seed=21, format="rgbd", seconds=5, fps=8, size=(320, 240))
    dataset = open_dataset(folder / "truth.sk")
    [session] = dataset.sessions()
    truth = Truth.of(dataset, session)
    words = {phrase: () for frame in truth.frames.values() for phrase in frame.phrase}
    return Home(recording, truth, words)


Labelled = Callable[..., Dataset]


@pytest.fixture
def labelled(home: Home, tmp_path: Path) -> Labelled:
    def make(*models: Model, words: dict[str, tuple[str, ...]] | None = None) -> Dataset:
        how = ModelLabeler(plan(models), home.words if words is None else words)
        [report] = label([home.recording], tmp_path / "home.sk", labeler=how, clip_seconds=2)
        assert not report.failures
        return open_dataset(tmp_path / "home.sk")

    return make


def test_two_models_composed_and_one_that_does_both_give_the_same_tracks(
    home: Home, labelled: Labelled
) -> None:
    composed = rows(labelled(Grounder(home.truth), Follower(home.truth)))
    collapsed = rows(labelled(Follower(home.truth, finds=True)))
    assert composed == collapsed and composed


def rows(dataset: Dataset) -> list[dict[str, Any]]:
    """What the instances are, in order."""
    columns = ["frame_id", "instance", "track", "phrase", "mask"]
    table = dataset.table("instances").select(columns)
    return table.sort_by([("frame_id", "ascending"), ("instance", "ascending")]).to_pylist()


def test_a_thing_keeps_its_track_over_clips(home: Home, labelled: Labelled) -> None:
    dataset = labelled(Follower(home.truth, finds=True))
    clips = {dataset.session(s).n_clips for s in dataset.sessions()}
    assert clips == {3}
    tracks = dataset.read_segment(
        "stitches", dataset.current(*dataset.sessions())["stitches"], *dataset.sessions()
    )
    known = {t for frame in home.truth.frames.values() for t in frame.track.tolist()}
    assert len(set(tracks["track"].to_pylist())) <= 1.3 * len(known)


def test_boxes_alone_are_followed_too(home: Home, labelled: Labelled) -> None:
    dataset = labelled(Grounder(home.truth), load_boxes(Source("boxes"), Device()))
    tracks = dataset.table("instances")["track"].to_numpy()
    assert len(tracks) > 100 and (tracks < 0).mean() < 0.05
    assert len(dataset.table("objects")) > 10


def test_a_model_that_scores_low_is_believed_as_much(home: Home, labelled: Labelled) -> None:
    # True things of open-vocabulary detectors score 0.1 to 0.4; nobody has calibrated that yet.
    sure = rows(labelled(Follower(home.truth, finds=True)))
    unsure = rows(labelled(Follower(home.truth, finds=True, score=0.15)))
    assert len(unsure) >= 0.95 * len(sure)


def test_words_that_are_not_asked_for_are_not_found(home: Home, labelled: Labelled) -> None:
    word = sorted(home.words)[0]
    dataset = labelled(Grounder(home.truth), Follower(home.truth), words={word: ()})
    assert set(dataset.table("instances")["phrase"].to_pylist()) == {word}


def test_a_negative_word_is_looked_for_and_what_is_found_as_it_is_discarded(
    home: Home, tmp_path: Path
) -> None:
    word = sorted(home.words)[0]
    models = plan((Grounder(home.truth), Follower(home.truth)))
    how = ModelLabeler(models, home.words, limits={word: float("inf")})
    label([home.recording], tmp_path / "home.sk", labeler=how, clip_seconds=2)
    dataset = open_dataset(tmp_path / "home.sk")
    [session] = dataset.sessions()
    run = dataset.current(session)["detections"]
    parts = [dataset.read_segment("detections", run, session, k) for k in range(3)]
    detected = [r for part in parts for r in part.select(["phrase", "admitted"]).to_pylist()]
    assert {r["admitted"] for r in detected if r["phrase"] == word} == {False}
    assert {r["admitted"] for r in detected if r["phrase"] != word} == {True}
    said = set(dataset.table("instances")["phrase"].to_pylist())
    assert word not in said and said


def test_what_describers_say_is_told_of_objects(home: Home, labelled: Labelled) -> None:
    teller = Teller(home.truth)
    dataset = labelled(Follower(home.truth, finds=True), teller)
    frames = len(home.truth.frames)
    assert 0 < len(teller.asked) < frames / 2
    captions = dataset.table("captions").to_pylist()
    assert len(captions) == frames
    own = [c for c in captions if c["source"] == "oracle:teller"]
    assert {c["status"] for c in own} == {"auto", "propagated"}
    texts = dataset.table("object_captions").to_pylist()
    assert texts and all("of its own kind" in t["text"] for t in texts)
    assert {t["object"] for t in texts} <= {
        o["object"] for o in dataset.table("objects").to_pylist()
    }
    sources = {r["source"] for r in dataset.table("relations").to_pylist()}
    assert "geometry+vlm" in sources


def test_of_two_describers_the_first_is_asked_more_often(home: Home, labelled: Labelled) -> None:
    small, large = Teller(home.truth, "small"), Teller(home.truth, "large")
    dataset = labelled(Follower(home.truth, finds=True), small, large)
    assert large.asked and not set(small.asked) & set(large.asked)
    assert len(small.asked) >= 2 * len(large.asked)
    sources = {s["source"]: s["frame_id"] for s in dataset.table("statements").to_pylist()}
    assert set(sources) == {"oracle:small", "oracle:large"}


def test_labelling_again_does_nothing(home: Home, labelled: Labelled) -> None:
    teller = Teller(home.truth)
    models = Grounder(home.truth), Follower(home.truth), teller
    first = rows(labelled(*models))
    asked = len(teller.asked)
    assert rows(labelled(*models)) == first and len(teller.asked) == asked


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        ([], "none of the models finds things"),
        (["grounder"], "none of the models follows things"),
        (["follower"], "needs boxes"),
        (["grounder", "grounder", "follower"], "nothing to do"),
        (["grounder", "follower", "sam3"], "nothing to do"),
        (["teller"], "needs boxes"),
    ],
)
def test_models_that_do_not_go_together_are_told(
    home: Home, models: list[str], problem: str
) -> None:
    known: dict[str, Model] = {
        "grounder": Grounder(home.truth),
        "follower": Follower(home.truth),
        "sam3": Follower(home.truth, finds=True),
        "teller": Teller(home.truth),
    }
    with pytest.raises(ModelError, match=problem):
        plan([known[name] for name in models])
