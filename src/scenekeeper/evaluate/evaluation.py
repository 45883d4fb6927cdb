"""The referee: every score of one labeling against the truth, with what it rests on.

In: two labelled datasets (or COCO files). Out: rows of ``section, name, value`` with the number of
things behind each and an interval where whole clips can be drawn again.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.detection import DetectionScore, score_detection
from scenekeeper.evaluate.labelled import (
    Labelled,
    check_names,
    on_common_frames,
    read_labelled,
)
from scenekeeper.evaluate.pairing import (
    VERDICTS,
    Pairing,
    boxes_of,
    has_masks,
    pair,
    sides,
)
from scenekeeper.evaluate.tracking import score_tracks
from scenekeeper.geometry import box_iou
from scenekeeper.schema import UNNAMED
from scenekeeper.store import Dataset

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MIN_SIDE = 16.0
"""Things smaller than a square of so many pixels are neither to be found nor missed."""

DRAWS = 1000
BINS = 15


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        section: which question it answers.
        name: what it is.
        value: the figure; ``None`` = nothing to count.
        n: how many things it is counted from.
        low: lower end of its 95 % interval over clips; ``None`` = not computed.
        high: upper end.
        better: ``higher`` or ``lower`` is better; ``""`` = neither.
        clips: per clip the two sums whose ratio it is, where it is one.
    """

    section: str
    name: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    better: str = "higher"
    clips: Mapping[int, tuple[float, float]] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {k: v for k, v in asdict(self).items() if k != "clips"}


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
    from scenekeeper.errors import DatasetError

    if not len(true):
        raise DatasetError(
            "holds no true instance", path=true.name, remedy="Nothing can be judged by it."
        )
    names = canonical(synonyms or {})
    found, true = on_common_frames(found, true)
    paired = pair(true, found, names, MIN_SIDE)
    detection, plots = _detection(true, found, names)
    rows = [
        *detection,
        *_verdict_rows(paired),
        *_causes(paired, found),
        *_tracking(paired),
        *_counting(paired, names),
        *_calibration(paired, names, plots),
    ]
    if found_set is not None and true_set is not None:
        rows += _world(found_set, true_set, paired, names)
        rows += _captions(found_set, true_set, names)
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


# --- detection ------------------------------------------------------------------------------------


def _detection(
    true: Labelled, found: Labelled, names: Mapping[str, str]
) -> tuple[list[Row], dict[str, Any]]:
    things = found[~found.structure]
    excused = true.structure | (sides(true) < MIN_SIDE)
    classes = {p: k for k, p in enumerate(sorted({names.get(p, p) for p in true.phrase}))}
    of_true = np.array([classes[names.get(p, p)] for p in true.phrase], np.int64)
    of_found = np.array([classes.get(names.get(p, p), -1) for p in things.phrase], np.int64)
    n = int((~excused).sum())
    rows: list[Row] = []
    plots: dict[str, Any] = {}
    kinds = ["mask", "box"] if has_masks(true, things) else ["box"]
    for kind in kinds:
        a = boxes_of(true, of_true, kind == "mask", excused)
        b = boxes_of(things, of_found, kind == "mask")
        for agnostic in (True, False):
            score = score_detection(a, b, kind, agnostic)  # type: ignore[arg-type]
            what = f"{kind}, any name" if agnostic else f"{kind}, right name"
            rows += [
                Row(what, f"AP50 ({what})", _number(score.ap50), n),
                Row(what, f"AP ({what})", _number(score.ap), n),
                Row(what, f"AR100 ({what})", _number(score.ar100), n),
            ]
            if agnostic:
                plots[f"precision_{kind}"] = _curve(score)
    return rows, plots


def _curve(score: DetectionScore) -> list[list[float]]:
    """Precision at IoU .5 over recall."""
    values = np.nan_to_num(score.precision[0].mean(-1))
    return [[float(r), float(p)] for r, p in zip(score.recalls, values, strict=True)]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


# --- verdicts and causes --------------------------------------------------------------------------


def _verdict_rows(p: Pairing) -> Iterator[Row]:
    n, clip = len(p.truth), p.truth.clip[p.truth.image]
    section = "what became of the true things"
    hit = p.found_of >= 0
    yield _share(section, "recall at IoU .5", hit, clip)
    for k, verdict in enumerate(VERDICTS):
        better = "higher" if verdict == "right" else "lower"
        yield _share(section, verdict, p.verdict == k, clip, better)
    counted = p.truth_of != -2
    found_clip = p.found.clip[p.found.image]
    section = "what was found"
    yield _share(section, "precision at IoU .5", (p.truth_of >= 0)[counted], found_clip[counted])
    named = counted & np.array([w != UNNAMED for w in p.found.phrase], np.bool_)
    right = np.zeros(len(p.found), np.bool_)
    matched = np.flatnonzero(p.found_of >= 0)
    right[p.found_of[matched]] = p.verdict[matched] == VERDICTS.index("right")
    yield _share(section, "names that are right", right[named], found_clip[named])
    wrong = named & ~right & (np.nan_to_num(p.found.p, nan=1.0) >= 0.6)
    yield _share(section, "confident wrong names", wrong[counted], found_clip[counted], "lower")
    yield _share(section, "hallucinated", (p.truth_of == -1)[counted], found_clip[counted], "lower")
    yield Row(
        section, "things per frame", n / max(1, len(set(p.truth.image.tolist()))), n, better=""
    )


def _causes(p: Pairing, found: Labelled) -> Iterator[Row]:
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
            yield _share(section, f"missed: {name}", missed[rows], clip[rows], "lower")


def _share(
    section: str, name: str, hit: NDArray[np.bool_], clip: Int, better: str = "higher"
) -> Row:
    """A share with its interval from drawing clips again."""
    if not len(hit):
        return Row(section, name, None, 0, better=better)
    which, at = np.unique(clip, return_inverse=True)
    top, bottom = np.bincount(at, hit), np.bincount(at)
    low = high = None
    if len(top) > 1:
        low, high = _interval(top, bottom)
    sums = {int(c): (float(a), float(b)) for c, a, b in zip(which, top, bottom, strict=True)}
    return Row(section, name, float(hit.mean()), len(hit), low, high, better, sums)


def _interval(top: NDArray[Any], bottom: NDArray[Any]) -> tuple[float, float]:
    """95 % interval of a ratio of sums over clips, by the bootstrap (Efron 1979)."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(top), (DRAWS, len(top)))
    below = bottom[drawn].sum(1)
    ratio = np.divide(top[drawn].sum(1), below, out=np.zeros(DRAWS), where=below > 0)
    low, high = np.percentile(ratio[below > 0], [2.5, 97.5])
    return float(low), float(high)


# --- identity, counts, calibration ----------------------------------------------------------------


def _tracking(p: Pairing) -> Iterator[Row]:
    section = "identity over time"
    t = p.truth[p.truth.track >= 0]
    f = p.found[(p.found.track >= 0) & (p.truth_of != -2)]
    if not len(t) or not len(f):
        return
    session = _session_of(t)
    t_ids, f_ids = _per_session(t, session), _per_session(f, session)
    n_frames = len(t.frames)
    t_rows, f_rows = _by_frame(t, n_frames), _by_frame(f, n_frames)
    score = score_tracks(
        [t_ids[r] for r in t_rows],
        [f_ids[r] for r in f_rows],
        [box_iou(t.box_xyxy[a], f.box_xyxy[b]) for a, b in zip(t_rows, f_rows, strict=True)],
    )
    n = len(t)
    yield Row(section, "HOTA", float(score.hota), n)
    yield Row(section, "association accuracy", float(score.assa), n)
    yield Row(section, "IDF1", float(score.idf1), n)
    yield Row(section, "id switches per 1000 boxes", 1000 * score.switches / n, n, better="lower")


def _session_of(labels: Labelled) -> Int:
    names = {s: k for k, s in enumerate(dict.fromkeys(s for s, _ in labels.frames))}
    return np.array([names[s] for s, _ in labels.frames], np.int64)


def _per_session(labels: Labelled, session: Int) -> Int:
    """Track ids that no two sessions share; one box per track and frame."""
    pairs = np.stack((session[labels.image], labels.track), 1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def _by_frame(labels: Labelled, n: int) -> list[Int]:
    """Rows of each frame, of each track the best scored one."""
    order = np.lexsort((-labels.score, labels.track, labels.image))
    key = np.stack((labels.image[order], labels.track[order]), 1)
    first = np.ones(len(order), np.bool_)
    first[1:] = (np.diff(key, axis=0) != 0).any(1)
    kept = order[first]
    ends = np.searchsorted(labels.image[kept], np.arange(n + 1))
    return [kept[a:b] for a, b in itertools.pairwise(ends)]


def _counting(p: Pairing, names: Mapping[str, str]) -> Iterator[Row]:
    """How many of a kind, per frame and class that either side names."""
    section = "counting"
    counts: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for side, labels in enumerate((p.truth, p.found)):
        for image, phrase in zip(labels.image.tolist(), labels.phrase, strict=True):
            if phrase != UNNAMED:
                counts[image, names.get(phrase, phrase)][side] += 1
    if not counts:
        return
    keys = list(counts)
    true, said = np.array([counts[k] for k in keys]).T
    clip = p.truth.clip[np.array([k[0] for k in keys])]
    yield _share(section, "class counts that are exact", true == said, clip)
    yield Row(
        section,
        "mean absolute count error",
        float(np.abs(true - said).mean()),
        len(keys),
        better="lower",
    )


def _calibration(p: Pairing, names: Mapping[str, str], plots: dict[str, Any]) -> Iterator[Row]:
    section = "calibration"
    known = np.isfinite(p.found.p) & (p.truth_of != -2)
    known &= np.array([w != UNNAMED for w in p.found.phrase], np.bool_)
    if not known.any():
        return
    right = np.zeros(len(p.found), np.bool_)
    matched = np.flatnonzero(p.found_of >= 0)
    right[p.found_of[matched]] = p.verdict[matched] == VERDICTS.index("right")
    confidence, hit = np.clip(p.found.p[known], 0, 1), right[known]
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.abs(np.bincount(which, confidence, BINS) - np.bincount(which, hit, BINS))
    yield Row(section, "ECE of named labels", float(gap.sum() / len(hit)), len(hit), better="lower")
    brier = float(((confidence - hit) ** 2).mean())
    yield Row(section, "Brier score of named labels", brier, len(hit), better="lower")
    plots["reliability"] = [
        [
            float(confidence[which == b].mean()),
            float(hit[which == b].mean()),
            int((which == b).sum()),
        ]
        for b in range(BINS)
        if (which == b).any()
    ]


# --- the world ------------------------------------------------------------------------------------


def _world(found: Dataset, true: Dataset, p: Pairing, names: Mapping[str, str]) -> Iterator[Row]:
    """Objects in 3D, their ids over sessions, and relations between them."""
    section = "objects in 3D"
    sessions = list(dict.fromkeys(s for s, _ in p.truth.frames))
    votes = _object_votes(p)
    true_rows = {s: _objects(true, s, _shown_objects(p.truth, s)) for s in sessions}
    counted = p.found[p.truth_of != -2]
    found_rows = {s: _objects(found, s, _shown_objects(counted, s)) for s in sessions}
    total = sum(len(r) for r in true_rows.values())
    said = sum(len(r) for r in found_rows.values())
    if not total or not said:
        return
    pairs = [
        (s, t, votes[s, t])
        for s in sessions
        for t in true_rows[s]
        if (s, t) in votes and votes[s, t] in found_rows[s]
    ]
    off = np.array(
        [
            np.linalg.norm(
                np.array(true_rows[s][t]["center"]) - np.array(found_rows[s][f]["center"])
            )
            for s, t, f in pairs
        ]
    )
    yield Row(section, "objects found", len({(s, t) for s, t, _ in pairs}) / total, total)
    yield Row(section, "objects that are real", len({(s, f) for s, _, f in pairs}) / said, said)
    if len(off):
        yield Row(
            section, "median position error, m", float(np.median(off)), len(off), better="lower"
        )
    yield from _stability(pairs, sessions)
    yield from _relations(found, true, sessions, pairs)


def _shown_objects(side: Labelled, session: str) -> set[int]:
    """Objects of which something that counts is in some frame."""
    here = np.array([s == session for s, _ in side.frames], np.bool_)
    return set(side.object[here[side.image]].tolist())


def _objects(dataset: Dataset, session: str, shown: set[int]) -> dict[int, dict[str, Any]]:
    rows = dataset.table("objects", session).to_pylist()
    return {r["object"]: r for r in rows if r["object"] in shown and r["center"] is not None}


def _object_votes(p: Pairing) -> dict[tuple[str, int], int]:
    """The found object that most of a true object's frames were paired with."""
    counts: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    for g in np.flatnonzero(p.found_of >= 0):
        session = p.truth.frames[p.truth.image[g]][0]
        found = int(p.found.object[p.found_of[g]])
        if found >= 0:
            counts[session, int(p.truth.object[g])][found] += 1
    return {key: c.most_common(1)[0][0] for key, c in counts.items()}


def _stability(pairs: Sequence[tuple[str, int, int]], sessions: Sequence[str]) -> Iterator[Row]:
    ids: dict[int, list[int]] = defaultdict(list)
    for s in sessions:
        for session, t, f in pairs:
            if session == s:
                ids[t].append(f)
    again = [found for found in ids.values() if len(found) > 1]
    if again:
        kept = np.mean([len(set(found)) == 1 for found in again])
        yield Row("objects in 3D", "ids that hold across sessions", float(kept), len(again))


def _relations(
    found: Dataset, true: Dataset, sessions: Sequence[str], pairs: Sequence[tuple[str, int, int]]
) -> Iterator[Row]:
    """Relations between paired objects, per kind."""
    section = "relations"
    true_id = {(s, f): t for s, t, f in pairs}
    known = {(s, t) for s, t, _ in pairs}
    there, said = set(), set()
    for s in sessions:
        for r in true.table("relations", s).to_pylist():
            if (s, r["subject"]) in known and (s, r["object"]) in known:
                there.add((s, *_ordered(r["subject"], r["predicate"], r["object"])))
        for r in found.table("relations", s).to_pylist():
            a, b = true_id.get((s, r["subject"])), true_id.get((s, r["object"]))
            if a is not None and b is not None and a != b:
                said.add((s, *_ordered(a, r["predicate"], b)))
    for kind in sorted({r[2] for r in there}):
        t, f = ({r for r in side if r[2] == kind} for side in (there, said))
        both = len(t & f)
        f1 = 2 * both / max(1, len(t) + len(f))
        yield Row(section, f"F1 of '{kind}'", f1, len(t))


def _ordered(a: int, predicate: str, b: int) -> tuple[int, str, int]:
    """A symmetric relation is the same either way round."""
    return (min(a, b), predicate, max(a, b)) if predicate == "next to" else (a, predicate, b)


# --- captions -------------------------------------------------------------------------------------


def _captions(found: Dataset, true: Dataset, names: Mapping[str, str]) -> Iterator[Row]:
    """Things that captions claim against things that are in the picture."""
    section = "captions"
    nouns = {
        names.get(p, p)
        for p in true.table("objects")["phrase"].to_pylist()
        if p not in ("floor", "wall")
    }
    words = {**{n: n for n in nouns}, **{w: n for w, n in names.items() if n in nouns}}
    pattern = _any_of(words)
    right = claimed = there = 0
    frames = 0
    for s in true.sessions():
        if s not in found.sessions():
            continue
        shown = _shown(true, s, names)
        for row in found.table("captions", s).to_pylist():
            said = {words[m.lower()] for m in pattern(row["text"])}
            seen = shown.get(row["t_ns"], set())
            right, claimed, there = right + len(said & seen), claimed + len(said), there + len(seen)
            frames += 1
    if frames:
        yield Row(section, "things claimed that are there", right / max(1, claimed), claimed)
        yield Row(section, "things there that are claimed", right / max(1, there), there)


def _any_of(words: Mapping[str, str]) -> Callable[[str], list[str]]:
    """Finds words (longest first) in a text, singular or plural."""
    if not words:
        return lambda text: []
    longest = sorted(words, key=len, reverse=True)
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, longest))})(?:e?s)?\b", re.IGNORECASE)
    return lambda text: pattern.findall(text or "")


def _shown(true: Dataset, session: str, names: Mapping[str, str]) -> dict[int, set[str]]:
    rows = true.sql("SELECT t_ns, phrase FROM instances WHERE session = ?", [session]).to_pylist()
    out: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row["phrase"] not in ("floor", "wall"):
            out[row["t_ns"]].add(names.get(row["phrase"], row["phrase"]))
    return out
