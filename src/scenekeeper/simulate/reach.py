"""How a robot arm reaches over what lies on a surface, and puts one thing elsewhere.

In: a home, a duration. Out: a movement of joints, gripper, wrist camera and the moved thing, at
100 Hz. It is planned as legs from rest to rest: straight ways of the hand, each as fast as the
joints allow, and the gripper's opening and closing in between. What would touch anything is not
done.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ScenekeeperError
from scenekeeper.geometry import invert, pose_vector
from scenekeeper.simulate import arm, robot
from scenekeeper.simulate.families import FAMILIES
from scenekeeper.simulate.grasp import Grip, grip, touched
from scenekeeper.simulate.home import Home, Thing
from scenekeeper.simulate.legs import Leg, follow, straight
from scenekeeper.simulate.motion import RATE, Motion, Moving, times
from scenekeeper.simulate.render import Part
from scenekeeper.simulate.spots import Spot, find_spot, taken_by
from scenekeeper.simulate.workplace import Work, workplaces

Float = NDArray[np.float64]

AHEAD = RATE // 10
"""Samples by which a command precedes what the joints then do."""

ELSEWHERE = 0.1
"""Metres that a moved thing ends up away from where it was, at least."""

_HOVER, _LIFT, _CLEAR = 0.15, 0.12, 0.022
"""Metres from which things are looked at, that they are lifted, and above which hands close."""

_NARROW = 0.02
"""Metres between the fingers when they close on nothing."""

_LONG = 15.0
"""Seconds from which on the arm reaches over something else before it moves a thing."""


@dataclass(frozen=True, eq=False)
class _Step:
    """A pose to go to, and the opening of the gripper once it is there."""

    T_world_hand: Float
    opening: float = robot.WIDEST
    holds: bool = False


@dataclass(frozen=True, eq=False)
class _Plan:
    """What the arm does: legs, and the thing that it moves, as it was and as it ends."""

    work: Work
    legs: tuple[Leg, ...]
    before: Thing | None = None
    after: Thing | None = None

    @property
    def seconds(self) -> float:
        return sum(leg.seconds for leg in self.legs)


def reach(home: Home, seconds: float, rng: np.random.Generator) -> Motion:
    """An arm beside the surface that carries most reaches over several things and moves one.

    Over each it hovers, approaches, closes its gripper, lifts it a little and retreats. One thing
    is picked up and put down elsewhere on the surface, if there is time for it and anything that
    the gripper can take. Joints are the arm's and the gripper's opening; actions are the same,
    100 ms ahead.

    Raises:
        ScenekeeperError: nowhere in the home can the arm stand and reach anything.
    """
    best: _Plan | None = None
    for work in workplaces(home, rng):
        plan = _plan(work, seconds, rng)
        if plan is not None and (best is None or plan.after or plan.seconds > best.seconds):
            best = plan
        if best is not None and best.after is not None:
            break
    if best is None:
        raise ScenekeeperError(
            f"in home {home.seed} an arm can stand nowhere beside a surface",
            remedy="Choose another seed, other rooms, or another path.",
        )
    return _motion(best, seconds)


# --- what to do -----------------------------------------------------------------------------------


def _plan(work: Work, seconds: float, rng: np.random.Generator) -> _Plan | None:
    """As many visits of things as there is time for; ``None`` when nothing is within reach."""
    q = _start(work)
    if q is None:
        return None
    plan, grips = _Plan(work, ()), _grips(work, rng)
    first = 1 if seconds > _LONG else 0
    within: list[Grip] = []
    for g in [*grips[:first], None, *grips[first:]]:
        longer = _touch(plan, q, g) if g is not None else _pick(plan, q, grips, rng)
        if longer is None or (g is None and longer.seconds > seconds):
            continue
        if longer.seconds > seconds:
            return plan if plan.legs else longer  # the first is cut
        plan, q = longer, longer.legs[-1].q[-1]
        within += [g] if g is not None else []
    within = [g for g in within if g.thing is None or g.thing is not plan.before]
    for g in itertools.cycle(within):  # again, until the time is over
        longer = _touch(plan, q, g)
        if longer is None or longer.seconds > seconds:
            break
        plan, q = longer, longer.legs[-1].q[-1]
    return plan if plan.legs else None


def _start(work: Work) -> Float | None:
    """Joints that look at the surface from above."""
    middle = work.T_world_base[:3, 3] + 0.5 * work.T_world_base[:3, 0]
    middle[2] = work.z
    for rise in (0.3, 0.36, 0.24, 0.42):
        T = work.hover(middle, work.facing(work.T_world_base[:3, 1], middle), rise)
        q = arm.solve(work.flange(T), arm.REST)
        if q is not None and not touched(work.hull, work.T_world_base, q[None], robot.WIDEST):
            return q
    return None


def _grips(work: Work, rng: np.random.Generator) -> list[Grip]:
    """How to take each thing within reach, in random order; points of the surface without any."""
    things = [t for t in work.carried() if work.reaches(t.center)]
    if things:
        return [grip(things[int(k)]) for k in rng.permutation(len(things))]
    out = []
    for _ in range(12):
        along, side = rng.uniform(0.4, 0.65), rng.uniform(-0.25, 0.25)
        point = work.T_world_base[:3] @ np.array([along, side, 0, 1])
        point[2] = work.z
        out.append(Grip(None, point, point, work.T_world_base[:3, 1], np.inf))
    return out


def _touch(plan: _Plan, q: Float, over: Grip) -> _Plan | None:
    """Reach over a thing without taking it."""
    if over.thing is not None and over.thing is plan.before:
        return None  # it is not there any more
    work, across = plan.work, plan.work.facing(over.across, over.top)
    hover = work.hover(over.top, across, _HOVER)
    low = work.hand(_above(over.top, _CLEAR), across)
    lifted = work.hand(_above(over.top, 0.08), across)
    steps = [_Step(hover), _Step(low, _NARROW), _Step(lifted), _Step(hover)]
    legs = _legs(work, q, steps, None)
    return None if legs is None else replace(plan, legs=(*plan.legs, *legs))


def _pick(plan: _Plan, q: Float, grips: Sequence[Grip], rng: np.random.Generator) -> _Plan | None:
    """Take the first thing that can be taken, and put it elsewhere."""
    for firm in (g for g in grips if g.firm):
        thing = firm.thing
        if thing is None or not _is_loose(plan.work.home, thing):
            continue
        for spot in _spots(plan.work, thing, rng):
            legs = _legs(plan.work, q, _carrying(plan.work, firm, thing, spot), thing)
            if legs is not None:
                after = replace(thing, T_world_thing=spot.T_world_thing)
                rest = [t for t in plan.work.home.things if t is not thing]
                work = replace(plan.work, home=plan.work.home.with_things([*rest, after]))
                return _Plan(work, (*plan.legs, *legs), thing, after)
    return None


def _is_loose(home: Home, thing: Thing) -> bool:
    """Whether it can be taken alone: nothing is on it, and it is no living hand."""
    loaded = any(t.carrier == thing.id for t in home.things)
    return thing.family.mobility == "movable" and not loaded and thing.family.phrase != "hand"


def _spots(work: Work, thing: Thing, rng: np.random.Generator) -> Iterator[Spot]:
    """A few free places on the same surface."""
    rest = [t for t in work.home.things if t.id != thing.id]
    taken = taken_by(rest)
    found = 0
    for _ in range(30):
        spot = find_spot(
            [work.surface], taken, thing.family, thing.model, rng.uniform(0, 2 * np.pi), rng
        )
        if spot is None or spot.support.kind != "top":
            continue
        there = replace(thing, T_world_thing=spot.T_world_thing).center
        if work.reaches(there) and np.linalg.norm(there - thing.center) > ELSEWHERE:
            found += 1
            yield spot
        if found == 6:
            return


def _carrying(work: Work, hold: Grip, thing: Thing, spot: Spot) -> list[_Step]:
    """Hover, approach, close, lift, carry over, lower, open, retreat."""
    across = work.facing(hold.across, hold.tip)
    T = spot.T_world_thing @ invert(thing.T_world_thing)
    tip, top = T[:3, :3] @ hold.tip + T[:3, 3], T[:3, :3] @ hold.top + T[:3, 3]
    turned = T[:3, :3] @ across
    wide, closed = min(robot.WIDEST, hold.width + 0.045), hold.width + 0.004
    clear = float(hold.top[2] - hold.tip[2]) + 0.05
    return [
        _Step(work.hover(hold.top, across, _HOVER), wide),
        _Step(work.hand(_above(hold.tip, clear), across), wide),
        _Step(work.hand(hold.tip, across), closed),
        _Step(work.hand(_above(hold.tip, _LIFT), across), closed, True),
        _Step(work.hand(_above(tip, _LIFT), turned), closed, True),
        _Step(work.hand(tip, turned), wide, True),
        _Step(work.hand(_above(tip, clear), turned), robot.WIDEST),
        _Step(work.hover(top, turned, _HOVER)),
    ]


def _above(point: Float, metres: float) -> Float:
    return np.array([point[0], point[1], point[2] + metres])


def _legs(work: Work, q: Float, steps: Sequence[_Step], taken: Thing | None) -> list[Leg] | None:
    """The legs from pose to pose; ``None`` when one is out of reach or touches something."""
    legs: list[Leg] = []
    opening, held = robot.WIDEST, None
    for step in steps:
        if step.holds and held is None and taken is not None:
            T_hand_world = invert(_hands(work, q))
            held = replace(taken, T_world_thing=T_hand_world @ taken.T_world_thing)
        way = straight(q, work.flange(step.T_world_hand))
        if way is None or touched(
            work.hull, work.T_world_base, way, opening, taken, held if step.holds else None
        ):
            return None
        legs.append(Leg(way, (opening, opening), step.holds))
        q = way[-1]
        if step.opening != opening:
            legs.append(Leg(np.repeat(q[None], 2, 0), (opening, step.opening), False))
        opening = step.opening
    return legs


# --- the movement ---------------------------------------------------------------------------------


def _motion(plan: _Plan, seconds: float) -> Motion:
    """The legs one after another, slowed to fill the time, or cut."""
    n = round(seconds * RATE) + 1
    durations = np.array([leg.seconds for leg in plan.legs])
    durations *= max(1.0, seconds / float(durations.sum()))
    t = np.arange(n + AHEAD) / RATE
    joints = follow(plan.legs, durations, t)
    names = (*arm.NAMES, "gripper")
    hand = _hands(plan.work, joints[:n, :7])
    look = int(np.random.default_rng([plan.work.home.seed, 11]).integers(1 << 30))
    carried, moved = _carried_along(plan, hand, t[:n], np.cumsum(durations))
    return Motion(
        times(n),
        np.array([pose_vector(T) for T in hand @ robot.T_HAND_CAMERA]),
        joints[:n],
        names,
        joints[AHEAD:],
        names,
        (*carried, *robot.bodies(plan.work.T_world_base, joints[:n], look)),
        (*moved, _gripper(plan, hand[-1], float(joints[n - 1, 7]), look)),
    )


def _carried_along(
    plan: _Plan, hand: Float, t: Float, ends: Float
) -> tuple[tuple[Moving, ...], tuple[Thing, ...]]:
    """The moved thing's poses, and the thing as it ends."""
    if plan.before is None or plan.after is None:
        return (), ()
    held = [k for k, leg in enumerate(plan.legs) if leg.holds]
    start, stop = ends[held[0] - 1], ends[held[-1]]
    thing = plan.before
    taken = _hands(plan.work, plan.legs[held[0]].q[0])
    given = _hands(plan.work, plan.legs[held[-1]].q[-1])
    T_hand_thing = invert(taken) @ thing.T_world_thing
    poses = hand @ T_hand_thing
    poses[t <= start] = thing.T_world_thing
    poses[t >= stop] = given @ T_hand_thing
    part = Part(thing.id, thing.model, thing.T_world_thing, look=thing.look)
    return (Moving(part, poses),), (replace(plan.after, T_world_thing=poses[-1]),)


def _hands(work: Work, q: Float) -> Float:
    """``T_world_hand`` ``[..., 4, 4]`` by joints ``[..., 7]``."""
    return np.asarray(work.T_world_base @ arm.flange(q) @ robot.T_FLANGE_HAND, np.float64)


def _gripper(plan: _Plan, T_world_hand: Float, opening: float, look: int) -> Thing:
    """The robot's gripper as a thing, where it ends."""
    return Thing(
        robot.GRIPPER,
        FAMILIES["gripper"],
        robot.gripper(look, opening),
        T_world_hand,
        None,
        "attached",
        plan.work.surface.room,
        look,
    )
