"""What people do to a home between two visits of the robot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scenekeeper.simulate.families import FAMILIES, Family
from scenekeeper.simulate.home import Home, Thing, is_open
from scenekeeper.simulate.spots import find_spot, taken_by

ChangeKind = Literal["moved", "taken", "added", "swapped", "opened"]
CHANGE_KINDS: tuple[ChangeKind, ...] = ("moved", "taken", "added", "swapped", "opened")

FAR = 0.3
"""Metres that a moved thing ends up away from where it was, at least."""


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was.

    Attributes:
        kind: ``moved`` elsewhere, ``taken`` away, ``added``, ``swapped`` for a look-alike that is
            another thing, or ``opened``.
        thing: id of the thing before; for ``added``, after.
        new_thing: id of what stands there now, when that is another thing.
    """

    kind: ChangeKind
    thing: int
    new_thing: int | None = None


def change(
    home: Home, kinds: tuple[ChangeKind, ...], rng: np.random.Generator
) -> tuple[Home, tuple[Change, ...]]:
    """Do one thing of each wanted kind, each to another thing.

    What nothing suitable is there for (nothing that opens, no free place) is left undone.

    Returns:
        The home afterwards, and what was done.
    """
    done: list[Change] = []
    touched: set[int] = set()
    for kind in kinds:
        made = _DO[kind](home, touched, rng)
        if made is None:
            continue
        home, one = made
        done.append(one)
        touched |= {one.thing} | ({one.new_thing} if one.new_thing is not None else set())
    return home, tuple(done)


Made = tuple[Home, Change] | None


def _loose(home: Home, touched: set[int]) -> list[Thing]:
    """Small things that carry nothing and that nobody has touched yet."""
    loaded = {t.carrier for t in home.things}
    return [
        t
        for t in home.things
        if t.family.mobility == "movable"
        and t.carrier is not None
        and t.id not in loaded
        and t.id not in touched
    ]


def _shuffled(things: list[Thing], rng: np.random.Generator) -> Iterator[Thing]:
    return (things[int(k)] for k in rng.permutation(len(things)))


def _move(home: Home, touched: set[int], rng: np.random.Generator) -> Made:
    for thing in _shuffled(_loose(home, touched), rng):
        rest = [t for t in home.things if t.id != thing.id]
        yaw = rng.uniform(0, 2 * np.pi)
        spot = find_spot(rest, taken_by(rest), thing.family, thing.model, yaw, rng)
        if spot is None:
            continue
        there = replace(
            thing,
            T_world_thing=spot.T_world_thing,
            carrier=spot.carrier,
            carried=spot.how,
            room=home.thing(spot.carrier).room,
        )
        if np.linalg.norm(there.center - thing.center) > FAR:
            return home.with_things([*rest, there]), Change("moved", thing.id)
    return None


def _take(home: Home, touched: set[int], rng: np.random.Generator) -> Made:
    for thing in _shuffled(_loose(home, touched), rng):
        rest = [t for t in home.things if t.id != thing.id]
        return home.with_things(rest), Change("taken", thing.id)
    return None


def _add(home: Home, touched: set[int], rng: np.random.Generator) -> Made:
    rooms = {r.kind for r in home.rooms}
    families = [f for f in FAMILIES.values() if "surface" in f.where and rooms & f.rooms]
    for k in rng.permutation(len(families)):
        family = families[int(k)]
        look = _closed_look(family, rng)
        model = family.build(np.random.default_rng([look, 2]))
        yaw = rng.uniform(0, 2 * np.pi)
        spot = find_spot(home.things, taken_by(home.things), family, model, yaw, rng)
        if spot is None:
            continue
        new = Thing(
            _next_id(home, touched),
            family,
            model,
            spot.T_world_thing,
            spot.carrier,
            spot.how,
            home.thing(spot.carrier).room,
            look,
        )
        return home.with_things([*home.things, new]), Change("added", new.id)
    return None


def _swap(home: Home, touched: set[int], rng: np.random.Generator) -> Made:
    for thing in _shuffled(_loose(home, touched), rng):
        look = _closed_look(thing.family, rng)
        model = thing.family.build(np.random.default_rng([look, 2]))
        new = replace(thing, id=_next_id(home, touched), look=look, model=model)
        rest = [t for t in home.things if t.id != thing.id]
        return home.with_things([*rest, new]), Change("swapped", thing.id, new.id)
    return None


def _open(home: Home, touched: set[int], rng: np.random.Generator) -> Made:
    closed = [
        t
        for t in home.things
        if t.family.build_opened is not None and not t.opened and t.id not in touched
    ]
    for thing in _shuffled(closed, rng):
        assert thing.family.build_opened is not None
        model = thing.family.build_opened(np.random.default_rng([thing.look, 2]))
        rest = [t for t in home.things if t.id != thing.id]
        opened = replace(thing, model=model, opened=True)
        return home.with_things([*rest, opened]), Change("opened", thing.id)
    return None


def _closed_look(family: Family, rng: np.random.Generator) -> int:
    """A new look that is not found open."""
    while is_open(family, look := int(rng.integers(1 << 30))):
        pass
    return look


def _next_id(home: Home, touched: set[int]) -> int:
    """An id that nothing ever had, not even what was taken away in the same visit."""
    return max([home.last_id, *(t.id for t in home.things), *touched]) + 1


_DO: dict[ChangeKind, Callable[[Home, set[int], np.random.Generator], Made]] = {
    "moved": _move,
    "taken": _take,
    "added": _add,
    "swapped": _swap,
    "opened": _open,
}
