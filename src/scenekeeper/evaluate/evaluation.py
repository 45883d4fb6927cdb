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
from scenekeeper.evaluate.frames import notes, of_sessions, on_common_frames, session_names
from scenekeeper.evaluate.groups import group_rows, sessions_of
from scenekeeper.evaluate.identity import identity_rows
from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.objects import Tables, object_rows, pair_objects
from scenekeeper.evaluate.pairing import MIN_SIDE, Pairing, pair
from scenekeeper.evaluate.reading import read_labelled
from scenekeeper.evaluate.relations import change_rows, relation_rows
from scenekeeper.evaluate.rows import Row
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
        groups: per group of sessions all rows of it alone; see ``groups`` of :func:`evaluate`.
    """

    labels: str
    truth: str
    frames: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    plots: Mapping[str, Any] = field(default_factory=dict)
    seen: frozenset[tuple[str, int]] = frozenset()
    groups: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        plain = {k: getattr(self, k) for k in ("labels", "truth", "frames", "notes", "plots")}
        told = {g: [r.to_dict() for r in rows] for g, rows in self.groups.items()}
        return {**plain, "rows": [r.to_dict() for r in self.rows], "groups": told}

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
    labels: Path,
    truth: Path,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Evaluation:
    """Judge a labeling.

    Args:
        labels: a labelled dataset or a COCO file.
        truth: the same, of the truth.
        synonyms: per class, phrases that mean the same.
        groups: per name of a group, shell patterns of its sessions (``{"in": ["home-0*"], "out":
            ["home-1*"]}``); the main figures are told for each, and their differences.

    Raises:
        DatasetError: one of them cannot be read, or they have no frame in common, or the truth is
            empty, or a group is.
    """
    found, found_set = read_labelled(Path(labels))
    true, true_set = read_labelled(Path(truth))
    return judge(found, true, found_set, true_set, synonyms, groups)


def judge(
    found: Labelled,
    true: Labelled,
    found_set: Dataset | None = None,
    true_set: Dataset | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Evaluation:
    """Judge a labeling that has been read already (see :func:`evaluate`)."""
    if not len(true):
        raise DatasetError(
            "holds no true instance",
            path=true.name,
            remedy="Nothing can be judged by it; name a truth that has labels.",
        )
    names = canonical(synonyms or {})
    alias = {theirs: ours for ours, theirs in session_names(found, true).items()}
    all_found, all_true = found, true
    found, true = on_common_frames(found, true)
    sets = None if found_set is None or true_set is None else (found_set, true_set)
    rows, told, plots, paired = _rows(found, true, sets, alias, names)
    parts: dict[str, tuple[Row, ...]] = {}
    for group, sessions in sessions_of(true, groups or {}).items():
        here = of_sessions(found, sessions), of_sessions(true, sessions)
        parts[group] = tuple(_rows(here[0], here[1], sets, alias, names)[0])
    return Evaluation(
        found.name,
        true.name,
        len(true.frames),
        (*rows, *(group_rows(parts) if parts else ())),
        (*notes(all_found, all_true, len(true.frames), names), *told),
        plots,
        _seen(paired),
        parts,
    )


def _rows(
    found: Labelled,
    true: Labelled,
    sets: tuple[Dataset, Dataset] | None,
    alias: Mapping[str, str],
    names: Mapping[str, str],
) -> tuple[list[Row], list[str], dict[str, Any], Pairing]:
    """All figures of two labelings of the same frames, notes, and plots."""
    p = pair(true, found, names, MIN_SIDE)
    detection, plots = detection_rows(true, found, names)
    rows = [
        *detection,
        *verdict_rows(p),
        *cause_rows(p),
        *identity_rows(p),
        *counting_rows(p, names, plots),
        *calibration_rows(p, names, plots),
    ]
    if sets is None:
        return rows, [], plots, p
    tables = Tables(*sets, tuple(dict.fromkeys(s for s, _ in true.frames)), alias)
    objects = pair_objects(tables, p)
    changes, told = change_rows(tables, objects)
    rows += [
        *object_rows(objects),
        *relation_rows(tables, objects),
        *changes,
        *caption_rows(tables, p, names),
    ]
    return rows, told, plots, p


def _seen(p: Pairing) -> frozenset[tuple[str, int]]:
    rows = np.flatnonzero(p.found_of >= 0)
    return frozenset((p.truth.frames[p.truth.image[g]][0], int(p.truth.object[g])) for g in rows)


def canonical(synonyms: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The class of every synonym."""
    return {word: noun for noun, words in synonyms.items() for word in words}
