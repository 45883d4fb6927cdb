"""The same figures over groups of sessions, such as homes that were trained on and homes that
were not.

In: names of groups with patterns of sessions, and the rows of each group. Out: rows of the main
figures side by side, with the differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from scenekeeper.errors import DatasetError
from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.resample import difference
from scenekeeper.evaluate.rows import Row

MAIN = (
    "recall at IoU .5",
    "precision at IoU .5",
    "AP50 (mask, any name)",
    "AP50 (box, any name)",
    "right",
    "names that are right",
    "hallucinated",
    "HOTA",
    "ECE of named labels",
    "objects found",
)
"""Figures that tables and pages show per group; ``Evaluation.groups`` has all."""


def sessions_of(truth: Labelled, groups: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Sessions of each group.

    Args:
        truth: whose frames' sessions are meant; of a COCO file these are the pictures' names.
        groups: per group shell patterns (``home-0*``), of which one must match.

    Raises:
        DatasetError: no session is of a group, or one is of two.
    """
    sessions = list(dict.fromkeys(s for s, _ in truth.frames))
    out: dict[str, list[str]] = {}
    taken: dict[str, str] = {}
    for group, patterns in groups.items():
        out[group] = [s for s in sessions if any(fnmatchcase(s, p) for p in patterns)]
        if not out[group]:
            raise DatasetError(
                f"has no session like {', '.join(map(repr, patterns))}, which is group {group!r}",
                path=truth.name,
                remedy=f"Its sessions are {', '.join(sessions[:3])}"
                f"{f' and {len(sessions) - 3} more' if len(sessions) > 3 else ''}.",
            )
        for s in out[group]:
            if s in taken:
                raise DatasetError(
                    f"session {s!r} is of the groups {taken[s]!r} and {group!r}",
                    path=truth.name,
                    remedy="Give patterns that do not overlap.",
                )
            taken[s] = group
    return out


def group_rows(groups: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    """Main figures of each group, then what each has more than the first one."""
    for group, rows in groups.items():
        for row in rows:
            if row.name in MAIN:
                yield replace(row, section=f"only {group}", name=f"{row.name} ({group})")
    (first, base), *others = groups.items()
    for group, rows in others:
        for row in differences(base, rows):
            if row.name in MAIN:
                name = f"{row.name} ({group} less {first})"
                yield replace(row, section=f"{group} less {first}", name=name)


def differences(base: Sequence[Row], rows: Sequence[Row]) -> Iterator[Row]:
    """Figures of one group less those of another, named as before.

    Intervals are of figures that are ratios of sums over clips; the clips of each group are drawn
    on their own.
    """
    before = {r.name: r for r in base}
    for row in rows:
        old = before.get(row.name)
        if old is None or old.value is None or row.value is None:
            continue
        low = high = None
        if min(len(old.clips), len(row.clips)) > 1:
            sums = [np.array(list(r.clips.values())) for r in (old, row)]
            low, high, _ = difference(sums[0], sums[1], row.power, paired=False)
        gap = row.value - old.value
        yield replace(row, value=gap, n=row.n + old.n, low=low, high=high, clips={})
