"""The referee against labels whose errors are known, because they were made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenekeeper.errors import DatasetError
from scenekeeper.evaluate import Evaluation, compare, evaluate, write_page
from scenekeeper.evaluate.mislabel import NOTE, PROFILES, Errors, mislabel
from scenekeeper.simulate.families import NOUNS
from scenekeeper.store import Dataset
from scenekeeper.verbs import evaluate as verb
from scenekeeper.verbs import export

NOTHING = PROFILES["none"]


@pytest.fixture(scope="module")
def judged(truth: Dataset, tmp_path_factory: pytest.TempPathFactory):
    """Judges labels with given errors; each once."""
    done: dict[Errors, Evaluation] = {}

    def judge(errors: Errors) -> Evaluation:
        if errors not in done:
            out = tmp_path_factory.mktemp("wrong") / "labels.sk"
            mislabel(truth, out, errors, seed=3)
            done[errors] = evaluate(out, truth.path, NOUNS)
        return done[errors]

    return judge


def test_the_truth_judged_by_itself_is_perfect(truth: Dataset) -> None:
    scores = evaluate(truth.path, truth.path, NOUNS)
    for name in (
        "AP50 (mask, any name)",
        "AP (mask, right name)",
        "recall at IoU .5",
        "right",
        "precision at IoU .5",
        "names that are right",
        "HOTA",
        "IDF1",
        "objects found",
        "ids that hold across sessions",
        "F1 of 'on'",
        "recall of 'on'",
        "F1 of 'any change'",
        "class counts that are exact",
        "3D recall at box IoU .5",
        "3D precision at box IoU .5",
        "ids that are of one thing only",
        "relations claimed that hold",
        "mean IoU of matched tracks",
    ):
        assert scores.value(name) == pytest.approx(1), name
    assert scores.value("ECE of named labels") == pytest.approx(0)
    assert scores.value("median position error, m") == pytest.approx(0)
    assert scores.value("not found") == 0
    for name in ("jitter, px", "lag, frames", "D-ECE (place and size)", "class-wise ECE"):
        assert scores.value(name) == pytest.approx(0, abs=0.01), name
    assert scores.value("count bias (found less true)") == 0


def test_labels_without_errors_are_perfect(judged) -> None:
    scores = judged(NOTHING)
    assert scores.value("AP50 (mask, right name)") == pytest.approx(1)
    assert scores.value("IDF1") == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "worse", "same"),
    [
        ({"miss": 0.3, "miss_small": 0.3}, "recall at IoU .5", "precision at IoU .5"),
        ({"random": 3.0}, "precision at IoU .5", "recall at IoU .5"),
        ({"confuse": 0.4}, "names that are right", "recall at IoU .5"),
        ({"id_break": 0.3}, "IDF1", "AP50 (mask, right name)"),
        ({"jitter": 0.3}, "AP (box, any name)", "AP (mask, any name)"),
        ({"split": 1.0}, "AP (mask, any name)", "F1 of 'on'"),
        ({"relation": 0.5}, "F1 of 'on'", "HOTA"),
        ({"caption": 1.0}, "things there that are claimed", "HOTA"),
        ({"miss": 0.3, "miss_small": 0.3}, "count bias (found less true)", "jitter, px"),
        ({"jitter": 0.3}, "3D recall at box IoU .5", "recall of 'on'"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else v,
)
def test_each_error_lowers_its_own_figure_and_not_another(
    judged, change: dict, worse: str, same: str
) -> None:
    clean, wrong = judged(NOTHING), judged(replace(NOTHING, **change))
    assert wrong.value(worse) < clean.value(worse) - 0.04
    assert wrong.value(same) == pytest.approx(clean.value(same), abs=0.02)


def test_the_miss_rate_that_was_made_is_the_one_that_is_measured(judged) -> None:
    scores = judged(replace(NOTHING, miss=0.2, miss_small=0.2))
    row = next(r for r in scores.rows if r.name == "recall at IoU .5")
    assert row.value == pytest.approx(0.8, abs=0.03)
    assert row.low is not None and row.high is not None and row.low < row.value < row.high


def test_small_and_hidden_things_are_missed_more(judged) -> None:
    small = judged(replace(NOTHING, miss=0.01, miss_small=0.6))
    assert small.value("missed: 16 to 32 px") > 0.2 + small.value("missed: 96 px and more")
    hidden = judged(replace(NOTHING, miss_hidden=0.9))
    assert hidden.value("missed: half hidden or more") > 0.3
    assert hidden.value("missed: in full view") < 0.02


def test_overconfident_scores_are_less_calibrated(judged) -> None:
    errors = replace(NOTHING, confuse=0.4)
    calibrated, over = judged(errors), judged(replace(errors, overconfidence=4.0))
    name = "Brier score of named labels"
    assert over.value(name) > calibrated.value(name) + 0.01


def test_boxes_that_are_off_at_random_shake(judged) -> None:
    steady, shaking = judged(NOTHING), judged(replace(NOTHING, jitter=0.05))
    assert steady.value("jitter, px") == 0 < shaking.value("jitter, px")
    row = next(r for r in shaking.rows if r.name == "jitter, px")
    assert row.low is not None and row.high is not None and row.low < row.value < row.high
    assert {d.name: d for d in compare(shaking, steady)}["jitter, px"].verdict == "better"


def test_labels_that_tell_of_no_changes_are_told_so(judged) -> None:
    scores = judged(NOTHING)
    assert any("5 changes between sessions are not judged (n/a)" in n for n in scores.notes)


def test_visits_are_scored_apart_and_compared(truth: Dataset, home: Path, tmp_path: Path) -> None:
    wrong = mislabel(truth, tmp_path / "wrong.sk", PROFILES["poor"], seed=3)
    groups = {"first": ["*-visit-1"], "second": ["*-visit-2"]}
    scores = verb(wrong.path, home / "truth.sk", groups=groups)
    parts = [scores.value(f"recall at IoU .5 ({g})") for g in groups]
    gap = next(r for r in scores.rows if r.name == "recall at IoU .5 (second less first)")
    assert gap.value == pytest.approx(parts[1] - parts[0]) and gap.low < gap.value < gap.high
    assert min(parts) <= scores.value("recall at IoU .5") <= max(parts)
    assert scores.value("HOTA (first)") != scores.value("HOTA (second)")


def test_verdicts_add_up(judged) -> None:
    scores = judged(PROFILES["poor"])
    verdicts = ("right", "unnamed", "misidentified", "mislocated", "not found")
    assert sum(scores.value(v) for v in verdicts) == pytest.approx(1)


def test_the_same_seed_gives_the_same_wrong_labels(truth: Dataset, tmp_path: Path) -> None:
    made = [
        mislabel(truth, tmp_path / f"{k}.sk", PROFILES["poor"], seed=s)
        for k, s in enumerate((1, 1, 2))
    ]
    query = "SELECT * FROM instances ORDER BY session, frame_id, instance"
    tables = [m.sql(query).to_pylist() for m in made]
    assert tables[0] == tables[1] and tables[0] != tables[2]
    assert NOTE in made[0].session(made[0].sessions()[0]).notes


def test_comparing_says_what_is_better_and_whether_by_chance(judged) -> None:
    clean, poor = judged(NOTHING), judged(PROFILES["poor"])
    rows = {d.name: d for d in compare(poor, clean)}
    better = rows["recall at IoU .5"]
    assert better.verdict == "better" and better.p is not None and better.p <= 0.05
    assert better.low is not None and better.low > 0
    assert rows["hallucinated"].verdict == "better" and rows["hallucinated"].difference < 0
    same = {d.name: d for d in compare(clean, clean)}["recall at IoU .5"]
    assert same.verdict == "same" and same.difference == 0


def test_coco_files_are_judged_as_datasets_are(truth: Dataset, tmp_path: Path) -> None:
    export(truth.path, "coco", tmp_path / "truth.json")
    wrong = mislabel(truth, tmp_path / "wrong.sk", PROFILES["usual"], seed=1)
    export(wrong.path, "coco", tmp_path / "wrong.json")
    scores = evaluate(tmp_path / "wrong.json", tmp_path / "truth.json", NOUNS)
    direct = evaluate(wrong.path, truth.path, NOUNS)
    for name in ("recall at IoU .5", "AP50 (box, any name)", "names that are right"):
        assert scores.value(name) == pytest.approx(direct.value(name), abs=0.01), name


def test_synonyms_count_as_the_same_name(truth: Dataset, tmp_path: Path) -> None:
    export(truth.path, "coco", tmp_path / "labels.json")
    data = json.loads((tmp_path / "labels.json").read_text())
    for category in data["categories"]:
        category["name"] = {"bottle": "water bottle", "cup": "glass"}.get(
            category["name"], category["name"]
        )
    (tmp_path / "labels.json").write_text(json.dumps(data))
    export(truth.path, "coco", tmp_path / "truth.json")
    names = "names that are right"
    with_words = evaluate(tmp_path / "labels.json", tmp_path / "truth.json", NOUNS)
    without = evaluate(tmp_path / "labels.json", tmp_path / "truth.json")
    assert with_words.value(names) == 1 and without.value(names) < 1


def test_truth_of_other_frames_is_refused_and_empty_truth_too(
    truth: Dataset, tmp_path: Path
) -> None:
    export(truth.path, "coco", tmp_path / "labels.json")
    with pytest.raises(DatasetError, match=r"no frame in common.*paired by session"):
        evaluate(tmp_path / "labels.json", truth.path)
    empty = Dataset.create(tmp_path / "empty.sk")
    with pytest.raises(DatasetError, match="no true instance"):
        evaluate(truth.path, empty.path)
    with pytest.raises(DatasetError, match="no COCO file"):
        (tmp_path / "bad.json").write_text('{"images": 3}')
        evaluate(tmp_path / "bad.json", truth.path)


def test_names_that_the_truth_does_not_know_are_noticed(truth: Dataset, tmp_path: Path) -> None:
    export(truth.path, "coco", tmp_path / "labels.json")
    text = (tmp_path / "labels.json").read_text()
    data = json.loads(text)
    for k, category in enumerate(data["categories"]):
        category["name"] = f"klasse {k}"
    (tmp_path / "labels.json").write_text(json.dumps(data))
    export(truth.path, "coco", tmp_path / "truth.json")
    scores = evaluate(tmp_path / "labels.json", tmp_path / "truth.json")
    assert "only class-agnostic scores mean anything" in scores.notes[0]
    assert scores.value("recall at IoU .5") == 1


def test_the_verb_takes_the_truths_own_vocabulary(home: Path, truth: Dataset) -> None:
    assert verb(truth.path, home / "truth.sk").value("right") == 1
    assert "coffee mug" in (home / "truth.sk" / "vocabulary.toml").read_text()


def test_the_page_shows_every_figure_without_scripts(judged, tmp_path: Path) -> None:
    scores = judged(PROFILES["usual"])
    page = write_page(scores, tmp_path / "scores.html", ["The mug was moved."]).read_text()
    assert "<script" not in page and page.count("<svg") == 3
    assert "The mug was moved." in page
    assert all(r.name.replace("'", "&#x27;") in page for r in scores.rows)
    assert "Counts per class" in page and "<td>table<td class=n>" in page


def test_figures_are_plain_json(judged) -> None:
    told = json.loads(json.dumps(judged(PROFILES["usual"]).to_dict()))
    assert told["rows"][0]["name"] == "AP50 (mask, any name)"
    assert all(np.isfinite(r["value"]) for r in told["rows"] if r["value"] is not None)
