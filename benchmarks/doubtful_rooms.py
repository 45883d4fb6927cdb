"""Rooms whose detections are doubtful: real things that are missed, ghosts that come back.

The generator shares no formula with the belief that is measured on it: misses come from an own
curve, a habit of each object, a habit of each side of it and a memory from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

WIDTH, HEIGHT, FOCAL = 640, 480, 525.0
SAMPLES = 48


@dataclass(frozen=True)
class Doubt:
    """How a room is looked at and what goes wrong.

    Attributes:
        miss: mean share of views in which a large real thing is missed.
        ghosts: share of all detections that are hallucinated, half of them sticky.
        hertz: frames per second.
        seconds: length of the walk.
        lasting: seconds that a random ghost stays.
        sticky: share of views in which a sticky ghost is detected.
        memory: seconds after which a miss is half forgotten.
        informed: whether scores tell real things from ghosts at all.
        overconfidence: what the scores' logits are multiplied by; 1 = calibrated.
        things: real things in the room.
    """

    miss: float = 0.2
    ghosts: float = 0.1
    hertz: float = 4.0
    seconds: float = 40.0
    lasting: float = 0.0
    sticky: float = 0.25
    memory: float = 0.5
    informed: bool = True
    overconfidence: float = 1.0
    things: int = 60


@dataclass(frozen=True, eq=False)
class Walk:
    """What T frames show of N objects.

    Attributes:
        real: ``bool [N]`` whether an object is no ghost.
        matched: ``bool [T, N]`` whether it was detected.
        score: ``float64 [T, N]`` probability given to the detection; NaN without one.
        hit: ``int64 [T, N]`` samples on the seen surface.
        through: samples that are seen through.
        side_px: ``float64 [T, N]``; 0 out of view.
        towards: ``float64 [T, N, 3]`` from object to camera.
    """

    real: Bool
    matched: Bool
    score: Float
    hit: NDArray[np.int64]
    through: NDArray[np.int64]
    side_px: Float
    towards: Float


def walk(doubt: Doubt, seed: int) -> Walk:
    """A walk through one room."""
    rng = np.random.default_rng([seed, 77])
    t = np.arange(int(doubt.seconds * doubt.hertz)) / doubt.hertz
    camera, yaw = _path(t, rng)
    real = _look(*_things(doubt.things, rng), camera, yaw, rng)
    found = _detected(real, 1 - doubt.miss, doubt, rng)
    wanted = found.sum() * doubt.ghosts / (1 - doubt.ghosts) / 2
    sticky = _look(*_things(300, rng), camera, yaw, rng)
    back = _detected(sticky, doubt.sticky, doubt, rng)
    some = np.arange(300) < np.searchsorted(np.cumsum(back.sum(0)), wanted)
    once, flash = _flashes(int(wanted), camera, yaw, doubt, rng)
    parts = [real, sticky.of(some), once]
    matched = np.concatenate((found, back[:, some], flash), 1)
    kinds = np.repeat((True, False, False), [p.side_px.shape[1] for p in parts])
    hit, through = _surface(parts, rng)
    created = matched.any(0)
    return Walk(
        kinds[created],
        matched[:, created],
        _scores(matched, kinds, doubt, rng)[:, created],
        hit[:, created],
        through[:, created],
        np.concatenate([p.side_px for p in parts], 1)[:, created],
        np.concatenate([p.towards for p in parts], 1)[:, created],
    )


@dataclass(frozen=True, eq=False)
class _Looks:
    side_px: Float
    visible: Float
    towards: Float

    def of(self, rows: Bool) -> _Looks:
        return _Looks(self.side_px[:, rows], self.visible[:, rows], self.towards[:, rows])


def _path(t: Float, rng: np.random.Generator) -> tuple[Float, Float]:
    """A camera that strolls about a room of 6 x 5 m and looks around: ``[T, 3]``, yaw ``[T]``."""
    a, b, c = rng.uniform(0, 2 * np.pi, 3)
    x = 3 + 1.8 * np.sin(t / 6 + a) + 0.5 * np.sin(t / 2.3 + b)
    y = 2.5 + 1.4 * np.sin(t / 7.1 + b)
    yaw = c + 2.2 * np.sin(t / 5 + c) + t / 9
    return np.stack((x, y, np.full_like(t, 1.2)), 1), yaw


def _things(n: int, rng: np.random.Generator) -> tuple[Float, Float]:
    place = rng.uniform((0, 0, 0.2), (6, 5, 1.6), (n, 3))
    return place, np.clip(rng.lognormal(np.log(0.22), 0.6, n), 0.06, 1.2)


def _look(place: Float, size: Float, camera: Float, yaw: Float, rng: np.random.Generator) -> _Looks:
    """Sizes and visible shares by perspective; what hides a thing depends on the side."""
    towards = camera[:, None] - place
    forward = np.stack((np.cos(yaw), np.sin(yaw)), 1)
    z = -(towards[..., :2] * forward[:, None]).sum(-1)
    x = towards[..., 0] * forward[:, None, 1] - towards[..., 1] * forward[:, None, 0]
    depth = np.maximum(z, 0.3)
    inside = (z > 0.4) & (z < 4) & (np.abs(x / depth) < WIDTH / 2 / FOCAL)
    inside &= np.abs(towards[..., 2] / depth) < HEIGHT / 2 / FOCAL
    azimuth = np.arctan2(towards[..., 1], towards[..., 0])
    hidden = _habit(azimuth, rng)
    visible = np.where(inside, np.clip(0.75 + 0.45 * hidden, 0, 1), 0)
    return _Looks(np.where(inside, size * FOCAL / depth, 0), visible, towards)


def _habit(azimuth: Float, rng: np.random.Generator) -> Float:
    """A smooth random function, of unit variance, of the side that each object is seen from."""
    n = azimuth.shape[1]
    out = np.zeros_like(azimuth)
    for k in range(1, 4):
        out += rng.normal(0, 1, n) * np.cos(k * azimuth) + rng.normal(0, 1, n) * np.sin(k * azimuth)
    return out / np.sqrt(3)


def _detected(looks: _Looks, rate: float, doubt: Doubt, rng: np.random.Generator) -> Bool:
    """Who is detected when: by size, by what hides it, by habit, and much as a moment ago."""
    from scipy.special import ndtr

    own = rng.beta(10 * rate, 10 * (1 - rate), looks.side_px.shape[1])
    large = ndtr((np.log(np.maximum(looks.side_px, 1)) - np.log(14)) / 0.5)
    chance = own * large * np.clip(1.3 * looks.visible, 0, 1)
    azimuth = np.arctan2(looks.towards[..., 1], looks.towards[..., 0])
    keep = 0.5 ** (1 / (doubt.memory * doubt.hertz))
    noise = rng.standard_normal(chance.shape)
    for k in range(1, len(noise)):
        noise[k] = keep * noise[k - 1] + np.sqrt(1 - keep**2) * noise[k]
    u = ndtr(np.sqrt(0.7) * noise + np.sqrt(0.3) * _habit(azimuth, rng))
    return (u < chance) & (looks.side_px > 8)


def _flashes(
    n: int, camera: Float, yaw: Float, doubt: Doubt, rng: np.random.Generator
) -> tuple[_Looks, Bool]:
    """About n detections of ghosts that appear at one time and place, stay a little, and go."""
    stay = max(1, round(doubt.lasting * doubt.hertz))
    place, size = _things(40 * max(n, 1) // stay + 40, rng)
    looks = _look(place, size, camera, yaw, rng)
    born = rng.integers(0, len(camera), len(place))
    t = np.arange(len(camera))[:, None]
    seen = (t >= born) & (t < born + stay) & (looks.visible > 0.3) & (looks.side_px > 16)
    some = np.flatnonzero(seen.any(0))
    some = some[: np.searchsorted(np.cumsum(seen[:, some].sum(0)), n)]
    again = (rng.random(seen.shape) < 0.01) & (looks.visible > 0.3) & (t > born)
    rows = np.isin(np.arange(len(place)), some)
    return looks.of(rows), (seen | again)[:, rows]


def _surface(
    parts: list[_Looks], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Samples hit and seen through: some ghosts float in the air, some things are of glass."""
    hits, throughs = [], []
    for share, looks in zip((0.03, 0.3, 0.3), parts, strict=True):
        n = looks.side_px.shape[1]
        floats = np.where(rng.random(n) < share, rng.uniform(0.5, 1, n), rng.beta(1, 20, n))
        tested = rng.binomial(SAMPLES, looks.visible)
        through = rng.binomial(tested, np.broadcast_to(floats, tested.shape))
        hits.append(tested - through)
        throughs.append(through)
    return np.concatenate(hits, 1), np.concatenate(throughs, 1)


def _scores(matched: Bool, real: Bool, doubt: Doubt, rng: np.random.Generator) -> Float:
    """Calibrated scores, half of whose noise belongs to the object; then overconfidence."""
    apart = 1.5 if doubt.informed else 0.0
    own = rng.normal(0, np.sqrt(0.5), len(real))
    raw = np.where(real, apart / 2, -apart / 2) + own + rng.normal(0, np.sqrt(0.5), matched.shape)
    share = 1 - doubt.ghosts
    logit = apart * raw + np.log(share / (1 - share))
    p = 1 / (1 + np.exp(-doubt.overconfidence * logit))
    return np.where(matched, p, np.nan)
