"""What makes things hard: misses by what the missed have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.pairing import Pairing, sides
from scenekeeper.evaluate.rows import Row, share


def cause_rows(p: Pairing, found: Labelled) -> Iterator[Row]:
    """Shares of true things that were missed, by what makes them hard."""
    section = "missed, by cause"
    missed, clip = p.found_of < 0, p.truth.clip[p.truth.image]
    side, visible = sides(p.truth), p.truth.visible
    flags = [found.flags[i] for i in p.truth.image]

    def flagged(name: str) -> NDArray[np.bool_]:
        return np.array([name in f for f in flags], np.bool_)

    causes = {
        "16 to 32 px": side < 32,
        "32 to 96 px": (side >= 32) & (side < 96),
        "96 px and more": side >= 96,
        "half hidden or more": visible < 0.5,
        "partly hidden": (visible >= 0.5) & (visible < 0.9),
        "in full view": visible >= 0.9,
        "blurred frame": flagged("blurred") | flagged("blur"),
        "dark frame": flagged("dark") | flagged("underexposed"),
        "beside its likeness": p.truth.lookalike,
    }
    for name, rows in causes.items():
        if rows.any():
            yield share(section, f"missed: {name}", missed[rows], clip[rows], "lower")
