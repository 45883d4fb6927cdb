"""What stands on the planes and what lies flat on them is found; structure and noise are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenekeeper.segment.discover import DiscoverConfig, Segment, discover, without_noise
from scenekeeper.voxels import Surface
from tests.made_surfaces import SIZE, Rgb, Vec3, box, joined, rectangle, rows_of

UP = np.array([0.0, 0.0, 1.0])
TOP = 0.72
TABLE = rectangle((0, 0, TOP), (1.4, 0, 0), (0, 0.9, 0), (150, 110, 70))
RED, BLUE, WHITE = (180, 30, 30), (30, 30, 180), (235, 235, 235)


def on_table(x: float, y: float, extent: Vec3, rgb: Rgb = RED, seen: int = 20) -> Surface:
    # A voxel above the table: what touches it falls into the table's own voxels.
    return box((x, y, TOP + SIZE), extent, rgb, seen)


def segments(*parts: Surface, config: DiscoverConfig | None = None) -> list[Segment]:
    config = config or DiscoverConfig()
    found, _ = discover(without_noise(joined(parts), config), SIZE, UP, config)
    return found


def things(found: list[Segment], kind: str = "thing") -> list[Segment]:
    return [s for s in found if s.kind == kind]


def covers(whole: Surface, segment: Segment, part: Surface) -> float:
    expected = rows_of(whole, part)
    return len(np.intersect1d(segment.rows, expected)) / len(expected)


def test_things_on_a_table_are_found_one_by_one() -> None:
    parts = [TABLE, on_table(0.2, 0.2, (0.1, 0.1, 0.12)), on_table(0.8, 0.5, (0.3, 0.2, 0.1))]
    found = segments(*parts)
    assert sorted(s.kind for s in found) == ["support", "thing", "thing"]
    whole = joined(parts)
    for part in parts[1:]:
        assert max(covers(whole, s, part) for s in things(found)) > 0.85


def test_touching_things_of_different_colours_are_two() -> None:
    red, blue = on_table(0.2, 0.2, (0.1, 0.2, 0.15)), on_table(0.312, 0.2, (0.1, 0.2, 0.15), BLUE)
    assert len(things(segments(TABLE, red, blue))) == 2


def test_a_thin_bridge_of_noise_does_not_join_two_things() -> None:
    left, right = on_table(0.1, 0.2, (0.2, 0.2, 0.2)), on_table(0.5, 0.2, (0.2, 0.2, 0.2))
    bridge = rectangle((0.3, 0.3, TOP + 0.1), (0.2, 0, 0), (0, SIZE, 0), RED)
    assert len(things(segments(TABLE, left, right, bridge))) == 2


def test_a_sheet_of_another_colour_on_a_table_is_flat() -> None:
    table = joined([rectangle((0.4, 0.3, TOP), (0.3, 0, 0), (0, 0.21, 0), WHITE), TABLE])
    found = segments(table)
    assert sorted(s.kind for s in found) == ["flat", "support"]
    flat = things(found, "flat")[0]
    assert np.ptp(table.position[flat.rows], 0) == pytest.approx([0.3, 0.21, 0], abs=2 * SIZE)


def test_what_was_seen_too_rarely_is_noise() -> None:
    rare = on_table(0.2, 0.2, (0.1, 0.1, 0.1), seen=2)
    assert things(segments(TABLE, rare)) == []


@pytest.mark.parametrize("extent", [(0.02, 0.02, 0.02), (1.35, 0.2, 0.2)])
def test_what_is_too_small_or_too_large_is_no_thing(extent: Vec3) -> None:
    assert things(segments(TABLE, on_table(0.01, 0.2, extent))) == []


def test_a_shelf_with_books_falls_apart_into_the_books() -> None:
    board = box((0, 1.5, 1.2), (1.3, 0.2, 0.03), (120, 20, 20))
    books = [box((x, 1.55, 1.23), (0.16, 0.05, 0.22), (160, 20, 20)) for x in (0.1, 0.6, 1.0)]
    found = things(segments(TABLE, board, *books))
    assert len(found) == 3
    whole = joined([TABLE, board, *books])
    for book in books:
        assert max(covers(whole, s, book) for s in found) > 0.8


def test_a_leg_belongs_to_its_table() -> None:
    leg = box((0.05, 0.05, 0.02), (0.07, 0.07, 0.62), (150, 110, 70))
    found = segments(TABLE, leg)
    assert [s.kind for s in found] == ["support"]
    assert covers(joined([TABLE, leg]), found[0], leg) == 1


def test_a_mug_on_a_book_and_the_book_are_two_things() -> None:
    book = on_table(0.3, 0.3, (0.25, 0.3, 0.04), RED)
    mug = box((0.38, 0.4, TOP + 0.06), (0.09, 0.09, 0.1), (200, 60, 60))
    assert len(things(segments(TABLE, book, mug))) == 2


def test_the_same_surface_gives_the_same_segments() -> None:
    parts = [TABLE, on_table(0.2, 0.2, (0.1, 0.1, 0.12)), on_table(0.8, 0.5, (0.3, 0.2, 0.1))]
    first, second = segments(*parts), segments(*parts)
    assert all(np.array_equal(a.rows, b.rows) for a, b in zip(first, second, strict=True))


def test_nothing_is_found_where_nothing_was_seen() -> None:
    found, up = discover(TABLE[:0], SIZE, UP, DiscoverConfig())
    assert found == [] and up.tolist() == UP.tolist()


def test_a_score_grows_with_the_number_of_sightings() -> None:
    little = things(segments(TABLE, on_table(0.2, 0.2, (0.1, 0.1, 0.1), seen=6)))[0]
    often = things(segments(TABLE, on_table(0.2, 0.2, (0.1, 0.1, 0.1), seen=60)))[0]
    assert 0 < little.score < often.score <= 1


def test_a_smaller_limit_keeps_smaller_things() -> None:
    small = on_table(0.2, 0.2, (0.03, 0.03, 0.03))
    kept = replace(DiscoverConfig(), min_extent=0.02, min_voxels=10)
    assert things(segments(TABLE, small)) == []
    assert len(things(segments(TABLE, small, config=kept))) == 1
