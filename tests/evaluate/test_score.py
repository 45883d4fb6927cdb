"""Scores become plain numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from scenekeeper.evaluate.score import Score, plain


@dataclass(frozen=True)
class Inner:
    rate: float


@dataclass(frozen=True)
class Outer(Score):
    by_class: dict[int, Inner]
    curve: np.ndarray
    pair: tuple[np.float64, np.int64]
    right: np.bool_


def test_a_score_is_plain_all_the_way_down() -> None:
    score = Outer(
        {3: Inner(float("nan"))}, np.array([0.5, np.nan]), (np.float64(1), np.int64(2)), np.True_
    )
    assert json.loads(json.dumps(score.to_dict(), allow_nan=False)) == {
        "by_class": {"3": {"rate": None}},
        "curve": [0.5, None],
        "pair": [1.0, 2],
        "right": True,
    }


def test_infinity_is_no_number_either() -> None:
    assert plain([np.inf, -np.inf, 1]) == [None, None, 1]
