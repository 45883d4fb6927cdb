"""Tracks of clips become tracks of the session where their masks meet in the frames both saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scenekeeper.schema import Camera, Clip, Frame, Labels
from scenekeeper.segment.stitch import StitchConfig, Stitcher

SIZE = 64
CAMERA = Camera("front", SIZE, SIZE)
LEAD, LENGTH = 3, 8


def shown(frame_id: int, places: dict[int, tuple[int, int]]) -> Labels:
    """A frame with squares of 10 pixels: track -> corner."""
    frame = Frame(frame_id, "s", CAMERA, frame_id, np.zeros((SIZE, SIZE, 3), np.uint8))
    dense = np.zeros((len(places), SIZE, SIZE), np.bool_)
    for k, (x, y) in enumerate(places.values()):
        dense[k, y : y + 10, x : x + 10] = True
    return Labels.from_masks(frame, dense, track=np.array(list(places), np.int64))


def clip(index: int, places: dict[int, tuple[int, int]]) -> tuple[Clip, dict[int, Labels]]:
    """A clip whose things stand still, with the last frames of the clip before."""
    start = index * LENGTH
    ids = range(max(0, start - LEAD), start + LENGTH)
    return Clip("s", index, start, start + LENGTH), {k: shown(k, places) for k in ids}


def test_a_thing_keeps_its_track_under_another_number() -> None:
    stitcher = Stitcher()
    first = stitcher.add(*clip(0, {0: (0, 0), 1: (30, 30)}))
    second = stitcher.add(*clip(1, {0: (30, 30), 7: (0, 0)}))
    assert second == {0: first[1], 7: first[0]}


def test_what_comes_anew_and_what_returns_after_a_clip_gets_a_new_track() -> None:
    stitcher = Stitcher()
    first = stitcher.add(*clip(0, {0: (0, 0)}))
    second = stitcher.add(*clip(1, {0: (40, 40)}))
    third = stitcher.add(*clip(2, {0: (0, 0)}))
    assert len({first[0], second[0], third[0]}) == 3


def test_one_track_continues_one_even_where_two_overlap_it() -> None:
    stitcher = Stitcher(StitchConfig(overlap=0.2))
    first = stitcher.add(*clip(0, {0: (0, 0)}))
    second = stitcher.add(*clip(1, {4: (2, 0), 5: (1, 0)}))
    assert second[5] == first[0] and second[4] != first[0]


def test_half_a_mask_in_common_is_not_enough() -> None:
    stitcher = Stitcher()
    first = stitcher.add(*clip(0, {0: (0, 0)}))
    assert stitcher.add(*clip(1, {0: (5, 0)}))[0] != first[0]


def test_a_clip_that_failed_ends_its_tracks() -> None:
    stitcher = Stitcher()
    first = stitcher.add(*clip(0, {0: (0, 0)}))
    assert stitcher.add(*clip(2, {0: (0, 0)}))[0] != first[0]


def called(made: tuple[Clip, dict[int, Labels]], *names: str) -> tuple[Clip, dict[int, Labels]]:
    """The same clip with every thing called so; the first name is its phrase."""
    frames = {
        k: replace(of, phrase=names[:1] * len(of), names=(dict.fromkeys(names, 0.5),) * len(of))
        for k, of in made[1].items()
    }
    return made[0], frames


def test_other_names_raise_the_bar() -> None:
    for names, dx, goes_on in (
        (("bowl",), 1, True),
        (("bowl",), 3, False),
        (("cup",), 3, True),
        (("bowl", "cup"), 3, True),
    ):
        stitcher = Stitcher()
        first = stitcher.add(*called(clip(0, {0: (0, 0)}), "cup"))
        second = stitcher.add(*called(clip(1, {0: (dx, 0)}), *names))
        assert (first == second) is goes_on


def test_what_else_is_known_may_forbid() -> None:
    asked: list[tuple[int, int]] = []

    def never(a: int, b: int) -> bool:
        asked.append((a, b))
        return False

    stitcher = Stitcher()
    first = stitcher.add(*clip(0, {3: (0, 0), 4: (40, 40)}))
    second = stitcher.add(*clip(1, {8: (0, 0), 9: (40, 40)}), never)
    assert asked == [(first[3], 8), (first[4], 9)]
    assert not set(first.values()) & set(second.values())


def test_one_that_spans_two_merges_them_not_and_its_parts_are_not_both_it() -> None:
    low = StitchConfig(overlap=0.2)
    stitcher = Stitcher(low)
    two = stitcher.add(*clip(0, {0: (0, 0), 1: (8, 0)}))
    one = stitcher.add(*clip(1, {0: (3, 0)}))
    assert one[0] == two[0] != two[1]
    again = stitcher.add(*clip(2, {0: (0, 0), 1: (8, 0)}))
    assert list(again.values()).count(one[0]) == 1


PLACES = st.dictionaries(
    st.integers(0, 9), st.tuples(st.integers(0, 54), st.integers(0, 54)), max_size=5
)


@settings(deadline=None)
@given(st.lists(PLACES, min_size=1, max_size=5), st.randoms())
def test_tracks_of_a_clip_stay_apart_and_their_order_does_not_matter(
    parts: list[dict[int, tuple[int, int]]], chance: object
) -> None:
    plain, shuffled = Stitcher(), Stitcher()
    for index, places in enumerate(parts):
        items = list(places.items())
        chance.shuffle(items)  # type: ignore[attr-defined]
        out = plain.add(*clip(index, places))
        assert sorted(out) == sorted(places)
        assert len(set(out.values())) == len(out)
        if len({p for p in places.values()}) == len(places):
            assert out == shuffled.add(*clip(index, dict(items)))
        else:
            shuffled.add(*clip(index, places))


@settings(deadline=None)
@given(st.lists(PLACES, min_size=2, max_size=4), st.randoms())
def test_the_numbers_of_a_clip_do_not_matter(
    parts: list[dict[int, tuple[int, int]]], chance: object
) -> None:
    """Things at different places: which of two that are alike goes on is anyone's guess."""
    plain, renamed = Stitcher(), Stitcher()
    same: dict[int, int] = {}
    for index, places in enumerate(parts):
        places = {t: p for p, t in {p: t for t, p in places.items()}.items()}
        if len({(x // 11, y // 11) for x, y in places.values()}) < len(places):
            places = {}
        numbers = chance.sample(range(100), len(places))  # type: ignore[attr-defined]
        other = dict(zip(places, numbers, strict=True))
        out = plain.add(*clip(index, places))
        again = renamed.add(*clip(index, {other[t]: p for t, p in places.items()}))
        for track, number in out.items():
            assert same.setdefault(number, again[other[track]]) == again[other[track]]
    assert len(set(same.values())) == len(same)
