"""Names: views agree, doubt is kept, people teach words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.naming import believe, fuse, posterior, say, with_prototypes

CLASSES = ("mug", "bowl", "cup")


@given(st.lists(st.lists(st.floats(-8, 8), min_size=3, max_size=3), min_size=1, max_size=8))
def test_a_fused_posterior_is_one(views: list[list[float]]) -> None:
    p = fuse(np.array(views), np.ones(len(views)), 0.4)
    assert p.sum() == pytest.approx(1) and (p >= 0).all()


def test_one_view_is_taken_as_it_is() -> None:
    logits = np.array([[1.0, 0.2, -0.5]])
    assert fuse(logits, np.ones(1), 0.4) == pytest.approx(posterior(logits)[0], abs=1e-5)


def test_views_that_agree_make_it_surer_but_not_by_their_number_alone() -> None:
    view = np.array([1.0, 0.0, 0.0])
    one, few, many = (fuse(np.tile(view, (n, 1)), np.ones(n), 0.4)[0] for n in (1, 3, 300))
    assert one < few < many < 0.95  # alike views err alike
    free = fuse(np.tile(view, (300, 1)), np.ones(300), 0.0)[0]
    assert free > 0.999
    same = fuse(np.tile(view, (300, 1)), np.ones(300), 1.0)[0]
    assert same == pytest.approx(one, abs=1e-3)


def test_a_view_without_weight_does_not_count() -> None:
    views = np.array([[2.0, 0, 0], [0, 9.0, 0]])
    p = fuse(views, np.array([1.0, 1e-9]), 0.4)
    assert p == pytest.approx(posterior(views[0]), abs=1e-3)


def test_what_is_not_sure_is_an_object() -> None:
    assert say(np.array([0.7, 0.2, 0.1]), CLASSES, 0.6) == ("mug", pytest.approx(0.7))
    phrase, p = say(np.array([0.5, 0.3, 0.2]), CLASSES, 0.6)
    assert (phrase, p) == ("object", pytest.approx(0.5))


def test_a_taught_word_wins_where_looks_agree_with_it() -> None:
    rng = np.random.default_rng(0)
    taught = rng.normal(size=16)
    taught /= np.linalg.norm(taught)
    near = taught + 0.02 * rng.normal(size=16)
    near /= np.linalg.norm(near)
    logits = np.log([0.5, 0.3, 0.2])
    out, names = with_prototypes(logits, near, CLASSES, {"gasket": taught}, 15.0)
    assert names[int(np.argmax(out))] == "gasket"
    far = -taught
    out, names = with_prototypes(logits, far, CLASSES, {"gasket": taught}, 15.0)
    assert names[int(np.argmax(out))] == "mug"


def test_a_taught_word_that_is_a_class_adds_to_it() -> None:
    taught = np.eye(4)[0]
    out, names = with_prototypes(np.log([0.5, 0.3, 0.2]), taught, CLASSES, {"cup": taught}, 10.0)
    assert names == CLASSES and int(np.argmax(out)) == 2


def test_a_label_is_believed_more_the_surer_the_thing_and_the_name() -> None:
    assert 0 < believe(0.3, 0.9) < believe(0.6, 0.9) < believe(0.6, 0.98) < believe(0.9, 0.98) < 1
