"""Labels that are wrong the way real ones are, made from the truth: a test instrument.

In: a dataset of exact labels, rates, a seed. Out: another dataset with misses, hallucinations,
confusions, jitter, bad masks, broken ids, scores, captions and relations with errors. It serves to
test referees, trust models and reviewers against known errors; it looks at no picture and is no
labeler, and every session that it writes says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import ndimage

from scenekeeper import masks
from scenekeeper.errors import DatasetError
from scenekeeper.schema import (
    CAPTIONS,
    NO_ID,
    OBJECTS,
    RELATIONS,
    Labels,
    instances_table,
)
from scenekeeper.store import Dataset, fingerprint

Float = NDArray[np.float64]
NOTE = "made from the truth by an error model, to test with; not a labeling"


@dataclass(frozen=True)
class Errors:
    """Rates of errors.

    Attributes:
        miss: share of clearly visible things of 100 pixels a side that are missed.
        miss_small: the same at 16 pixels; in between the odds go by the logarithm of the side.
        miss_hidden: the same of things that are three quarters hidden.
        confuse: share of objects that are taken for another class, in most of their views.
        flicker: share of single views with another class than the object's usual one.
        sticky: hallucinated things per session and 100 frames, that stay for seconds.
        random: hallucinated boxes per frame that do not.
        jitter: standard deviation of a box side, share of the box.
        erode: share of masks that are eaten away or bloated.
        merge: share of masks that swallow a neighbour.
        split: share of masks of which a half is lost.
        id_break: chance per view that an object's track is begun anew.
        caption: share of captions in which one thing is invented or left out.
        relation: share of relations with a wrong predicate.
        overconfidence: what the logit of the true probability is multiplied by to give the score;
            1 = calibrated.
    """

    miss: float = 0.04
    miss_small: float = 0.3
    miss_hidden: float = 0.4
    confuse: float = 0.08
    flicker: float = 0.04
    sticky: float = 0.5
    random: float = 0.1
    jitter: float = 0.02
    erode: float = 0.05
    merge: float = 0.01
    split: float = 0.01
    id_break: float = 0.005
    caption: float = 0.15
    relation: float = 0.1
    overconfidence: float = 1.0


PROFILES: Mapping[str, Errors] = {
    "none": Errors(*(0.0,) * 14, overconfidence=1.0),
    "usual": Errors(),
    "overconfident": Errors(overconfidence=2.5),
    "poor": Errors(
        miss=0.12,
        miss_small=0.55,
        miss_hidden=0.7,
        confuse=0.2,
        flicker=0.12,
        sticky=2.0,
        random=0.5,
        jitter=0.05,
        erode=0.15,
        merge=0.05,
        split=0.04,
        id_break=0.03,
        caption=0.35,
        relation=0.3,
        overconfidence=1.8,
    ),
}
"""``usual`` gives about one wrong label in six, as audits of tracked autolabels find (REC-D, 2025:
18 % of KITTI's pedestrian labels); detectors' scores are overconfident as a rule (Kuzucu 2024)."""


def mislabel(truth: Dataset, out: Path, errors: Errors, seed: int = 0) -> Dataset:
    """Write a dataset of wrong labels of the truth's frames.

    Args:
        truth: exact labels, as the simulator writes them.
        out: a new dataset.
        errors: rates; see :data:`PROFILES`.
        seed: of every error; the same arguments give the same labels.

    Raises:
        DatasetError: ``out`` holds something, or the truth has no labels.
    """
    if out.exists():
        raise DatasetError("is in the way", path=out, remedy="Name a new folder.")
    sessions = [s for s in truth.sessions() if truth.current(s)]
    if not sessions:
        raise DatasetError("holds no labels to make wrong ones of", path=truth.path)
    made = Dataset.create(out)
    facts = {"stage": "mislabel", "errors": asdict(errors), "seed": seed}
    run = "mislabel-" + fingerprint(facts)
    classes = sorted(set(truth.table("objects")["phrase"].to_pylist()) - {"floor", "wall"})
    for k, session in enumerate(sessions):
        _Session(truth, made, session, errors, classes, np.random.default_rng([seed, k])).write(
            run, facts
        )
    return made


class _Session:
    """One session's errors; what sticks to an object is drawn once."""

    def __init__(
        self,
        truth: Dataset,
        made: Dataset,
        session: str,
        errors: Errors,
        classes: Sequence[str],
        rng: np.random.Generator,
    ) -> None:
        self.truth, self.made, self.session, self.rng = truth, made, session, rng
        self.errors, self.classes = errors, classes
        self.usual: dict[int, str] = {}
        self.sure: dict[int, float] = {}
        self.track: dict[int, int] = {}
        self.next_track = 0
        self.ghosts: list[tuple[Float, str, int, float]] = []

    def write(self, run: str, facts: Mapping[str, object]) -> None:
        info = self.truth.session(self.session)
        told = replace(info, notes=(NOTE,))
        self.made.add_session(
            told, self.truth.frames(self.session), self.truth.signals(self.session)
        )
        frames = self.truth.labels(self.session)
        for clip in map(info.clip, range(info.n_clips)):
            labels = [self._frame(next(frames)) for _ in range(len(clip))]
            table = instances_table(self.session, labels)
            self.made.write_segment(table, "instances", run, self.session, clip.index)
        tables = {
            "objects": self._objects(),
            "relations": self._relations(),
            "captions": self._captions(),
        }
        for name, table in tables.items():
            self.made.write_segment(table, name, run, self.session)
        for name in ("instances", *tables):
            self.made.describe_run(name, run, facts)
        self.made.set_current(self.session, dict.fromkeys(("instances", *tables), run))

    # --- instances --------------------------------------------------------------------------------

    def _frame(self, true: Labels) -> Labels:
        assert true.track is not None
        things = np.array([p not in ("floor", "wall") for p in true.phrase], np.bool_)
        chance = np.array([self._miss(true, k) if things[k] else 0.0 for k in range(len(true))])
        kept = np.flatnonzero(self.rng.random(len(true)) >= chance)
        parts = [self._instance(true, int(k)) for k in kept]
        parts += self._hallucinations(true)
        if not parts:
            return true[np.zeros(0, np.int64)]
        return Labels.concatenate(parts)

    def _miss(self, true: Labels, k: int) -> float:
        """Chance that an instance is missed: odds by size, then by what hides it."""
        e = self.errors
        x0, y0, x1, y1 = true.box_xyxy[k]
        side = max(2.0, float(np.sqrt((x1 - x0) * (y1 - y0))))
        small = np.clip((np.log(100) - np.log(side)) / (np.log(100) - np.log(16)), 0, 1.6)
        by_size = _between(e.miss, e.miss_small, float(small))
        visible = float(true.signals["visible"][k]) if "visible" in true.signals else 1.0
        hidden = np.clip((1 - visible) / 0.75, 0, 1.3)
        return float(1 - (1 - by_size) * (1 - e.miss_hidden * hidden**2))

    def _instance(self, true: Labels, k: int) -> Labels:
        assert true.track is not None
        e, rng = self.errors, self.rng
        identity = int(true.track[k])
        phrase, p = self._phrase(identity, true.phrase[k])
        if identity not in self.track or rng.random() < e.id_break:
            self.track[identity] = self.next_track
            self.next_track += 1
        mask, box = self._mask(true, k)
        return Labels(
            true.frame_id,
            true.t_ns,
            true.size,
            box[None].astype(np.float32),
            mask=(mask,),
            phrase=(phrase,),
            score=np.array([self._score(p)], np.float32),
            p=np.array([self._score(p)], np.float32),
            track=np.array([self.track[identity]], np.int64),
        )

    def _phrase(self, identity: int, true: str) -> tuple[str, float]:
        """What an object is called in one view, and the true probability that this is right.

        How sure one can be of an object is drawn first, its name by that: so the probability is
        calibrated. Most views of an object agree, rightly or wrongly.
        """
        rng, e = self.rng, self.errors
        if true in ("floor", "wall"):
            return true, 0.99
        if identity not in self.usual:
            sure = rng.beta(4 * (1 - e.confuse), 4 * e.confuse) if e.confuse > 0 else 1.0
            self.sure[identity] = float(sure)
            self.usual[identity] = self._another(true) if rng.random() >= sure else true
        said = self.usual[identity]
        if rng.random() < e.flicker:
            said = self._another(said)
        return said, float(np.clip(self.sure[identity] * (1 - e.flicker), 0.02, 0.99))

    def _another(self, phrase: str) -> str:
        rest = [c for c in self.classes if c != phrase] or [phrase]
        return rest[int(self.rng.integers(len(rest)))]

    def _mask(self, true: Labels, k: int) -> tuple[bytes | None, Float]:
        rng, e = self.rng, self.errors
        box = true.box_xyxy[k].astype(np.float64)
        sides = np.tile(box[2:] - box[:2], 2)
        box = box + rng.normal(0, 1, 4) * e.jitter * sides
        height, width = true.size
        box = np.clip(box, 0, (width, height, width, height))
        box[2:] = np.maximum(box[2:], box[:2] + 1)
        counts = true.mask[k]
        bad = rng.random(3) < (e.erode, e.merge, e.split)
        if counts is None or not bad.any():
            return counts, box
        dense = masks.decode(counts, true.size)
        if bad[0]:
            grow = ndimage.binary_dilation if rng.random() < 0.5 else ndimage.binary_erosion
            dense = grow(dense, iterations=max(1, int(0.08 * sides[:2].min())))
        if bad[1]:
            other = true.mask[int(rng.integers(len(true)))]
            dense = dense | masks.decode(other, true.size) if other is not None else dense
        if bad[2]:
            dense[:, int((box[0] + box[2]) / 2) :] = False
        if not dense.any():
            return counts, box
        worse = masks.encode(dense)
        return worse, np.array(masks.box(worse, true.size), np.float64)

    def _hallucinations(self, true: Labels) -> list[Labels]:
        """Ghosts that stay for a while, and boxes that do not."""
        rng, e = self.rng, self.errors
        if rng.random() < e.sticky / 100 * 8:
            stay = int(rng.integers(5, 25))
            ghost = (self._box(true.size), self._another(""), stay, float(rng.uniform(0.02, 0.2)))
            self.ghosts.append(ghost)
        out = [
            self._ghost(true, box + rng.normal(0, 1, 4), phrase, p, sticky=k)
            for k, (box, phrase, left, p) in enumerate(self.ghosts)
            if left > 0
        ]
        self.ghosts = [(b, w, left - 1, p) for b, w, left, p in self.ghosts]
        for _ in range(int(rng.poisson(e.random))):
            p = float(rng.uniform(0.02, 0.2))
            out.append(self._ghost(true, self._box(true.size), self._another(""), p, sticky=None))
        return out

    def _box(self, size: tuple[int, int]) -> Float:
        height, width = size
        w, h = self.rng.uniform(0.05, 0.25, 2) * (width, height)
        x, y = self.rng.uniform(0, width - w), self.rng.uniform(0, height - h)
        return np.array([x, y, x + w, y + h])

    def _ghost(self, true: Labels, box: Float, phrase: str, p: float, sticky: int | None) -> Labels:
        height, width = true.size
        x0, y0, x1, y1 = np.rint(np.clip(box, 0, (width, height, width, height))).astype(int)
        x0, y0 = min(x0, width - 2), min(y0, height - 2)
        x1, y1 = max(x1, x0 + 2), max(y1, y0 + 2)
        mask = np.zeros(true.size, np.bool_)
        mask[y0:y1, x0:x1] = True
        return Labels(
            true.frame_id,
            true.t_ns,
            true.size,
            np.array([[x0, y0, x1, y1]], np.float32),
            mask=(masks.encode(mask),),
            phrase=(phrase,),
            score=np.array([self._score(p)], np.float32),
            p=np.array([self._score(p)], np.float32),
            track=np.array([NO_ID if sticky is None else 1_000_000 + sticky], np.int64),
        )

    def _score(self, p: float) -> float:
        logit = np.log(p / (1 - p)) * self.errors.overconfidence
        return float(1 / (1 + np.exp(-logit)))

    # --- objects, relations, captions -------------------------------------------------------------

    def _objects(self) -> pa.Table:
        rows = []
        for row in self.truth.table("objects", self.session).to_pylist():
            if row["object"] not in self.track:
                continue
            center = np.array(row["center"]) + self.rng.normal(0, self.errors.jitter, 3)
            usual = self.usual.get(row["object"], row["phrase"])
            changed = {"phrase": usual, "center": center.tolist(), "status": "auto"}
            rows.append({**row, **changed, "track": self.track[row["object"]]})
        return pa.Table.from_pylist(rows, OBJECTS)

    def _relations(self) -> pa.Table:
        rows = self.truth.table("relations", self.session).to_pylist()
        kinds = sorted({r["predicate"] for r in rows})
        out = []
        for row in rows:
            if row["subject"] in self.track and row["object"] in self.track:
                wrong = len(kinds) > 1 and self.rng.random() < self.errors.relation
                others = [k for k in kinds if k != row["predicate"]]
                said = others[int(self.rng.integers(len(others)))] if wrong else row["predicate"]
                out.append({**row, "predicate": said, "source": "error model"})
        return pa.Table.from_pylist(out, RELATIONS)

    def _captions(self) -> pa.Table:
        rows = []
        for row in self.truth.table("captions", self.session).to_pylist():
            if self.rng.random() < self.errors.caption:
                row = {**row, "text": self._worse(row["text"])}
            rows.append({**row, "source": "error model", "status": "auto"})
        return pa.Table.from_pylist(rows, CAPTIONS)

    def _worse(self, text: str) -> str:
        parts = text.split(", ")
        if len(parts) > 1 and self.rng.random() < 0.5:
            del parts[int(self.rng.integers(len(parts)))]
        else:
            parts.append(f"a {self._another('')}")
        return ", ".join(parts)


def _between(low: float, high: float, share: float) -> float:
    """A rate between two, its odds going evenly; beyond 1 it goes on rising."""
    if low <= 0 or high <= 0:
        return low + (high - low) * min(share, 1.0)
    a, b = np.log(low / (1 - low)), np.log(high / (1 - high))
    return float(1 / (1 + np.exp(-(a + (b - a) * share))))
