"""A referring expression has candidates, never one silent guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.ground.refer import refer
from scenekeeper.models import Card
from scenekeeper.schema import Frame, Labels
from tests.checkpoints.pictures import frame
from tests.ground.grounders import ADAPTERS, load

EXPRESSION = "the blue wrench on the left"


@dataclass
class Fixed:
    """Finds boxes of given scores, whatever it is asked."""

    scores: Sequence[float]
    asked: list[Any] = field(default_factory=list)
    card: Card = field(default_factory=lambda: Card("fixed", "1", "", frozenset({"boxes"})))

    def run(
        self,
        frames: Sequence[Frame],
        vocabulary: Mapping[str, tuple[str, ...]],
        prior: Sequence[Labels | None],
    ) -> list[Labels]:
        self.asked.append((len(frames), vocabulary, prior))
        n = len(self.scores)
        boxes = np.array([[k, 0, k + 10, 10] for k in range(n)], np.float32).reshape(-1, 4)
        score = np.array(self.scores, np.float32)
        return [Labels(0, 0, (240, 320), boxes, phrase=(EXPRESSION,) * n, score=score)]


def test_candidates_come_best_first_with_their_scores_and_leads() -> None:
    model = Fixed([0.25, 0.75, 0.5, 0.125])
    found = refer(model, frame(), EXPRESSION, most=3)
    assert found.score.tolist() == [0.75, 0.5, 0.25]
    assert found.box_xyxy[:, 0].tolist() == [1, 2, 0]
    assert found.signals["lead"].tolist() == [0.25, 0.25, 0.125]
    assert model.asked == [(1, {EXPRESSION: ()}, [None])]


def test_two_that_are_alike_are_both_named_and_have_no_lead() -> None:
    found = refer(Fixed([0.5, 0.5]), frame(), EXPRESSION)
    assert len(found) == 2 and found.signals["lead"].tolist() == [0, 0.5]


def test_nothing_found_is_nothing_and_not_a_guess() -> None:
    found = refer(Fixed([]), frame(), EXPRESSION)
    assert len(found) == 0 and found.signals["lead"].shape == (0,)


@pytest.mark.parametrize("expression", ["", "  "])
def test_an_expression_has_words(expression: str) -> None:
    with pytest.raises(ValueError, match="words"):
        refer(Fixed([]), frame(), expression)


@pytest.mark.models
@pytest.mark.parametrize("family", sorted(ADAPTERS))
def test_any_grounder_can_be_asked(family: str, checkpoint: Callable[[str], Path]) -> None:
    found = refer(load(family, checkpoint(family)), frame(), EXPRESSION)
    assert 1 < len(found) <= 5 and set(found.phrase) == {EXPRESSION}
    assert (found.signals["lead"] >= 0).all() and (np.diff(found.score) <= 0).all()
