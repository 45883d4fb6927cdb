"""The world as KITTI's 3D object labels: the boxes of things as cameras see them.

In: a scene and views. Out: a folder with ``label_2/000000.txt`` and ``calib/000000.txt`` per view,
``views.txt`` with their names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import ExportError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.folder import replacing_folder
from scenekeeper.exchange.world_sight import seen_shares
from scenekeeper.exchange.world_things import Float, LevelBox, level_box, located
from scenekeeper.world.scene import Scene, Thing

NEAR = 0.05
"""What is nearer to a camera is cut off, metres."""

LEANS = 2.0
"""Degrees from level at which a camera is said to lean."""

_EDGES = [(k, k | bit) for k in range(8) for bit in (1, 2, 4) if not k & bit]


@dataclass(frozen=True, eq=False)
class CameraView:
    """One picture's camera.

    Attributes:
        name: of the picture, for instance ``SESSION/FRAME_ID``.
        T_world_camera: ``float64 [4, 4]``, camera axes x right, y down, z forward.
        intrinsics: ``float64 [3, 3]`` pinhole matrix.
        size: ``(H, W)`` pixels.
    """

    name: str
    T_world_camera: Float
    intrinsics: Float
    size: tuple[int, int]


def write(
    scene: Scene,
    out: Path,
    *,
    views: Sequence[CameraView],
    gone: bool = False,
    structure: bool = False,
    level: bool = True,
) -> Exported:
    """Write the boxes in every view.

    KITTI's boxes turn about the y axis alone, which is down only for a level camera. So labels are
    in the frame of the camera turned level, and ``P2`` turns back: exact, for readers that project
    with all of ``P2``. Without ``level`` they are in the camera's own frame, and the boxes lean
    with the camera. ``Tr_velo_to_cam`` goes from the world.

    Args:
        scene: what to export.
        out: the folder.
        views: the cameras, at least one.
        gone: with the things that are believed to be gone.
        structure: with walls and what carries things.
        level: turn the frame of every camera level.

    Raises:
        ExportError: there is nothing to export, or no view.
    """
    if not views:
        raise ExportError("KITTI labels need views", remedy="Give at least one camera.")
    things = [t for t in located(scene, gone) if structure or t.kind not in ("support", "wall")]
    boxes = [level_box(thing, scene.up) for thing in things]
    count = 0
    with replacing_folder(out) as folder:
        for name in ("label_2", "calib"):
            (folder / name).mkdir()
        for k, view in enumerate(views):
            lines = label_lines(scene, things, boxes, view, level)
            count += len(lines)
            (folder / "label_2" / f"{k:06d}.txt").write_text("".join(lines), encoding="utf-8")
            (folder / "calib" / f"{k:06d}.txt").write_text(_calibration(scene, view, level))
        names = "".join(f"{k:06d} {_word(view.name)}\n" for k, view in enumerate(views))
        (folder / "views.txt").write_text(names, encoding="utf-8")
    lean = max(_lean(scene, view) for view in views)
    told = "frames of labels are turned level, P2 turns back" if level else "boxes lean with them"
    notes = (f"Cameras lean up to {lean:.0f} degrees: {told}.",) if lean > LEANS else ()
    return Exported(out, len(views), count, notes)


def label_lines(
    scene: Scene,
    things: Sequence[Thing],
    boxes: Sequence[LevelBox],
    view: CameraView,
    level: bool,
) -> list[str]:
    """A line for each thing in sight, the nearest first."""
    R = _turn(scene, view, level)
    T_camera_world = geometry.invert(view.T_world_camera)
    shares = seen_shares(list(scene), T_camera_world, view.intrinsics, view.size)
    lines = []
    for thing, box in zip(things, boxes, strict=True):
        corners = geometry.transform(T_camera_world, _corners(box, scene.up))
        around = _box_2d(corners, view.intrinsics)
        if around is None:
            continue
        last = np.array(view.size[::-1]) - 1.0
        inside = np.clip(around, 0, [*last, *last])
        area, whole = (float(np.prod(b[2:] - b[:2])) for b in (inside, around))
        if area < 1:
            continue
        foot = T_camera_world @ [*(box.center - scene.up * box.height / 2), 1.0]
        x, y, z = R @ foot[:3]
        heading = R @ T_camera_world[:3, :3] @ box.heading
        turn = float(np.arctan2(-heading[2], heading[0]))
        alpha = _wrapped(turn - float(np.arctan2(x, z)))
        pixels = " ".join(f"{v:.2f}" for v in inside)
        size = f"{box.height:.3f} {box.width:.3f} {box.length:.3f}"
        text = (
            f"{_word(thing.phrase)} {1 - area / whole:.2f} {_occluded(shares.get(thing.object))}"
            f" {alpha:.4f} {pixels} {size} {x:.3f} {y:.3f} {z:.3f} {turn:.4f}\n"
        )
        lines.append((float(x * x + y * y + z * z), text))
    return [text for _, text in sorted(lines)]


def _turn(scene: Scene, view: CameraView, level: bool) -> Float:
    """Rotation ``[3, 3]`` from the camera to the frame of the labels."""
    if not level:
        return np.eye(3)
    R_world_camera = view.T_world_camera[:3, :3]
    down = -scene.up
    forward = R_world_camera[:, 2] - (R_world_camera[:, 2] @ down) * down
    if np.linalg.norm(forward) < 1e-6:  # it looks straight down or up
        forward = R_world_camera[:, 1] - (R_world_camera[:, 1] @ down) * down
    forward /= np.linalg.norm(forward)
    return np.stack((np.cross(down, forward), down, forward)) @ R_world_camera


def _lean(scene: Scene, view: CameraView) -> float:
    cosine = float(np.clip(-scene.up @ view.T_world_camera[:3, 1], -1, 1))
    return float(np.degrees(np.arccos(cosine)))


def _corners(box: LevelBox, up: Float) -> Float:
    R = np.stack((box.heading, np.cross(up, box.heading), up), 1)
    return geometry.box_corners(box.center, np.array([box.length, box.width, box.height]), R)


def _box_2d(corners: Float, intrinsics: Float) -> NDArray[np.float64] | None:
    """What a box covers of the picture ``xyxy``, also beyond its border; ``None`` behind it."""
    points = [p for p in corners if p[2] >= NEAR]
    for a, b in ((corners[i], corners[j]) for i, j in _EDGES):
        if (a[2] < NEAR) != (b[2] < NEAR):
            points.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    if not points:
        return None
    pixels = geometry.project(intrinsics, np.array(points))
    return np.concatenate((pixels.min(0), pixels.max(0)))


def _calibration(scene: Scene, view: CameraView, level: bool) -> str:
    R = _turn(scene, view, level)
    P = np.concatenate((view.intrinsics @ R.T, np.zeros((3, 1))), 1)
    T = geometry.invert(view.T_world_camera)[:3]
    rows = {f"P{k}": P for k in range(4)}
    rows |= {"R0_rect": np.eye(3), "Tr_velo_to_cam": R @ T, "Tr_imu_to_velo": np.eye(4)[:3]}
    return "".join(
        f"{name}: " + " ".join(f"{v:.12e}" for v in matrix.ravel()) + "\n"
        for name, matrix in rows.items()
    )


def _occluded(share: float | None) -> int:
    """KITTI's grades: 0 in full view, 1 partly hidden, 2 largely hidden, 3 unknown."""
    if share is None:
        return 3
    return 0 if share > 0.8 else 1 if share > 0.4 else 2


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _word(text: str) -> str:
    """A text as one word: blanks separate the fields of a line."""
    return re.sub(r"\s+", "_", text.strip()) or "object"
