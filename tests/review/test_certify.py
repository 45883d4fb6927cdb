"""Certificates: what they say is true as often as they promise, and checkable by anybody."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from scenekeeper.errors import ReviewError
from scenekeeper.review import outcomes, sampling
from scenekeeper.review.certify import Certificate, candidates, certify, proof
from scenekeeper.review.outcomes import Gold
from tests.review.made_audits import audited, night, units_of


def error_of(certificate: Certificate, frames: np.ndarray, wrong: np.ndarray) -> float:
    """Share of the accepted labels that really is wrong."""
    rows = np.array(certificate.certified)
    return float((wrong * frames)[rows].sum() / frames[rows].sum())


def issued(seed: int = 0, audits: int = 200, **options: object) -> Certificate:
    units, p, wrong = night(seed)
    draw = sampling.tracks(units, p, seed, audits)
    made = certify(units, draw, wrong[draw.index], 0.1, 0.1, **options)  # type: ignore[arg-type]
    assert made is not None
    return made


# --- the test -------------------------------------------------------------------------------------


def test_the_bet_is_fair_for_every_way_to_draw() -> None:
    """Five tracks in all orders, each with its probability: nothing is won on average."""
    frames = np.array([1.0, 2, 4, 5, 8])
    wrong = np.array([1.0, 0, 0.5, 0, 0.25])
    epsilon = float((wrong * frames).sum() / frames.sum())
    won = chance = 0.0
    for order in permutations(range(5)):
        left = frames.sum() - np.cumsum(frames[list(order)]) + frames[list(order)]
        probability = float(np.prod(frames[list(order)] / left))
        first = list(order[:3])
        won += probability * np.exp(proof(frames[first], wrong[first], 20, epsilon, None))
        chance += probability
    assert chance == pytest.approx(1) and won == pytest.approx(1)


def test_no_gold_cards_prove_nothing_and_a_blind_reviewer_neither() -> None:
    labels, right = np.full(200, 30.0), np.zeros(200)
    assert proof(labels, right, 60_000, 0.1, None) > 6
    assert proof(labels, right, 60_000, 0.1, Gold(0, 0)) < 0.1
    assert proof(labels, right, 60_000, 0.1, Gold(60, 60)) < 0.1
    few, many, careless = (
        proof(labels, right, 60_000, 0.1, Gold(n, k)) for n, k in ((10, 0), (60, 0), (60, 12))
    )
    assert few < many and careless < many


def test_every_part_of_delta_stands_somewhere() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 0, 10)
    sets = candidates(draw, 0.1)
    assert sets.parts.sum() == pytest.approx(1)
    assert np.all(np.diff(sets.labels) > 0) and sets.labels[-1] == units.frames.sum()
    assert np.all(sets.accepted[1:] >= sets.accepted[:-1])
    believed = sets.expected[int(np.argmax(sets.parts))]
    assert 0.03 < believed <= 0.05


# --- how often it is wrong ------------------------------------------------------------------------


def violations(
    epsilon: float | None, miss: float, looks: tuple[int, ...], useful: float, reps: int = 160
) -> tuple[float, float]:
    """Share of reviews in which any look gave a false certificate, and in which one was given."""
    false = given = 0
    for rep in range(reps):
        units, p, wrong = night(rep % 8, useful=useful)
        # Without a wanted share, one just below what is wrong: then every certificate is false.
        wanted = epsilon or 0.98 * float((wrong * units.frames).sum() / units.frames.sum())
        rng = np.random.default_rng([rep, 1])
        draw = sampling.tracks(units, p, rep, looks[-1])
        seen = wrong[draw.index] * (rng.random(looks[-1]) >= miss)
        gold = Gold(40, int(rng.binomial(40, miss))) if miss else None
        made = [certify(units, draw, seen[:n], wanted, 0.2, gold=gold) for n in looks]
        errors = [error_of(c, units.frames, wrong) for c in made if c is not None]
        false += any(e > wanted for e in errors)
        given += bool(errors)
    return false / reps, given / reps


@pytest.mark.slow
@pytest.mark.parametrize("miss", [0.0, 0.05, 0.2])
@pytest.mark.slow
def test_a_certificate_is_hardly_ever_false_whenever_the_review_stops(miss: float) -> None:
    false, given = violations(0.15, miss, (60, 120, 180), useful=2.0)
    assert false <= 0.2 and given > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("miss", [0.0, 0.2])
@pytest.mark.slow
def test_not_even_where_any_certificate_would_be_false(miss: float) -> None:
    """The score says nothing and a little more is wrong than is allowed."""
    false, _ = violations(None, miss, (40, 80, 160), useful=0.0)
    assert false <= 0.2


def test_audits_that_find_more_never_certify_more() -> None:
    units, p, wrong = night(3)
    draw = sampling.tracks(units, p, 3, 240)
    more = wrong[draw.index].copy()
    sizes = []
    for _ in range(4):
        made = certify(units, draw, more, 0.1, 0.1)
        sizes.append(0 if made is None else made.certified_labels)
        more[np.flatnonzero(more == 0)[::12]] = 1.0
    assert sizes[0] > 0 and sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0]


def test_too_few_audits_certify_nothing() -> None:
    units, p, wrong = night(0)
    draw = sampling.tracks(units, p, 0, 200)
    assert certify(units, draw, [], 0.1, 0.1) is None
    assert certify(units, draw, wrong[draw.index][:10], 0.1, 0.1) is None


def test_all_is_accepted_once_all_was_audited_and_is_right() -> None:
    units = units_of(np.full(150, 20))
    draw = sampling.tracks(units, np.full(150, 0.9), 0, 150)
    made = certify(units, draw, np.zeros(150), 0.05, 0.1)
    assert made is not None and len(made.certified) == 150
    assert (made.left, made.share) == (0, 1)


# --- the certificate ------------------------------------------------------------------------------


def test_it_says_what_is_right_and_what_is_left() -> None:
    made = issued(gold=Gold(60, 1))
    said = made.statement
    assert said.startswith("90 % of the labels accepted unseen are right, at 90 % confidence; ")
    assert f"{made.left_labels:,} labels left to someone" in said
    assert f"{int(100 * made.share)} % of the dataset accepted" in said
    assert made.accepted_labels + made.left_labels == made.labels
    for told in ("200 tracks", "seed 0", "Of 60 errors planted, 1 were missed", "labels-1"):
        assert told in made.grounds
    assert "taken to miss no error" in issued().grounds


def test_what_people_decided_on_is_accepted_too() -> None:
    alone = issued()
    units, _, _ = night(0)
    rest = np.setdiff1d(np.arange(len(units)), alone.certified)
    helped = issued(decided=rest)
    assert helped.certified == alone.certified and helped.proven
    assert helped.left == 0 and helped.share == 1 > alone.share


def test_anybody_can_check_it() -> None:
    made = issued(gold=Gold(60, 1))
    assert made.proven
    back = Certificate.from_json(made.to_json())
    assert back == made and back.proven
    found = made.counts[0][0], 1.0
    for forged in (
        replace(made, counts=(found,) * 9 + made.counts),
        replace(made, epsilon=0.02),
        replace(made, level=0.5),
        replace(made, delta=made.level / 2),
        replace(made, gold=Gold(60, 30)),
        replace(made, counts=made.counts[:20]),
    ):
        assert not forged.proven


def test_a_log_of_audits_becomes_a_certificate() -> None:
    units, p, wrong = night(0)
    draw = sampling.tracks(units, p, 0, 200)
    log = [
        audited(draw, units, k, "reject" if wrong[row] else "accept")
        for k, row in enumerate(draw.index.tolist())
    ]
    found = outcomes.shares(outcomes.of_tracks(draw, log, units))["any"]
    stored = sampling.Draw.from_json(draw.to_json())
    made = certify(units, stored, found, 0.15, 0.1)
    assert made is not None and made.audits == 200 and made.proven
    assert made == certify(units, draw, np.ceil(wrong[draw.index]), 0.15, 0.1)
    assert certify(units, draw, found[:0], 0.15, 0.1) is None


def test_it_is_void_once_labels_are_made_anew() -> None:
    units, _, _ = night(0)
    assert issued().holds_for(units)
    assert not issued().holds_for(replace(units, snapshot="labels-2"))


def test_the_same_audits_give_the_same_certificate() -> None:
    assert issued(4) == issued(4)


@pytest.mark.parametrize("text", ["", "{}", "[1]", json.dumps({"statement": "all is well"})])
def test_what_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(ReviewError, match="no certificate"):
        Certificate.from_json(text)


def test_audits_that_do_not_fit_are_refused() -> None:
    units, p, wrong = night(0)
    draw = sampling.tracks(units, p, 0, 20)
    frames = sampling.simple("frames", len(units), 0, 20, units.snapshot)
    for args, problem in (
        ((replace(units, snapshot="labels-2"), draw, wrong[:9]), "other labels"),
        ((units, frames, wrong[:9]), "other labels"),
        ((units, draw, [0.5, 1.5]), "share in"),
        ((units, draw, [np.nan]), "share in"),
        ((units, draw, np.zeros(401)), "share in"),
        ((units, draw, wrong[:9], 0.0), "between 0 and 1"),
        ((units, draw, wrong[:9], 0.1, 1.0), "between 0 and 1"),
    ):
        with pytest.raises(ReviewError, match=problem):
            certify(*args)


def test_nothing_was_drawn_and_nothing_certified() -> None:
    units, p, _ = night(0)
    draw = sampling.tracks(units, p, 0, 20, np.ones(len(units), np.bool_))
    assert certify(units, draw, [], 0.1, 0.1) is None
    assert len(candidates(draw, 0.1).labels) == 0
