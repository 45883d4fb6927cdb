"""A click becomes a mask, and a corrected mask mends the frames around it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from scenekeeper import masks
from scenekeeper.errors import ModelError
from scenekeeper.models import Device
from scenekeeper.schema import Frame
from scenekeeper.segment.retouch import Retouch, load
from tests.checkpoints.pictures import clip, frame

pytestmark = pytest.mark.models
SIZE = (240, 320)


@pytest.fixture(scope="module", params=["sam2", "edgetam"])
def retouch(request: pytest.FixtureRequest, checkpoint: Callable[[str], Path]) -> Retouch:
    return load(f"{request.param}:{checkpoint(request.param)}", Device())


def drawn() -> bytes:
    dense = np.zeros(SIZE, np.bool_)
    dense[110:168, 50:86] = True
    return masks.encode(dense)


def test_clicks_and_boxes_become_masks_and_more_of_them_another(retouch: Retouch) -> None:
    one = retouch.mask(frame(), [(68, 140, True)])
    more = retouch.mask(frame(), [(68, 140, True), (200, 60, False)])
    boxed = retouch.mask(frame(), [], (50, 110, 86, 168))
    both = retouch.mask(frame(), [(68, 140, True)], (50, 110, 86, 168))
    for made in (one, more, boxed, both):
        assert made.frame_id == 0 and 0 <= made.score <= 1
        assert made.counts is None or masks.decode(made.counts, SIZE).any()
    assert len({made.counts for made in (one, more, boxed, both)}) > 1
    assert retouch.mask(frame(), [(68, 140, True)]) == one


def test_a_hint_is_needed(retouch: Retouch) -> None:
    with pytest.raises(ValueError, match="click or a box"):
        retouch.mask(frame(), [])


def test_a_corrected_mask_is_carried_forward_and_backward(retouch: Retouch) -> None:
    frames = clip(4)
    there = list(retouch.carry(frames, drawn()))
    back = list(retouch.carry(frames[::-1], drawn()))
    assert [made.frame_id for made in there] == [0, 1, 2, 3]
    assert [made.frame_id for made in back] == [3, 2, 1, 0]
    for made in (there[0], back[0]):
        assert made.counts == drawn() and np.isnan(made.score)
    for made in (*there[1:], *back[1:]):
        assert made.counts is None or masks.decode(made.counts, SIZE).any()


def test_what_is_carried_does_not_depend_on_what_comes_after(retouch: Retouch) -> None:
    frames = clip(5)
    whole = [made.counts for made in retouch.carry(frames, drawn())]
    part = [made.counts for made in retouch.carry(frames[:3], drawn())]
    assert whole[:3] == part


def test_frames_are_taken_as_they_are_needed(retouch: Retouch) -> None:
    taken = 0

    def some() -> Iterator[Frame]:
        nonlocal taken
        for f in itertools.cycle(clip(3)):
            taken += 1
            yield f

    assert len(list(itertools.islice(retouch.carry(some(), drawn()), 9))) == 9 and taken <= 10


def test_nothing_to_carry_through_is_nothing(retouch: Retouch) -> None:
    assert list(retouch.carry([], drawn())) == []


@pytest.mark.parametrize("name", ["owlv2:somewhere", "sam2:somewhere#image", "sam3:x"])
def test_other_models_take_no_clicks(name: str) -> None:
    with pytest.raises(ModelError, match="takes no clicks"):
        load(name, Device())
