"""Evidence and sessions made by hand, to remember."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenekeeper.world.evidence import Evidence, SessionEvidence
from scenekeeper.world.memory import Memory, Place
from scenekeeper.world.visibility import Keyframe

DAY = 86400 * 10**9
HOUR = 3600 * 10**9


def evidence(track: int = 0, **more: Any) -> Evidence:
    """A thing that one session shows well."""
    known: dict[str, Any] = {
        "kind": "thing",
        "names": {"mug": 0.9},
        "existence": 0.95,
        "center": np.array([1.0, 2.0, 0.5]),
        "extent": np.array([0.1, 0.1, 0.1]),
        "R_world_box": np.eye(3),
        "position_std": np.full(3, 0.01),
        "cells": np.arange(10 * track, 10 * track + 8),
        "rgb": np.array([200, 10, 10], np.uint8),
        "colors": {"red": 1.0},
        "frames": 5,
        "first_t_ns": 1,
        "last_t_ns": 2,
        "views": (3, 1),
    }
    return Evidence(track=track, **known | more)


def session(name: str, t_ns: int = 0, run: str = "a", **more: Any) -> SessionEvidence:
    """A session of an hour with one keyframe."""
    depth = np.full((3, 4), 1500, np.uint16)
    known: dict[str, Any] = {
        "up": np.array([0.0, 0.0, 1.0]),
        "things": (),
        "surface": np.array([[0, 0, 1], [0, 1, 1]], np.float32),
        "keyframes": (Keyframe(depth, np.eye(3), np.eye(4)),),
        "keyframe_ids": (7,),
    }
    return SessionEvidence(
        session=name, run=run, first_t_ns=t_ns, last_t_ns=t_ns + HOUR, **known | more
    )


def place(e: SessionEvidence, number: int = 0, **more: Any) -> Place:
    """Where it lies: in the frame of its place."""
    known: dict[str, Any] = {"T_place_session": np.eye(4), "how": "first", "reason": "So it is."}
    return Place(e.session, e.run, e.first_t_ns, e.last_t_ns, number, up=e.up, **known | more)


def visit(memory: Memory, name: str, t_ns: int = 0, number: int = 0, run: str = "a") -> None:
    """Remember a session that shows nothing yet."""
    e = session(name, t_ns, run)
    memory.put_session(e, place(e, number))
