"""Belief in objects is F1 5 points above "seen three times"; names and places are calibrated.

Claim: with misses of 15 to 25 % and a tenth of the detections hallucinated, existence as log-odds
tells real objects from ghosts at least 5 points of F1 better than the rule of ConceptGraphs'
published configuration (``obj_min_detections = 3``). Posteriors of names have an expected
calibration error of at most .05 under the error model of :mod:`scenekeeper.evaluate.mislabel`, and
stated 95 % intervals of positions hold in 90 to 98 % of cases. All of it is simulated, by
generators that do not share the models' formulas; the parameters were chosen on other seeds (100
to 111). Half of the ghosts are seen once and many never looked at again: there the score alone
speaks, so the gain is largest where ghosts stay or the walk is short. The
whole table, with the conditions under which a claim does not hold, goes to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.confused_names import Confusions, Named, calibration_error, named
from benchmarks.doubtful_rooms import SAMPLES, Doubt, Walk, walk
from benchmarks.harness import Result
from benchmarks.placed_things import FOCAL, Seen, Views, thing
from scenekeeper.world import existence, names, position

Float = NDArray[np.float64]

WALKS, OTHER_WALKS = range(200, 224), range(200, 206)
COUNTS = (1, 2, 3, 5)
ROOMS: Mapping[str, Doubt] = {
    "misses 15 %": Doubt(miss=0.15),
    "misses 20 %": Doubt(),
    "misses 25 %": Doubt(miss=0.25),
    "ghosts 3 %": Doubt(ghosts=0.03),
    "ghosts 20 %": Doubt(ghosts=0.2),
    "ghosts that stay 1.5 s": Doubt(lasting=1.5),
    "sticky ghosts in 40 %": Doubt(sticky=0.4),
    "30 Hz, ghosts stay 1 s": Doubt(hertz=30, lasting=1.0, seconds=20),
    "scores say nothing": Doubt(informed=False),
    "scores overconfident": Doubt(overconfidence=2.5),
    "15 seconds": Doubt(seconds=15),
}
CLAIMED = ("misses 15 %", "misses 20 %", "misses 25 %")

NAMED: Mapping[str, Confusions] = {
    "usual": Confusions(),
    "usual, with scores": Confusions(scored=True),
    "few errors": Confusions(confuse=0.02, flicker=0.01, foreign=0.01),
    "poor": Confusions(confuse=0.2, flicker=0.12),
    "poor, scores overconfident": Confusions(0.2, 0.12, scored=True, overconfidence=1.8),
    "sessions err alike": Confusions(repeat=1.0),
    "sessions err apart": Confusions(repeat=0.0),
    "15 % foreign": Confusions(foreign=0.15),
}
REVIEWED = 300

PLACED: Mapping[str, Views] = {
    "usual": Views(),
    "one view": Views(views=1),
    "from one side": Views(arc=0.5),
    "all around": Views(arc=6.2, views=60),
    "3 sessions": Views(sessions=3),
    "poses better than stated": Views(pose_shift=0.005, pose_turn=0.002),
    "poses worse than stated": Views(pose_shift=0.015, pose_turn=0.0075),
}
THINGS = 120


def run() -> Result:
    rooms = {
        name: _existence(doubt, WALKS if name in CLAIMED else OTHER_WALKS)
        for name, doubt in ROOMS.items()
    }
    called = {name: _names(rates) for name, rates in NAMED.items()}
    placed = {name: _coverage(views) for name, views in PLACED.items()}
    print("\n".join(_table(rooms, called, placed)), file=sys.stderr, flush=True)
    ours = float(np.mean([rooms[name].ours for name in CLAIMED]))
    rules = np.mean([rooms[name].rules for name in CLAIMED], 0)
    rule = float(rules[COUNTS.index(3)])
    gains = np.mean([rooms[name].gains for name in CLAIMED], 0)
    return Result(
        name="world_belief",
        input=f"{len(WALKS)} simulated walks of 40 s at 4 Hz for each of misses 15, 20 and 25 %,"
        " 10 % of detections hallucinated, half of them sticky (25 % of views)",
        unit="% F1",
        ours=ours,
        peer=rule,
        peer_name='"seen three times"',
        target=rule + 5,
        target_of="ours",
        better="more",
        further={
            "better than the rule under every condition": all(
                room.gains.mean() > 0 for room in rooms.values()
            ),
            "usual names: ECE at most .05 without review": called["usual"].assumed <= 0.05,
            "usual names: ECE at most .05 after review": called["usual"].learned <= 0.05,
            "usual places: 95 % intervals hold in 90 to 98 %": _holds(placed["usual"]),
            "one-sided places: they do": _holds(placed["from one side"]),
        },
        note=f"{gains.mean():.1f} points above the rule, standard error"
        f" {gains.std(ddof=1) / np.sqrt(len(gains)):.1f}; the best of the counts {COUNTS} in"
        f" hindsight {rules.max():.1f}; ECE {called['usual'].assumed:.3f} without review,"
        f" {called['usual'].learned:.3f} after, {called['usual'].naive:.3f} if views were"
        f" independent; intervals hold in {placed['usual']:.1%}",
    )


def _holds(share: float) -> bool:
    return 0.90 <= share <= 0.98


# --- existence ------------------------------------------------------------------------------------


class Existing(NamedTuple):
    """Percent F1 of each rule in :data:`COUNTS` and of belief; its precision and recall.

    ``gains`` are belief's points above "seen three times", walk by walk.
    """

    gains: Float
    rules: Float
    ours: float
    precision: float
    recall: float


def _existence(doubt: Doubt, walks: range) -> Existing:
    rows = []
    for seed in walks:
        seen = walk(doubt, seed)
        views = seen.matched.sum(0)
        believed = existence_log_odds(seen, keyframes=round(doubt.hertz)) > 0
        rules = [_f1(views >= n, seen.real) for n in COUNTS]
        precision = seen.real[believed].mean()
        rows.append((*rules, _f1(believed, seen.real), precision, believed[seen.real].mean()))
    table, n = 100 * np.array(rows), len(COUNTS)
    mean = table.mean(0)
    gains = table[:, n] - table[:, COUNTS.index(3)]
    return Existing(gains, mean[:n], *map(float, mean[n:]))


def existence_log_odds(seen: Walk, keyframes: int) -> Float:
    """Log-odds ``[N]`` after a walk, frame by frame.

    An object is asked for from the frame that proposes it; what earlier frames say is known of
    every n-th, the keyframes, and only where its surface was seen.
    """
    config = existence.ExistenceConfig()
    n = len(seen.real)
    state = existence.Existence.new(existence.proposed(n, config))
    total, proposed = np.full(n, SAMPLES), np.zeros(n, np.bool_)
    for frame, (matched, hit, through, side_px, towards, score) in enumerate(
        zip(*(getattr(seen, f) for f in _BY_FRAME), strict=True)
    ):
        proposed |= matched
        verdict = existence.judge(matched, hit, through, total, side_px, config)
        before = (verdict == existence.MISSED) & (frame % keyframes == 0)
        k = np.flatnonzero(np.where(proposed, verdict != existence.NOTHING, before))
        visible = (hit[k] + through[k]) / SAMPLES
        state = existence.observe(
            state, k, verdict[k], towards[k], side_px[k], visible, score[k], config
        )
    return existence.log_odds(state, config)


_BY_FRAME = ("matched", "hit", "through", "side_px", "towards", "score")


def _f1(said: NDArray[np.bool_], real: NDArray[np.bool_]) -> float:
    return float(2 * (said & real).sum() / max(said.sum() + real.sum(), 1))


# --- names ----------------------------------------------------------------------------------------


class Calibrated(NamedTuple):
    """ECE with assumed and with learned confusions, and if views were independent; accuracy."""

    assumed: float
    learned: float
    naive: float
    accuracy: float


def _names(rates: Confusions) -> Calibrated:
    rows = []
    for seed in range(2):
        test, reviewed = named(rates, 1500, seed), named(rates, REVIEWED, 1000 + seed)
        assumed = names.Confusion.assumed(rates.classes)
        taught, config = learned_names(reviewed, assumed)
        usual, naive = names.NamesConfig(), names.NamesConfig(0, 0)
        error, accuracy, _ = calibration_error(posterior(test, taught, config), test.truth)
        plain = calibration_error(posterior(test, assumed, usual), test.truth)[0]
        product = calibration_error(posterior(test, assumed, naive), test.truth)[0]
        rows.append((plain, error, product, accuracy))
    return Calibrated(*map(float, np.mean(rows, 0)))


def learned_names(
    reviewed: Named, assumed: names.Confusion
) -> tuple[names.Confusion, names.NamesConfig]:
    """Confusions from the first word of each reviewed object, discounts from all of them."""
    first = np.unique(reviewed.object, return_index=True)[1]
    taught = assumed.learned(reviewed.truth, reviewed.said[first])
    return taught, names.learned([votes(reviewed, taught)], reviewed.truth, names.NamesConfig())


def posterior(views: Named, confusion: names.Confusion, config: names.NamesConfig) -> Float:
    """Posteriors ``[N, C + 1]`` of all objects."""
    return names.posterior([votes(views, confusion)], len(views.truth), config)


def votes(views: Named, confusion: names.Confusion) -> names.Votes:
    """The views as votes of one sensor."""
    said = names.of_words(views.said, confusion, views.score)
    return names.Votes(views.object, views.track, said)


# --- places ---------------------------------------------------------------------------------------


def _coverage(views: Views) -> float:
    """Share of axes on which the true centre lies within the stated 95 % interval."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(THINGS):
        seen = thing(views, rng)
        box = place(seen)
        off = np.abs(box.center - seen.center)
        inside.append(off <= 1.96 * np.sqrt(np.diag(box.covariance)))
    return float(np.mean(inside))


def place(seen: Seen) -> position.Boxed:
    """The box of one thing from all its sessions, the percentiles 1 to 99 of its points."""
    config = position.PositionConfig()
    placed = None
    for views in seen.sessions:
        state = position.Positions.new(1)
        for camera, points in views:
            middle = points.mean(0)[None]
            state = position.observe(state, np.zeros(1, np.int64), middle, camera, FOCAL, config)
        one = position.session_estimate(state, config)
        placed = one if placed is None else position.combine(placed, one)
    assert placed is not None
    every = [view for views in seen.sessions for view in views]
    low, high = np.percentile(np.concatenate([points for _, points in every]), (1, 99), axis=0)
    middle = (low + high) / 2
    towards = np.array([camera for camera, _ in every]) - middle
    noise = placed.covariance[0]
    return position.box_estimate(middle, high - low, np.eye(3), towards, noise, config)


# --- the table ------------------------------------------------------------------------------------


def _table(
    rooms: Mapping[str, Existing], called: Mapping[str, Calibrated], placed: Mapping[str, float]
) -> Iterator[str]:
    yield f"existence, % F1{'':14}" + "".join(f" seen>={n}" for n in COUNTS) + "   ours  (P, R)"
    for name, room in rooms.items():
        rules = "".join(f"{value:8.1f}" for value in room.rules)
        yield f"  {name:26}{rules}{room.ours:7.1f}  ({room.precision:.1f}, {room.recall:.1f})"
    yield f"names, ECE{'':20}assumed  reviewed  independent  accuracy"
    for name, c in called.items():
        yield f"  {name:28}{c.assumed:7.3f}{c.learned:10.3f}{c.naive:13.3f}{c.accuracy:10.3f}"
    yield "places, share of stated 95 % intervals that hold"
    for name, share in placed.items():
        yield f"  {name:28}{share:7.3f}"
