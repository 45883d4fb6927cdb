"""What the next labelling should do otherwise: thresholds, synonyms, new words, words to discard.

In: the trust model and what people decided. Out: proposals as a TOML file in which a person accepts
each or leaves it; what is accepted goes into the dataset's vocabulary, which the next run reads.
Nothing is changed without that.
"""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from scenekeeper.errors import ReviewError
from scenekeeper.review.events import Decision
from scenekeeper.review.signals import NAMES, SIGNALS
from scenekeeper.review.trust import Trust
from scenekeeper.review.units import Units
from scenekeeper.schema import NO_ID, UNNAMED
from scenekeeper.store import atomic
from scenekeeper.vocabulary import edit_vocabulary, write_vocabulary

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Threshold:
    """A detector's score from which on labels of a phrase are right often enough.

    Attributes:
        phrase: the phrase.
        score: the threshold.
        right: share of the labels above it that is right, by the trust model.
        kept: share of the phrase's right labels that are above it.
        because: in words.
    """

    phrase: str
    score: float
    right: float
    kept: float
    because: str = ""


@dataclass(frozen=True)
class Alias:
    """What the detector finds as ``synonym`` is a ``phrase``."""

    phrase: str
    synonym: str
    because: str = ""


@dataclass(frozen=True)
class Word:
    """A name that people gave and nobody looks for."""

    phrase: str
    because: str = ""


@dataclass(frozen=True)
class Negative:
    """A phrase to look for in order to discard what is found as it: a negative prompt."""

    phrase: str
    because: str = ""


@dataclass(frozen=True)
class Advice:
    """Proposals; each kind is a list of tables of that name in TOML."""

    threshold: tuple[Threshold, ...] = ()
    alias: tuple[Alias, ...] = ()
    word: tuple[Word, ...] = ()
    negative: tuple[Negative, ...] = ()

    def __len__(self) -> int:
        return sum(len(getattr(self, f.name)) for f in fields(self))


@dataclass(frozen=True)
class AdviceConfig:
    """When something is proposed.

    Attributes:
        right: share of right labels that a threshold shall bring.
        tracks: of a phrase, at least, for a threshold of its own.
        reviewed: so many of a phrase must have been looked at for it.
        things: that must have been corrected alike.
        wrong: share of a phrase's labels that must be wrong before it is given up, by the trust
            model: people are mostly shown what is doubtful, so theirs says little of the phrase.
        alike: share of the corrections of a phrase that must say the same.
    """

    right: float = 0.9
    tracks: int = 10
    reviewed: int = 5
    things: int = 3
    wrong: float = 0.7
    alike: float = 0.75


def advise(
    units: Units,
    trust: Trust,
    decisions: Iterable[Decision],
    config: AdviceConfig | None = None,
) -> Advice:
    """Proposals after a review.

    Args:
        units: the tracks.
        trust: fitted on what was decided.
        decisions: all of them, in order; seeded errors and what was undone do not count.
        config: when something is proposed.
    """
    config = config or AdviceConfig()
    right = {phrase: (rows, trust.p(units[rows])) for phrase, rows in _by_phrase(units).items()}
    told = _Told.of(units, decisions)
    given_up = dict(_given_up(units, right, told, config))
    aliases = [a for a in given_up.values() if isinstance(a, Alias)]
    negatives = [a for a in given_up.values() if isinstance(a, Negative)]
    return Advice(
        tuple(_thresholds(units, right, told, config, set(given_up))),
        tuple(aliases),
        tuple(_words(told, set(right), config)),
        tuple(negatives),
    )


# --- what people said -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Told:
    """Per phrase of the machine, the things of which people said what.

    Attributes:
        looked: how many things of it were looked at.
        said: how many were called otherwise, by the other name; ``None`` = there is no such thing.
    """

    looked: Mapping[str, int]
    said: Mapping[str, Counter[str | None]]

    @classmethod
    def of(cls, units: Units, decisions: Iterable[Decision]) -> _Told:
        listed = list(decisions)
        undone = {d.body["of"] for d in listed if d.op == "undo"}
        last: dict[tuple[str, Any], Decision] = {}  # what was said last of a thing counts
        for decision in listed:
            if decision.id not in undone and decision.sample.stream != "gold":
                for key in _things(units, decision):
                    last[key] = decision
        looked: Counter[str] = Counter()
        said: dict[str, Counter[str | None]] = defaultdict(Counter)
        for (phrase, _), decision in last.items():
            looked[phrase] += 1
            if decision.op == "reject":
                said[phrase][None] += 1
            elif decision.op == "relabel" and decision.body["phrase"] != phrase:
                said[phrase][decision.body["phrase"]] += 1
        return cls(looked, said)


def _things(units: Units, decision: Decision) -> Iterator[tuple[str, Any]]:
    """The machine's phrase and the thing that a decision is about; several tracks are one thing."""
    subject = decision.subject
    if decision.op not in ("accept", "reject", "relabel"):
        return
    if subject.kind == "object":
        rows = np.flatnonzero(units.object == subject.id)
    elif subject.kind == "track":
        rows = np.flatnonzero(units.track == subject.id)
        rows = np.array([k for k in rows if units.session[k] == subject.session], np.int64)
    else:
        return
    for k in rows[:1]:
        whole = int(units.object[k])
        thing = whole if whole != NO_ID else (units.session[k], int(units.track[k]))
        yield units.phrase[k], thing


# --- what follows ---------------------------------------------------------------------------------


def _by_phrase(units: Units) -> dict[str, NDArray[np.int64]]:
    phrases = np.array(units.phrase, object)
    return {str(p): np.flatnonzero(phrases == p) for p in np.unique(phrases) if p != UNNAMED}


_Right = Mapping[str, tuple[NDArray[np.int64], Float]]


def _given_up(
    units: Units, right: _Right, told: _Told, config: AdviceConfig
) -> Iterator[tuple[str, Alias | Negative]]:
    """Phrases that are mostly wrong, and always in the same way."""
    for phrase, said in sorted(told.said.items()):
        if phrase not in right:
            continue
        rows, p = right[phrase]
        (most, n), total = said.most_common(1)[0], said.total()
        wrong = 1 - np.average(p, weights=units.frames[rows])
        if n < config.things or n < config.alike * total or wrong < config.wrong:
            continue
        looked = f"{n} of {told.looked[phrase]} things called {phrase!r} that were looked at"
        if most is None:
            yield phrase, Negative(phrase, f"{looked} were nothing of the kind")
        else:
            yield phrase, Alias(most, phrase, f"{looked} were called {most!r}")


def _words(told: _Told, known: set[str], config: AdviceConfig) -> Iterator[Word]:
    """Names that people gave to several things and no machine did."""
    given: Counter[str] = Counter()
    for said in told.said.values():
        given.update({name: n for name, n in said.items() if name is not None})
    for name, n in sorted(given.items()):
        if n >= config.things and name not in known:
            yield Word(name, f"{n} things were given this name")


def _thresholds(
    units: Units, right: _Right, told: _Told, config: AdviceConfig, without: set[str]
) -> Iterator[Threshold]:
    score = _scores(units)
    for phrase, (rows, p) in sorted(right.items()):
        known = np.isfinite(score[rows])
        rows, p = rows[known], p[known]
        enough = len(rows) >= config.tracks and told.looked.get(phrase, 0) >= config.reviewed
        if not enough or phrase in without:
            continue
        found = operating_threshold(score[rows], p, units.frames[rows], config.right)
        if found is not None:
            least, share, kept = found
            because = f"{told.looked[phrase]} of {len(rows)} tracks were looked at"
            yield Threshold(phrase, round(least, 2), round(share, 2), round(kept, 2), because)


def operating_threshold(
    score: Float, p: Float, frames: NDArray[np.int64], right: float
) -> tuple[float, float, float] | None:
    """The lowest score from which on labels are right often enough.

    Args:
        score: ``[N]`` of tracks.
        p: ``[N]`` probability that a label of each is right.
        frames: ``[N]`` labels of each.
        right: share of labels that shall be right.

    Returns:
        The score, the share of labels above it that is right, and the share of all right labels
        that is above it; ``None`` if no score brings it.
    """
    order = np.argsort(-score, kind="stable")
    labels, good = np.cumsum(frames[order]), np.cumsum((p * frames)[order])
    ends = np.append(np.diff(score[order]) != 0, True)  # tracks of one score go together
    reach = np.flatnonzero((good >= right * labels) & ends)
    if not len(reach):
        return None
    k = reach[-1]
    return float(score[order[k]]), float(good[k] / labels[k]), float(good[k] / good[-1])


def _scores(units: Units) -> Float:
    """Mean detector score of each track, read back from its signal; NaN where there is none."""
    if "weak score" not in units.signals:
        return np.full(len(units), np.nan)
    column = units.X[:, units.signals.index("weak score")]
    signal = SIGNALS[NAMES.index("weak score")]
    return np.asarray(expit(-(column * signal.spread + signal.typical)))


# --- the proposal as a file -----------------------------------------------------------------------

_HEAD = """\
# What the next labelling should do otherwise, as the review proposes it. Write accept = true where
# you agree; the rest changes nothing.

"""


def write_advice(advice: Advice, path: Path) -> None:
    """Write proposals, none of them accepted yet."""
    import tomli_w

    tables = {
        kind: [{**asdict(item), "accept": False} for item in getattr(advice, kind)]
        for kind in (f.name for f in fields(advice))
    }
    listed = {kind: items for kind, items in tables.items() if items}
    atomic.write_text(path, _HEAD + tomli_w.dumps(listed, multiline_strings=False))


def read_accepted(path: Path) -> Advice:
    """The proposals that a person accepted.

    Raises:
        ReviewError: the file is missing or holds something else.
    """
    kinds = {"threshold": Threshold, "alias": Alias, "word": Word, "negative": Negative}
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        if odd := set(data) - set(kinds):
            raise ValueError(f"there is no {min(odd)!r}")
        return Advice(**{kind: tuple(_accepted(data, kind, of)) for kind, of in kinds.items()})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ReviewError(
            f"holds no advice ({error})", path=path, remedy="Let it be proposed anew."
        ) from error


def _accepted(data: Mapping[str, Any], kind: str, of: type) -> Iterator[Any]:
    for item in data.get(kind, ()):
        if item.get("accept") is True:
            yield of(**{name: value for name, value in item.items() if name != "accept"})


def apply_advice(advice: Advice, vocabulary: Path, looked_for: Iterable[str] = ()) -> None:
    """Put accepted proposals into a vocabulary; what else it says stays.

    Args:
        advice: from :func:`read_accepted`.
        vocabulary: the TOML file; made if there is none,
        looked_for: then of these words, for the next run looks for what the file says and no more.

    Raises:
        ScenekeeperError: the file is no vocabulary.
    """
    if not vocabulary.exists():
        write_vocabulary(dict.fromkeys(sorted(looked_for), ()), vocabulary)
    edit_vocabulary(
        vocabulary,
        synonyms=[(a.phrase, a.synonym) for a in advice.alias],
        words=[w.phrase for w in advice.word],
        thresholds={t.phrase: t.score for t in advice.threshold},
        negative=[n.phrase for n in advice.negative],
    )
