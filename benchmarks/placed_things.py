"""Things of many shapes, seen in part through noisy depth and poses, to try stated errors on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

FOCAL = 525.0


@dataclass(frozen=True)
class Views:
    """How things are looked at.

    Attributes:
        arc: radians of azimuth that a session's views span.
        views: most views of a session.
        sessions: number of sessions.
        pose_shift: standard deviation of a session's position error, metres.
        pose_turn: of its heading, radians.
        jitter: of single poses, metres.
    """

    arc: float = 2.0
    views: int = 30
    sessions: int = 1
    pose_shift: float = 0.01
    pose_turn: float = 0.005
    jitter: float = 0.005


@dataclass(frozen=True, eq=False)
class Seen:
    """One thing, in the axes of its own box, which are the world's.

    Attributes:
        center: ``[3]`` true middle of the box.
        extent: ``[3]`` true.
        sessions: per session, per view: camera ``[3]`` and points ``[P, 3]`` as measured.
    """

    center: Float
    extent: Float
    sessions: list[list[tuple[Float, Float]]]


def thing(views: Views, rng: np.random.Generator) -> Seen:
    """A box, cylinder or ellipsoid of random proportions at a random place."""
    center = np.append(rng.uniform(-1, 1, 2), rng.uniform(0.3, 1.0))
    extent = np.clip(rng.lognormal(np.log(0.2), 0.5) * rng.lognormal(0, 0.35, 3), 0.05, 1.2)
    surface, normal = _surface(int(rng.integers(3)), extent, rng)
    sessions = []
    for _ in range(views.sessions):
        shift = rng.normal(0, views.pose_shift, 3)
        turn = rng.normal(0, views.pose_turn)
        start, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 2.5)
        taken = []
        for k in range(int(rng.integers(1, views.views + 1))):
            azimuth = start + views.arc * k / views.views
            away = distance * np.exp(rng.normal(0, 0.1))
            camera = center + away * np.array((np.cos(azimuth), np.sin(azimuth), 0.35))
            points = _measured(center + surface, normal, camera, rng)
            error = shift + rng.normal(0, views.jitter, 3)
            level = points - camera
            turned = np.stack((-level[:, 1], level[:, 0], 0 * level[:, 0]), 1) * turn
            taken.append((camera + error, points + turned + error))
        sessions.append(taken)
    return Seen(center, extent, sessions)


def _surface(shape: int, extent: Float, rng: np.random.Generator) -> tuple[Float, Float]:
    """Points ``[P, 3]`` and normals of a box, an upright cylinder or an ellipsoid."""
    half = extent / 2
    if shape == 2:
        unit = rng.standard_normal((900, 3))
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        normal = unit / half
        return unit * half, normal / np.linalg.norm(normal, axis=1, keepdims=True)
    if shape == 1:
        angle, z = rng.uniform(0, 2 * np.pi, 900), rng.uniform(-1, 1, 900)
        side = np.stack((np.cos(angle), np.sin(angle), z), 1)
        normal = np.stack((np.cos(angle) / half[0], np.sin(angle) / half[1], 0 * z), 1)
        lid = rng.random(900) < 0.3
        r = np.sqrt(rng.random(900))
        side[lid] = np.stack((r * np.cos(angle), r * np.sin(angle), np.ones(900)), 1)[lid]
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        normal[lid] = (0, 0, 1)
        return side * half, normal
    points = rng.uniform(-1, 1, (900, 3))
    axis = rng.integers(0, 3, 900)
    sign = rng.choice((-1.0, 1.0), 900)
    points[np.arange(900), axis] = sign
    normal = np.zeros((900, 3))
    normal[np.arange(900), axis] = sign
    return points * half, normal


def _measured(points: Float, normal: Float, camera: Float, rng: np.random.Generator) -> Float:
    """Points whose surface faces the camera, with depth noise, half of it common to the view."""
    sight = points - camera
    distance = np.linalg.norm(sight, axis=1)
    ray = sight / distance[:, None]
    seen = (normal * ray).sum(1) < -0.15
    d, ray = distance[seen], ray[seen]
    noise = 0.003 * d**2 * (0.7 * rng.normal() + 0.7 * rng.standard_normal(len(d)))
    lateral = rng.normal(0, 1.0, 3) * d.mean() / FOCAL
    measured: Float = points[seen] + ray * noise[:, None] + lateral
    return measured
