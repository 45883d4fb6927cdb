"""Advice for the next run: made of repeated corrections, applied only where a person agrees."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import ReviewError, ScenekeeperError
from scenekeeper.review.advice import (
    Advice,
    Alias,
    Negative,
    Threshold,
    Word,
    advise,
    apply_advice,
    operating_threshold,
    read_accepted,
    write_advice,
)
from scenekeeper.review.events import Decision, Op, Sample, Subject
from scenekeeper.review.signals import NAMES, scaled
from scenekeeper.review.trust import Trust, fit, prior_trust
from scenekeeper.review.units import Units
from scenekeeper.vocabulary import read_limits, read_vocabulary


def tracks(phrases: Sequence[str], score: Sequence[float] | None = None) -> Units:
    """One track of each thing, object k being track k of session ``s``."""
    n = len(phrases)
    known = np.full(n, 0.5) if score is None else np.array(score, np.float64)
    weak = np.log((1 - known) / known)
    return Units(
        "snapshot",
        ("s",) * n,
        np.arange(n),
        np.arange(n),
        tuple(phrases),
        np.full(n, 10),
        np.zeros(n, np.int64),
        np.full(n, 9),
        np.full(n, 50.0),
        tuple({p: 1.0} for p in phrases),
        NAMES,
        scaled({"weak score": weak}),
        -weak,
    )


def said(k: int, op: Op, body: Mapping[str, Any] | None = None, **values: Any) -> Decision:
    subject = values.pop("subject", Subject("track", "s", k))
    return Decision(values.pop("id", f"decision-{op}-{k}"), op, subject, body or {}, **values)


def relabelled(rows: Sequence[int], phrase: str) -> list[Decision]:
    return [said(k, "relabel", {"phrase": phrase}) for k in rows]


def learned(units: Units, wrong: Sequence[int], looked: Sequence[int]) -> Trust:
    rows = np.array(looked, np.int64)
    return fit(units, rows, np.isin(rows, wrong).astype(float))


CUPS = tracks(["cup"] * 12 + ["bowl"] * 12)
DISTRUSTED = learned(CUPS, range(8), range(8))


def test_a_word_that_is_always_renamed_becomes_a_synonym() -> None:
    advice = advise(CUPS, DISTRUSTED, relabelled(range(6), "mug"))
    assert [(a.phrase, a.synonym) for a in advice.alias] == [("mug", "cup")]
    assert "6 of 6 things called 'cup'" in advice.alias[0].because
    assert [w.phrase for w in advice.word] == ["mug"]
    assert not advice.negative
    assert not advice.threshold


def test_a_word_for_nothing_becomes_a_negative_prompt() -> None:
    advice = advise(CUPS, DISTRUSTED, [said(k, "reject") for k in range(4)])
    assert [n.phrase for n in advice.negative] == ["cup"]
    assert not advice.alias


@pytest.mark.parametrize(
    "decisions",
    [
        relabelled(range(2), "mug"),  # too few
        [*relabelled(range(3), "mug"), *relabelled(range(3, 6), "jar")],  # not alike
        [said(k, "accept") for k in range(6)],
        [said(k, "unsure") for k in range(6)],
        relabelled(range(6), "cup"),
        [*relabelled(range(6), "mug"), *[said(k, "accept") for k in range(6)]],  # minds changed
    ],
)
def test_without_repeated_agreement_no_word_is_given_up(decisions: list[Decision]) -> None:
    advice = advise(CUPS, DISTRUSTED, decisions)
    assert not advice.alias
    assert not advice.negative


def test_a_word_is_kept_while_most_of_its_labels_are_believed() -> None:
    """People are shown what is doubtful: three wrong ones of three say little of a hundred."""
    trusted = learned(CUPS, [], range(8))
    assert not advise(CUPS, trusted, relabelled(range(3), "mug")).alias


def test_planted_errors_and_what_was_undone_teach_nothing() -> None:
    gold = Sample("gold", planted="phrase")
    planted = [said(k, "relabel", {"phrase": "mug"}, sample=gold) for k in range(4)]
    undone = relabelled(range(4, 8), "mug")
    takes_back = [said(k, "undo", {"of": f"decision-relabel-{k}"}) for k in range(4, 8)]
    assert len(advise(CUPS, DISTRUSTED, [*planted, *undone, *takes_back])) == 0


def test_many_tracks_of_one_thing_are_one_thing() -> None:
    units = tracks(["cup"] * 6)
    units.object[:] = 7
    trust = learned(units, range(6), range(6))
    assert not advise(units, trust, relabelled(range(6), "mug")).alias


def test_decisions_about_objects_count_and_about_what_is_gone_do_not() -> None:
    objects = [
        said(k, "relabel", {"phrase": "mug"}, subject=Subject("object", "", k)) for k in range(3)
    ]
    assert advise(CUPS, DISTRUSTED, objects).alias
    gone = [said(k, "relabel", {"phrase": "mug"}) for k in range(100, 106)]
    assert len(advise(CUPS, DISTRUSTED, gone)) == 0


# --- thresholds -----------------------------------------------------------------------------------


def test_the_threshold_is_the_lowest_that_brings_enough_right_labels() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    p = np.array([1.0, 1.0, 1.0, 0.6, 0.0])
    frames = np.array([10, 10, 10, 10, 10])
    found = operating_threshold(score, p, frames, 0.9)
    assert found == pytest.approx((0.6, 0.9, 1.0))
    assert operating_threshold(score, p, frames, 0.95) == pytest.approx((0.7, 1.0, 30 / 36))
    assert operating_threshold(score, p * 0.5, frames, 0.9) is None


def test_long_tracks_count_more_and_equal_scores_go_together() -> None:
    long = operating_threshold(np.array([0.9, 0.8]), np.array([1.0, 0.0]), np.array([99, 1]), 0.9)
    assert long is not None
    assert long[0] == 0.8
    tied = operating_threshold(np.full(2, 0.9), np.array([1.0, 0.0]), np.array([10, 10]), 0.9)
    assert tied is None


def test_a_phrase_whose_weak_labels_are_wrong_gets_a_threshold() -> None:
    score = np.linspace(0.1, 0.9, 80)
    units = tracks(["cup"] * 80, score.tolist())
    looked = list(range(0, 80, 2))
    trust = learned(units, [k for k in looked if score[k] < 0.45], looked)
    decisions = [said(k, "reject" if score[k] < 0.45 else "accept", None) for k in looked]
    (cup,) = advise(units, trust, decisions).threshold
    assert cup.phrase == "cup"
    assert 0.4 < cup.score < 0.7  # from .45 on all are right, but 40 tracks do not prove it
    assert cup.right >= 0.9
    assert 0.5 < cup.kept <= 1


def test_a_phrase_that_was_hardly_looked_at_gets_none() -> None:
    units = tracks(["cup"] * 40, np.linspace(0.3, 0.9, 40).tolist())
    decisions = [said(k, "accept") for k in range(3)]
    assert not advise(units, prior_trust(), decisions).threshold


# --- consent --------------------------------------------------------------------------------------

ADVICE = Advice(
    (Threshold("pen", 0.42, 0.91, 0.8, "why"),),
    (Alias("mug", "cup", 'said "often"'),),
    (Word("ladle", "why"),),
    (Negative("poster", "why"),),
)


def accepted(file: Path) -> Path:
    text = file.read_text(encoding="utf-8").replace("accept = false", "accept = true")
    file.write_text(text, encoding="utf-8")
    return file


def test_nothing_is_accepted_before_a_person_says_so(tmp_path: Path) -> None:
    write_advice(ADVICE, tmp_path / "advice.toml")
    assert read_accepted(tmp_path / "advice.toml") == Advice()
    assert len(ADVICE) == 4
    assert len(Advice()) == 0


def test_what_a_person_accepts_is_what_the_next_run_reads(tmp_path: Path) -> None:
    words = tmp_path / "vocabulary.toml"
    words.write_text("[cup]\n[pen]\nsynonyms = ['biro']\n", encoding="utf-8")
    write_advice(ADVICE, tmp_path / "advice.toml")
    agreed = read_accepted(accepted(tmp_path / "advice.toml"))
    assert agreed == ADVICE
    apply_advice(agreed, words)
    assert read_vocabulary(words) == {
        "pen": ("biro",),
        "mug": ("cup",),
        "ladle": (),
        "poster": (),
    }
    assert read_limits(words) == {"pen": 0.42, "poster": math.inf}


def test_a_new_vocabulary_holds_what_was_looked_for_so_far(tmp_path: Path) -> None:
    words = tmp_path / "vocabulary.toml"
    apply_advice(Advice(word=(Word("ladle"),)), words, ["pen", "cup"])
    assert set(read_vocabulary(words)) == {"cup", "pen", "ladle"}


@pytest.mark.parametrize(
    "text", ["[mug", "alias = 3", "[[rule]]\naccept = true\n", "[[alias]]\naccept = true\n"]
)
def test_a_file_with_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "advice.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ReviewError, match="holds no advice"):
        read_accepted(tmp_path / "advice.toml")


def test_a_broken_vocabulary_is_not_touched(tmp_path: Path) -> None:
    words = tmp_path / "vocabulary.toml"
    words.write_text("[mug", encoding="utf-8")
    with pytest.raises(ScenekeeperError, match="is no vocabulary"):
        apply_advice(ADVICE, words)
    assert words.read_text(encoding="utf-8") == "[mug"
