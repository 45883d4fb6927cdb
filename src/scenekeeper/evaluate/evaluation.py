"""The referee: every score of one labeling against the truth, with what it rests on.

In: two labelled datasets (or COCO files). Out: rows of ``section, name, value`` with the number of
things behind each and an interval where whole clips can be drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper.errors import DatasetError
from scenekeeper.evaluate.calibration import calibration_rows
from scenekeeper.evaluate.captions import caption_rows
from scenekeeper.evaluate.causes import cause_rows
from scenekeeper.evaluate.counting import counting_rows
from scenekeeper.evaluate.finding import detection_rows, verdict_rows
from scenekeeper.evaluate.identity import identity_rows
from scenekeeper.evaluate.labelled import (
    Labelled,
    check_names,
    on_common_frames,
    read_labelled,
)
from scenekeeper.evaluate.pairing import MIN_SIDE, Pairing, pair
from scenekeeper.evaluate.rows import Row
from scenekeeper.evaluate.world import world_rows
from scenekeeper.store import Dataset


@dataclass(frozen=True)
class Evaluation:
    """All figures of one labeling.

    Attributes:
        labels: name of what was judged.
        truth: name of the truth.
        frames: frames that both have.
        rows: the figures.
        notes: what the reader should know.
        plots: numbers behind the page's pictures, by name.
        seen: ``(session, true object)`` of every true object that some label was paired with.
    """

    labels: str
    truth: str
    frames: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    plots: Mapping[str, Any] = field(default_factory=dict)
    seen: frozenset[tuple[str, int]] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        plain = {k: getattr(self, k) for k in ("labels", "truth", "frames", "notes", "plots")}
        return {**plain, "rows": [r.to_dict() for r in self.rows]}

    def value(self, name: str) -> float | None:
        """One figure by its name.

        Raises:
            KeyError: there is none of that name.
        """
        for row in self.rows:
            if row.name == name:
                return row.value
        raise KeyError(name)


def evaluate(
    labels: Path, truth: Path, synonyms: Mapping[str, Sequence[str]] | None = None
) -> Evaluation:
    """Judge a labeling.

    Args:
        labels: a labelled dataset or a COCO file.
        truth: the same, of the truth.
        synonyms: per class, phrases that mean the same.

    Raises:
        DatasetError: one of them cannot be read, or they have no frame in common, or the truth is
            empty.
    """
    found, found_set = read_labelled(Path(labels))
    true, true_set = read_labelled(Path(truth))
    return judge(found, true, found_set, true_set, synonyms)


def judge(
    found: Labelled,
    true: Labelled,
    found_set: Dataset | None = None,
    true_set: Dataset | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
) -> Evaluation:
    """Judge a labeling that has been read already (see :func:`evaluate`)."""
    if not len(true):
        raise DatasetError(
            "holds no true instance", path=true.name, remedy="Nothing can be judged by it."
        )
    names = canonical(synonyms or {})
    found, true = on_common_frames(found, true)
    paired = pair(true, found, names, MIN_SIDE)
    detection, plots = detection_rows(true, found, names)
    rows = [
        *detection,
        *verdict_rows(paired),
        *cause_rows(paired, found),
        *identity_rows(paired),
        *counting_rows(paired, names),
        *calibration_rows(paired, names, plots),
    ]
    if found_set is not None and true_set is not None:
        rows += world_rows(found_set, true_set, paired)
        rows += caption_rows(found_set, true_set, names)
    warning = check_names(found, true, names)
    return Evaluation(
        found.name,
        true.name,
        len(true.frames),
        tuple(rows),
        (warning,) if warning else (),
        plots,
        _seen(paired),
    )


def _seen(p: Pairing) -> frozenset[tuple[str, int]]:
    rows = np.flatnonzero(p.found_of >= 0)
    return frozenset((p.truth.frames[p.truth.image[g]][0], int(p.truth.object[g])) for g in rows)


def canonical(synonyms: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The class of every synonym."""
    return {word: noun for noun, words in synonyms.items() for word in words}
