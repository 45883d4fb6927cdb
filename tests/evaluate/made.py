"""Tiny labelings and tables made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from scenekeeper import masks
from scenekeeper.evaluate.labelled import Labelled, assemble

SIZE = (100, 200)
"""Height and width of every picture."""


def mask_of(box: Sequence[float]) -> bytes:
    """All pixels of a box."""
    x0, y0, x1, y1 = map(int, box)
    dense = np.zeros(SIZE, np.bool_)
    dense[y0:y1, x0:x1] = True
    return masks.encode(dense)


def labelled(
    *rows: Mapping[str, Any],
    frames: int = 1,
    per_clip: int = 1,
    flags: Mapping[int, str] | None = None,
    session: str = "s",
    with_masks: bool = False,
) -> Labelled:
    """Instances of one session; each row says at least ``box``, and ``image`` unless it is 0."""
    usual = {"image": 0, "phrase": "mug", "score": 1.0, "p": np.nan, "track": -1, "object": -1}
    usual |= {"structure": False, "crowd": False, "visible": np.nan, "lookalike": False}
    usual |= {"height": SIZE[0], "width": SIZE[1]}
    full = [
        {"mask": mask_of(r["box"]) if with_masks else None, **usual, **r, "box": tuple(r["box"])}
        for r in rows
    ]
    names = ("image", "box", "mask", "height", "width", "phrase", "score", "p", "track", "object")
    columns = {
        n: [r[n] for r in full] for n in (*names, "structure", "crowd", "visible", "lookalike")
    }
    return assemble(
        session,
        [(session, k) for k in range(frames)],
        [np.arange(frames) // per_clip],
        columns,
        [frozenset([flags[k]] if flags and k in flags else []) for k in range(frames)],
        ["front"] * frames,
    )


class Stored:
    """Tables as a dataset gives them: ``{(table, session): rows}``."""

    def __init__(self, rows: Mapping[tuple[str, str], list[dict[str, Any]]]) -> None:
        self.rows = rows

    def table(self, name: str, session: str) -> pa.Table:
        return pa.Table.from_pylist(self.rows.get((name, session), []))

    def current(self, session: str) -> dict[str, str]:
        return {name: "run" for name, s in self.rows if s == session}
