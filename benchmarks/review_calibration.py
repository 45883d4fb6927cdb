"""After 300 corrections the trust model's probabilities mean what they say, class by class.

Claim: with 300 tracks corrected, the expected calibration error of all other tracks is at most .03
and the class-wise one at most .05: on the synthetic night of ``reviewed_rooms``, whose scores are
on another scale for each phrase, and in simulated rooms with doubtful detections and names. Peer:
the machine's raw scores; Platt scaling and the model without its signals are in the same table,
which goes to standard error. A label of a track is right or wrong with its track, so errors are
over tracks: in 15 bins of as many tracks each, or over phrases with at least 40. The prior was
chosen on other seeds. ``python -m benchmarks.review_calibration LABELLED TRUTH`` gives the table
for labels of homes that are there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.doubtful_tracks import Doubts, doubtful
from benchmarks.harness import Result
from benchmarks.reviewed_rooms import Night, world
from scenekeeper.review.trust import Prior, fit, prior_trust, stand_for_all
from scenekeeper.review.units import Units

Float = NDArray[np.float64]
Int = NDArray[np.int64]

SEEDS = range(200, 206)
CORRECTIONS = (0, 100, 300, 1000)
CLAIMED = 300
NIGHT = Night(things=1500, sessions=150, phrase_scale=0.9)
DOUBTS = Doubts(walks=60)
BINS, ENOUGH = 15, 40
REPAIR = 0.6
"""Share of corrections that went to the worst tracks, in the last row; the others were drawn."""


@dataclass(frozen=True, eq=False)
class Reviewed:
    """Tracks and the share ``[N]`` of right labels of each."""

    units: Units
    right: Float


Method = Callable[[Units, Int, Float], Float]
"""Beliefs ``[N]`` from units, the rows that were corrected and their shares of wrong labels."""


def _raw(units: Units, rows: Int, wrong: Float) -> Float:
    return np.asarray(expit(units.logit))


def _platt(units: Units, rows: Int, wrong: Float) -> Float:
    """Platt scaling is the trust model of one slope, one intercept and no prior to speak of."""
    prior = Prior(0.0, 30.0, 1.0, 30.0, phrase_std=1e-3, size_std=1e-3)
    return fit(_bare(units), rows, wrong, prior=prior).p(_bare(units))


def _without_signals(units: Units, rows: Int, wrong: Float) -> Float:
    return fit(_bare(units), rows, wrong).p(_bare(units))


def _trust(units: Units, rows: Int, wrong: Float) -> Float:
    return fit(units, rows, wrong).p(units)


def _weighted(units: Units, rows: Int, wrong: Float) -> Float:
    weight = stand_for_all(prior_trust().p(units), rows)
    return fit(units, rows, wrong, weight).p(units)


def _bare(units: Units) -> Units:
    return replace(units, signals=(), X=np.zeros((len(units), 0)))


METHODS: Mapping[str, Method] = {
    "raw scores": _raw,
    "Platt": _platt,
    "trust without signals": _without_signals,
    "trust": _trust,
}
PREFERRED = "trust, worst first"


def run() -> Result:
    nights = [_night(seed) for seed in SEEDS]
    rooms = [Reviewed(units, 1 - wrong) for units, wrong in (doubtful(s, DOUBTS) for s in SEEDS)]
    tables = {"synthetic nights": _errors(nights), "simulated rooms": _errors(rooms)}
    print("\n".join(_told(tables)), file=sys.stderr, flush=True)
    night, room = tables.values()
    ours, raw = (night[CLAIMED, name] for name in ("trust", "raw scores"))
    return Result(
        name="review_calibration",
        input=f"{len(nights)} synthetic nights of {np.mean([len(n.units) for n in nights]):,.0f}"
        f" tracks and 40 phrases, {CLAIMED} corrected",
        unit="ECE",
        ours=ours.ece,
        peer=raw.ece,
        peer_name="raw scores",
        target=0.03,
        target_of="ours",
        further={
            "class-wise at most .05": ours.by_class <= 0.05,
            "rooms: ECE at most .03": room[CLAIMED, "trust"].ece <= 0.03,
            "rooms: class-wise at most .05": room[CLAIMED, "trust"].by_class <= 0.05,
            "better than Platt everywhere": all(
                table[n, "trust"].brier < table[n, "Platt"].brier
                for table in tables.values()
                for n in CORRECTIONS[1:]
            ),
            "with 60 % of the corrections on the worst: ECE at most .04": all(
                table[CLAIMED, PREFERRED].ece <= 0.04 for table in tables.values()
            ),
        },
        note=f"class-wise {ours.by_class:.3f} (raw {raw.by_class:.3f}, Platt"
        f" {night[CLAIMED, 'Platt'].by_class:.3f}); {len(rooms)} rooms of doubtful detections:"
        f" ECE {room[CLAIMED, 'trust'].ece:.3f} (raw {room[CLAIMED, 'raw scores'].ece:.3f}, Platt"
        f" {room[CLAIMED, 'Platt'].ece:.3f}), class-wise {room[CLAIMED, 'trust'].by_class:.3f}",
    )


def _night(seed: int) -> Reviewed:
    made = world(seed, NIGHT)
    return Reviewed(made.units, 1 - made.wrong_labels / made.units.frames)


# --- errors ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Errors:
    """Calibration errors over all tracks, by phrase, by size; Brier score."""

    ece: float
    by_class: float
    by_size: float
    brier: float


def _errors(
    worlds: Sequence[Reviewed], draws: int = 1, amounts: Sequence[int] = CORRECTIONS
) -> dict[tuple[int, str], Errors]:
    """Mean errors per number of corrections and method, on tracks that were not corrected."""
    found: dict[tuple[int, str], list[tuple[float, ...]]] = {}
    for k, made in enumerate(worlds):
        for draw in range(draws):
            for n in amounts:
                rng = np.random.default_rng([k, draw, n])
                even = rng.choice(len(made.units), n, replace=False)
                for name, method in METHODS.items():
                    found.setdefault((n, name), []).append(_judged(made, even, method))
                chosen = _worst_first(made.units, n, rng)
                found.setdefault((n, PREFERRED), []).append(_judged(made, chosen, _weighted))
    return {key: Errors(*map(float, np.mean(rows, 0))) for key, rows in found.items()}


def _worst_first(units: Units, n: int, rng: np.random.Generator) -> Int:
    """The tracks with most labels expected to be wrong, and some that were drawn."""
    expected = (1 - prior_trust().p(units)) * units.frames
    worst = np.argsort(-expected)[: round(REPAIR * n)]
    rest = np.setdiff1d(np.arange(len(units)), worst)
    return np.concatenate((worst, rng.choice(rest, n - len(worst), replace=False)))


def _judged(made: Reviewed, rows: Int, method: Method) -> tuple[float, ...]:
    p = method(made.units, rows, 1 - made.right[rows])
    rest = np.setdiff1d(np.arange(len(p)), rows)
    p, right = p[rest], made.right[rest]
    order = np.argsort(p, kind="stable")
    bins = np.empty(len(p), np.int64)
    bins[order] = np.arange(len(p)) * BINS // len(p)
    phrases = np.unique(np.array(made.units.phrase)[rest], return_inverse=True)[1]
    sizes = np.digitize(made.units.size_px[rest], (32, 64, 128))
    brier = float(np.mean((p - right) ** 2))
    return (_gap(p, right, bins, 1), *(_gap(p, right, g, ENOUGH) for g in (phrases, sizes)), brier)


def _gap(p: Float, right: Float, group: Int, enough: int) -> float:
    """Mean over tracks of how far their group's mean belief is from its share of right labels."""
    n = np.bincount(group)
    gap = np.abs(np.bincount(group, p) - np.bincount(group, right))
    counted = n >= enough
    return float(gap[counted].sum() / max(1, n[counted].sum()))


def _told(tables: Mapping[str, Mapping[tuple[int, str], Errors]]) -> Iterator[str]:
    for name, table in tables.items():
        yield f"{name:24} corrected    ECE  by class  by size   Brier"
        for (n, method), e in table.items():
            if n or method in ("raw scores", "trust"):
                yield (
                    f"  {method:22}{n:10}{e.ece:7.3f}{e.by_class:10.3f}{e.by_size:9.3f}"
                    f"{e.brier:8.4f}"
                )


# --- labels that are there ------------------------------------------------------------------------


def reviewed(labelled: Path, truth: Path) -> Reviewed:
    """Tracks of a labelled dataset and how right they are, by its exact truth.

    A label is right if it is on a thing (IoU .5) that is called so. Floor and walls, and tracks of
    nothing but what is too small to count, are left out.
    """
    from scenekeeper.evaluate.pairing import MIN_SIDE, pair, right_names
    from scenekeeper.evaluate.reading import of_dataset
    from scenekeeper.review.signals import units
    from scenekeeper.store import open_dataset

    dataset = open_dataset(labelled)
    paired = pair(of_dataset(open_dataset(truth)), of_dataset(dataset), {}, MIN_SIDE)
    found, tracks = paired.found, units(dataset)
    place = {key: k for k, key in enumerate(zip(tracks.session, tracks.track, strict=True))}
    session = [found.frames[k][0] for k in found.image]
    row = np.array([place.get(key, -1) for key in zip(session, found.track, strict=True)])
    counted = (row >= 0) & (paired.truth_of != -2)
    labels = np.bincount(row[counted], minlength=len(tracks))
    right = np.bincount(row[counted], right_names(paired)[counted], len(tracks))
    kept = labels > 0
    return Reviewed(tracks[kept], right[kept] / labels[kept])


def main(arguments: Sequence[str]) -> None:
    """Print the table for labels and their truth, with 60 % of the tracks corrected at most."""
    made = reviewed(*map(Path, arguments))
    amounts = [n for n in CORRECTIONS if n <= 0.6 * len(made.units)]
    print(f"{len(made.units)} tracks, {made.right.mean():.0%} right")
    print("\n".join(_told({"these labels": _errors([made], draws=20, amounts=amounts)})))


if __name__ == "__main__":
    main(sys.argv[1:])
