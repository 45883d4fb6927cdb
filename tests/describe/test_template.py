"""Captions read like a sentence and say only what the scene graph says."""

from __future__ import annotations

import pytest

from scenekeeper.describe import caption

PHRASES = {1: "table", 2: "white mug", 3: "object", 4: "object", 5: "floor", 6: "wall", 7: "box"}
KINDS = {k: "thing" for k in PHRASES} | {1: "support", 5: "support", 6: "wall"}


def said(*shown: int, **carried: tuple[str, int]) -> str:
    where = {int(k[1:]): v for k, v in carried.items()}
    return caption(shown, PHRASES, KINDS, where)


@pytest.mark.parametrize(
    ("shown", "carried", "text"),
    [
        ((), {}, "nothing that is labelled"),
        ((6,), {}, "nothing that is labelled"),
        ((2,), {}, "a white mug"),
        ((3,), {}, "an object"),
        ((3, 4), {}, "2 objects"),
        ((2, 3, 4), {}, "a white mug and 2 objects"),
        ((1, 2), {"o2": ("on", 1)}, "a table with a white mug on it"),
        (
            (1, 2, 3, 4),
            {"o2": ("on", 1), "o3": ("on", 1), "o4": ("on", 1)},
            "a table with a white mug and 2 objects on it",
        ),
        ((7, 3), {"o3": ("in", 7)}, "a box with an object in it"),
        ((1, 2, 5), {"o2": ("on", 1)}, "a table with a white mug on it and a floor"),
    ],
)
def test_a_caption(shown: tuple[int, ...], carried: dict[str, tuple[str, int]], text: str) -> None:
    assert said(*shown, **carried) == text


def test_what_carries_but_is_out_of_sight_is_not_mentioned() -> None:
    assert said(2, o2=("on", 1)) == "a white mug"


def test_what_is_carried_but_out_of_sight_is_not_mentioned() -> None:
    assert said(1, 3, o2=("on", 1), o3=("on", 1)) == "a table with an object on it"


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("box", "2 boxes"),
        ("shelf", "2 shelves"),
        ("dish", "2 dishes"),
        ("mug", "2 mugs"),
        ("knife", "2 knives"),
        ("battery", "2 batteries"),
        ("key", "2 keys"),
        ("glass", "2 glasses"),
        ("magazines", "2 magazines"),
        ("stack of papers", "2 stacks of papers"),
    ],
)
def test_a_plural(one: str, many: str) -> None:
    assert caption((1, 2), {1: one, 2: one}, {1: "thing", 2: "thing"}, {}) == many
