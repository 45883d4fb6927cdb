"""What a robot arm on a pedestal looks like: its links, its gripper and the camera on its wrist.

Hand frame: that of the gripper family, fingers along -y and opening along x, the camera above them
(+z). The hand, its fingers and the arm are one thing, :data:`GRIPPER`; the pedestal is scenery.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenekeeper.simulate import arm
from scenekeeper.simulate.families import FAMILIES, Material, Model
from scenekeeper.simulate.families.base import WHITE, metal, plastic
from scenekeeper.simulate.families.soft import gripper_jaw, gripper_palm
from scenekeeper.simulate.mesh import Mesh, ball, box, cylinder, join
from scenekeeper.simulate.motion import Moving
from scenekeeper.simulate.render import Part, look_at

Float = NDArray[np.float64]

GRIPPER = 980
"""Id of the robot's arm and gripper: beyond those of a home's things, below those of structure."""

WIDEST = 0.085
"""Metres between the open fingers."""

_AXIS = 0.03
"""Height of the fingers' middle in the hand's frame."""

_TIP, _MOUNT = -0.025, 0.15
"""Ends of the hand along its y: the fingertips, and where the flange holds it."""

CAMERA_DEGREES = 75.0
"""Horizontal field of view of the wrist camera."""


def _hand() -> Float:
    """``T_flange_hand``: the hand points along the flange's z, its camera is on the far side."""
    T = np.eye(4)
    T[:3, :3] = np.array([[0, 0, -1.0], [1, 0, 0], [0, -1, 0]])
    T[:3, 3] = T[:3, :3] @ np.array([0, -_MOUNT, -_AXIS])
    return T


T_FLANGE_HAND = _hand()
T_HAND_CAMERA = look_at((0, 0.145, 0.12), (0, -0.2, 0.12 - 0.345 * math.tan(math.radians(14))))
TIP = np.array([0, _TIP, _AXIS])
"""Between the fingertips, in the hand's frame."""


def hand_pose(tip: Float, along: Float, across: Float) -> Float:
    """``T_world_hand`` that brings the fingertips to a point.

    Args:
        tip: ``[3]`` the point.
        along: ``[3]`` unit vector in which the fingers point.
        across: ``[3]`` unit vector along which they close, square to it.
    """
    T = np.eye(4)
    T[:3, :3] = np.stack((across, -along, np.cross(across, -along)), 1)
    T[:3, 3] = tip - T[:3, :3] @ TIP
    return T


def bodies(T_world_base: Float, joints: Float, look: int) -> tuple[Moving, ...]:
    """The robot along a movement: pedestal, links, palm and jaws.

    Args:
        T_world_base: ``[4, 4]`` where the arm stands; the floor is at z = 0.
        joints: ``float64 [N, 8]`` the arm's joints and the opening.
        look: seed of its colours.
    """
    links = T_world_base @ arm.frames(joints[:, :7])
    hand = links[:, arm.JOINTS] @ T_FLANGE_HAND
    still = np.broadcast_to(T_world_base, hand.shape)
    paints, paint = gripper(look, 0.0).materials, (plastic(WHITE), metal((0.3, 0.3, 0.32)))
    limbs = [
        Moving(Part(GRIPPER, Model(mesh, paint), links[0, k], look=look), links[:, k])
        for k, mesh in enumerate(_limbs())
    ]
    jaws = []
    for side in (-1, 1):
        T = hand.copy()
        T[:, :3, 3] += hand[:, :3, 0] * (side * joints[:, 7:] / 2)
        jaws.append(Moving(Part(GRIPPER, Model(gripper_jaw(side), paints), T[0], look=look), T))
    palm = Part(GRIPPER, Model(gripper_palm(), paints), hand[0], look=look)
    base = Part(0, _pedestal(float(T_world_base[2, 3])), T_world_base, look=look)
    return (Moving(base, still), *limbs, *jaws, Moving(palm, hand))


def gripper(look: int, opening: float) -> Model:
    """The gripper as one shape in the hand's frame."""
    materials = FAMILIES["gripper"].build(np.random.default_rng([look, 2])).materials
    jaws = [gripper_jaw(s).moved(s * opening / 2) for s in (-1, 1)]
    return Model(join(gripper_palm(), *jaws), materials)


def _limbs() -> list[Mesh]:
    """One shape per link, in the frame of the joint that moves it."""
    radius = (0.075, 0.07, 0.062, 0.058, 0.052, 0.048, 0.042)
    out = []
    for k, r in enumerate(radius):
        length = float(arm.RISE[k + 1]) if k + 1 < arm.JOINTS else arm.FLANGE
        limb = cylinder(r, length, 24, 0.92 * r)
        if k % 2:  # a drum around the axis that bends
            drum = cylinder(1.02 * r, 2.3 * r, 24, material=1).moved(z=-1.15 * r)
            limb = join(limb, drum.rotated("x", 90), ball(r, 20))
        out.append(limb)
    return out


def _pedestal(height: float) -> Model:
    """A mobile base with a column, in the frame of the arm that stands on it."""
    deck = min(0.26, 0.6 * height)
    body = box(0.36, 0.36, deck - 0.05, 0.02).moved(z=0.05)
    wheels = [
        cylinder(0.05, 0.04, 18, material=1).rotated("x", 90).moved(x, y + 0.02, 0.05)
        for x in (-0.13, 0.13)
        for y in (-0.15, 0.15)
    ]
    column = box(0.17, 0.17, height - deck, 0.01, 1).moved(z=deck)
    stump = cylinder(0.085, float(arm.RISE[0]), 24, 0.075, 2).moved(z=height)
    paints = (
        plastic((0.16, 0.18, 0.22)),
        Material((0.05, 0.05, 0.06), None, 0.2, 30),
        plastic(WHITE),
    )
    return Model(join(body, *wheels, column, stump).moved(z=-height), paints)
