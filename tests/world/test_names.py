"""Names: votes agree or not, views err alike, people outrank, and what is said is calibrated."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.confused_names import Confusions, calibration_error, named
from benchmarks.world_belief import REVIEWED, learned_names, posterior, votes
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scenekeeper.world import names
from scenekeeper.world.names import Confusion, NamesConfig, Sizes, Votes, of_logits, of_words

C = 5
OTHER = C
CONFIG = NamesConfig()
ASSUMED = Confusion.assumed(C)
WORDS = st.lists(st.tuples(st.integers(0, C), st.integers(0, 3)), min_size=1, max_size=20)


def said(words: list[tuple[int, int]], score: float | None = None) -> Votes:
    """Votes of one object, as (word, track)."""
    word, track = np.array(words).T
    scores = None if score is None else np.full(len(words), score)
    return Votes(np.zeros(len(words), np.int64), track, of_words(word, ASSUMED, scores))


def p_of(*sensors: Votes, config: NamesConfig = CONFIG) -> NDArray[np.float64]:
    return names.posterior(sensors, 1, config)[0]


@given(WORDS, st.randoms(use_true_random=False))
def test_a_posterior_is_one_and_knows_no_order(words: list[tuple[int, int]], rng: object) -> None:
    p = p_of(said(words))
    assert p.sum() == pytest.approx(1) and (p > 0).all()
    shuffled = words.copy()
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert p_of(said(shuffled)) == pytest.approx(p)


@given(WORDS, st.integers(0, C))
def test_one_more_track_that_says_a_word_never_makes_it_less_probable_than_a_rival(
    words: list[tuple[int, int]], word: int
) -> None:
    once = p_of(said([(word, 7)]))
    rivals = np.delete(np.arange(C), word) if word < C else np.arange(C)
    assert (once[word] > once[rivals]).all()
    apart = NamesConfig(CONFIG.correlation, 0.0)
    before = p_of(said(words), config=apart)
    after = p_of(said([*words, (word, 7)]), config=apart)
    assert (after[word] / after[rivals] >= before[word] / before[rivals] - 1e-9).all()


def test_a_word_with_a_calibrated_score_is_believed_as_the_score_says() -> None:
    for score in (0.4, 0.7, 0.95):
        votes_ = Votes(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((1, C + 1)))
        votes_ = Votes(
            votes_.object, votes_.track, of_words(np.array([2]), ASSUMED, np.array([score]))
        )
        even = NamesConfig(other=1 / (C + 1))
        assert p_of(votes_, config=even)[2] == pytest.approx(score)


def test_views_of_one_track_add_little_and_other_tracks_more() -> None:
    one = p_of(said([(2, 0)]))[2]
    many = p_of(said([(2, 0)] * 500))[2]
    elsewhere = p_of(said([(2, k) for k in range(4)]))[2]
    assert one < many < elsewhere < 0.995


def test_sensors_that_differ_add_more_than_one_that_repeats_itself() -> None:
    detector, caption = said([(2, 0)] * 3), said([(2, 1)])
    assert p_of(detector, caption)[2] > p_of(said([(2, 0)] * 4))[2]


def test_disagreement_is_doubt() -> None:
    p = p_of(said([(1, 0), (2, 1)]))
    assert p[1] == pytest.approx(p[2]) and p.max() < 0.5


@given(WORDS, st.integers(0, C))
def test_a_person_outranks_all_votes(words: list[tuple[int, int]], word: int) -> None:
    p = names.posterior([said(words)], 1, CONFIG, certain=np.array([word]))[0]
    assert p[word] == 1 and p.sum() == 1
    untouched = names.posterior([said(words)], 1, CONFIG, certain=np.array([-1]))[0]
    assert untouched == pytest.approx(p_of(said(words)))


def test_a_frequent_class_is_more_probable_and_without_votes_only_the_prior_speaks() -> None:
    often = names.posterior([said([(1, 0), (2, 1)])], 1, CONFIG, prior=np.array([1, 8, 1, 1, 1]))
    assert often[0, 1] > often[0, 2]
    alone = names.posterior([], 2, CONFIG, prior=np.ones(C))
    assert alone[:, OTHER] == pytest.approx(CONFIG.other)
    with pytest.raises(ValueError, match="vote or a prior"):
        names.posterior([], 2, CONFIG)


def test_objects_without_votes_keep_the_prior() -> None:
    p = names.posterior([said([(2, 0)])], 3, CONFIG)
    assert p[1] == pytest.approx(p[2]) and p[1, OTHER] == pytest.approx(CONFIG.other)


def test_views_that_contradict_one_another_speak_for_another_name() -> None:
    rows = np.zeros(5, np.int64), np.arange(5)
    torn = Votes(*rows, of_logits(4 * np.eye(C)))
    agreed = Votes(*rows, of_logits(np.tile((4.0, 0, 0, 0, 0), (5, 1))))
    assert p_of(torn)[OTHER] > CONFIG.other > p_of(agreed)[OTHER]
    assert p_of(agreed).argmax() == 0


# --- confusions and sizes -------------------------------------------------------------------------


def test_assumed_confusions_are_rows_of_one_and_go_by_likeness() -> None:
    alike = np.zeros((C, C))
    alike[0, 1] = alike[1, 0] = 1.0
    for confusion in (ASSUMED, Confusion.assumed(C, similarity=alike)):
        assert confusion.matrix.sum(1) == pytest.approx(1)
        assert np.diag(confusion.matrix) == pytest.approx(0.85)
    matrix = Confusion.assumed(C, similarity=alike).matrix
    assert matrix[0, 1] > 3 * matrix[0, 2] > 0 and matrix[2, 0] == pytest.approx(matrix[2, 1])


def test_reviewed_pairs_outweigh_what_was_assumed() -> None:
    truth, word = np.full(200, 3), np.r_[np.full(120, 3), np.full(80, 1)]
    taught = ASSUMED.learned(truth, word)
    assert taught.matrix[3, 1] == pytest.approx(0.4, abs=0.03)
    assert taught.matrix[2] == pytest.approx(ASSUMED.matrix[2])
    votes_ = Votes(np.zeros(1, np.int64), np.zeros(1, np.int64), of_words(np.array([1]), taught))
    assert p_of(votes_)[3] > 0.2 > p_of(said([(1, 0)]))[3]


def test_a_size_tells_a_mug_from_a_table() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat((0, 1), 40)
    mean = np.where(truth[:, None] == 0, 0.1, 0.9)
    sizes = Sizes.learned(mean * rng.lognormal(0, 0.2, (80, 3)), truth, C)
    looks = sizes.log_likelihood(np.array([[0.1, 0.09, 0.11], [0.8, 1.1, 0.7]]))
    assert looks[0, 0] > looks[0, 1] + 2 and looks[1, 1] > looks[1, 0] + 2
    # A thing of an impossible size is no proof: it may be seen in part, or of no known class.
    odd = sizes.log_likelihood(np.array([[30.0, 30, 30]]))
    assert np.ptp(odd) < 5


# --- calibration ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scored", [False, True])
def test_names_are_calibrated_though_most_views_of_an_object_err_alike(scored: bool) -> None:
    views = named(Confusions(scored=scored), 1500, seed=11)
    assumed = Confusion.assumed(20)
    error, accuracy, sure = calibration_error(posterior(views, assumed, CONFIG), views.truth)
    assert error <= 0.05 and abs(sure - accuracy) < 0.05
    naive = posterior(views, assumed, NamesConfig(0, 0))
    assert calibration_error(naive, views.truth)[0] > 2 * error


def test_reviews_repair_the_calibration_of_a_poor_detector() -> None:
    rates = Confusions(confuse=0.2, flicker=0.12)
    views, reviewed = named(rates, 1500, seed=12), named(rates, REVIEWED, seed=13)
    assumed = Confusion.assumed(20)
    before = calibration_error(posterior(views, assumed, CONFIG), views.truth)[0]
    after = calibration_error(posterior(views, *learned_names(reviewed, assumed)), views.truth)[0]
    assert after < 0.07 and after < before


def test_few_reviews_leave_the_discounts_alone() -> None:
    few = named(Confusions(), 50, seed=14)
    assert names.learned([votes(few, Confusion.assumed(20))], few.truth, CONFIG) is CONFIG
