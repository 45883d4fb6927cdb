"""Simulated visits as recordings with their truth: the same bytes, exact labels, stable ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenekeeper import masks
from scenekeeper.errors import ScenekeeperError
from scenekeeper.simulate.produce import TRUTH, Scenario, simulate, visits_of
from scenekeeper.simulate.render import see
from scenekeeper.simulate.truth import IDS, STRUCTURE_ID
from scenekeeper.simulate.truth_relations import how_carried
from scenekeeper.store import open_dataset

SCENARIO = Scenario(
    kinds=("kitchen",), seconds=1.0, fps=5, size=(96, 72), visits=2, finer=1, clutter=0.6
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated")
    simulate(out, [5], "mcap", SCENARIO)
    return out


def test_the_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = simulate(tmp_path, [5], "mcap", SCENARIO)
    for path in again:
        assert path.read_bytes() == (made / path.name).read_bytes()


def test_what_is_there_is_not_made_again(made: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*.mcap")}
    simulate(made, [5], "mcap", SCENARIO)
    assert before == {p: p.stat().st_mtime_ns for p in made.rglob("*.mcap")}


def test_true_masks_are_the_renderers(made: Path) -> None:
    truth = open_dataset(made / TRUTH)
    visit, _ = visits_of(5, SCENARIO)[0]
    for row, labels in enumerate(truth.labels(visit.name)):
        shot = see(visit.scene, visit.camera, visit.pose(row))
        assert labels.track is not None and len(labels) > 3
        for k, track in enumerate(labels.track.tolist()):
            id = track - 5 * IDS
            own = shot.ids == (id if id < STRUCTURE_ID else STRUCTURE_ID - id)
            counts = labels.mask[k]
            assert counts is not None
            assert np.array_equal(masks.decode(counts, labels.size), own)
        assert set(labels.status) == {"verified"}
        visible = labels.signals["visible"]
        assert ((visible > 0) & (visible <= 1)).all()


def test_a_box_of_a_whole_thing_holds_its_visible_box(made: Path) -> None:
    truth = open_dataset(made / TRUTH)
    for labels in truth.labels("home-00005-visit-1"):
        whole = np.stack([labels.signals[f"whole_{n}"] for n in ("x0", "y0", "x1", "y1")], 1)
        known = np.isfinite(whole).all(1)
        assert (whole[known, :2] <= labels.box_xyxy[known, :2] + 1).all()
        assert (whole[known, 2:] >= labels.box_xyxy[known, 2:] - 1.5).all()


def test_things_keep_their_ids_from_visit_to_visit_and_changes_are_told(made: Path) -> None:
    truth = open_dataset(made / TRUTH)
    first, second = truth.sessions()
    phrases = [
        {r["object"]: r["phrase"] for r in truth.table("objects", s).to_pylist()}
        for s in (first, second)
    ]
    both = phrases[0].keys() & phrases[1].keys()
    assert both and all(phrases[0][i] == phrases[1][i] for i in both)
    changes = truth.table("changes", second).to_pylist()
    assert {c["kind"] for c in changes} >= {"moved", "taken", "added", "swapped"}
    assert all(c["since"] == first for c in changes)
    for c in changes:
        assert (c["before"] is None) == (c["kind"] == "added")
        assert (c["after"] is None) == (c["kind"] == "taken")


def test_true_relations_say_what_carries_what(made: Path) -> None:
    truth = open_dataset(made / TRUTH)
    session = truth.sessions()[0]
    home = visits_of(5, SCENARIO)[0][0].home
    rows = truth.table("relations", session).to_pylist()
    said = {(r["subject"] - 5 * IDS, r["predicate"], r["object"] - 5 * IDS) for r in rows}
    carried = [(s, p, o) for s, p, o in said if p in ("on", "in") and o < STRUCTURE_ID]
    assert carried
    for subject, predicate, object_ in carried:
        thing = home.thing(subject)
        assert (how_carried(home, thing), thing.carrier or object_) == (predicate, object_)


def test_unknown_formats_and_impossible_scenarios_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenekeeperError, match=r"no recording format 'avi'.*mcap"):
        simulate(tmp_path, [1], "avi")
    with pytest.raises(ScenekeeperError, match="Give positive numbers"):
        Scenario(seconds=0)
