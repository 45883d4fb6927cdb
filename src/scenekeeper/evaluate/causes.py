"""What makes things hard: misses and hallucinations by what they have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.pairing import IOU, NEAR, Pairing, sides
from scenekeeper.evaluate.rows import Row, share

Bool = NDArray[np.bool_]


def cause_rows(p: Pairing) -> Iterator[Row]:
    """Shares of true things that were missed, and of found ones that are not there, by cause."""
    missed, clip = p.found_of < 0, p.truth.clip[p.truth.image]
    visible = p.truth.visible
    causes = {
        **_sizes(p.truth),
        "half hidden or more": visible < 0.5,
        "partly hidden": (visible >= 0.5) & (visible < 0.9),
        "in full view": visible >= 0.9,
        **_pictures(p.truth),
        "beside its likeness": p.truth.lookalike,
    }
    for name, rows in causes.items():
        if rows.any():
            yield share("missed, by cause", f"missed: {name}", missed[rows], clip[rows], "lower")
    yield from _hallucinations(p)


def _hallucinations(p: Pairing) -> Iterator[Row]:
    """Hallucinations by size and picture, and by what is there instead.

    What was paired with a floor, a wall, a crowd or something too small counts neither as right nor
    as wrong, so how much that is, is told beside.
    """
    section = "hallucinated, by cause"
    wrong, clip = p.truth_of == -1, p.found.clip[p.found.image]
    counted = p.truth_of != -2
    for name, rows in {**_sizes(p.found), **_pictures(p.found)}.items():
        rows = rows & counted
        if rows.any():
            yield share(section, f"hallucinated: {name}", wrong[rows], clip[rows], "lower")
    yield share(section, "neither right nor wrong", ~counted, clip, "")
    if not wrong.any():
        return
    kinds = {"the same thing twice": p.found_best >= IOU}
    kinds["beside a thing"] = (p.found_best >= NEAR) & ~kinds["the same thing twice"]
    kinds["elsewhere"] = p.found_best < NEAR
    for name, rows in kinds.items():
        yield share(section, f"of hallucinations: {name}", rows[wrong], clip[wrong], "")


def _sizes(side: Labelled) -> dict[str, Bool]:
    length = sides(side)
    return {
        "under 16 px": length < 16,
        "16 to 32 px": (length >= 16) & (length < 32),
        "32 to 96 px": (length >= 32) & (length < 96),
        "96 px and more": length >= 96,
    }


def _pictures(side: Labelled) -> dict[str, Bool]:
    def flagged(*names: str) -> Bool:
        bad = np.array([bool(flags & set(names)) for flags in side.flags], np.bool_)
        return bad[side.image]

    return {
        "blurred frame": flagged("blurred", "blur"),
        "dark frame": flagged("dark", "underexposed"),
    }
