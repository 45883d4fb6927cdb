"""Sessions made in code: a room of boxes seen by a small camera, labelled without mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import engine, geometry
from scenekeeper.quality import Quality
from scenekeeper.schema import FRAMES, SIGNALS, Camera, Frame, Labels, instances_table
from scenekeeper.store import Dataset, SessionInfo
from scenekeeper.world import Observe, Reconcile, World

Float = NDArray[np.float64]
Box = tuple[str, tuple[float, float, float], tuple[float, float, float]]

K = np.array([[80.0, 0, 47.5], [0, 80.0, 35.5], [0, 0, 1]])
CAMERA = Camera("front", 96, 72, K)
BOXES: tuple[Box, ...] = (
    ("mug", (-0.5, 0.0, 0.15), (0.2, 0.2, 0.3)),
    ("box", (0.1, 0.3, 0.2), (0.3, 0.3, 0.4)),
    ("ball", (0.6, -0.2, 0.12), (0.24, 0.24, 0.24)),
)
Room = tuple[tuple[float, float, float], tuple[float, float, float]]
ROOM: Room = ((0.0, 0.0, 1.25), (4.0, 5.0, 2.5))
SECOND = 10**9


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame with its labels."""

    frame: Frame
    labels: Labels

    def but(self, **changed: Any) -> Shot:
        """The same with another frame's fields."""
        return replace(self, frame=replace(self.frame, **changed))

    def said(self, **changed: Any) -> Shot:
        """The same with other labels' fields."""
        return replace(self, labels=replace(self.labels, **changed))


def look_from(x: float, y: float = -1.8, z: float = 1.2) -> Float:
    """Pose of a level camera that looks at what stands in the room's middle."""
    forward = np.array([0.05, 0.1, 0.2]) - (x, y, z)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = np.stack((right, np.cross(forward, right), forward), 1)
    T[:3, 3] = x, y, z
    return T


def render(
    camera: Camera, T: Float, boxes: Sequence[Box], room: Room = ROOM
) -> tuple[Any, NDArray[np.int64]]:
    """Depth ``float32 [H, W]`` and the row of each pixel's box, -1 = the room."""
    k = K if camera.intrinsics is None else np.asarray(camera.intrinsics)
    v, u = np.mgrid[: camera.height, : camera.width]
    ray = np.stack(((u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u)), -1)
    way = ray.reshape(-1, 3) @ T[:3, :3].T
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    depth, owner = _through(T[:3, 3], way, *room)[1], np.full(len(way), -1)
    for n, (_, center, size) in enumerate(boxes):
        near, far = _through(T[:3, 3], way, center, size)
        hit = (near < far) & (near > 0.05) & (near < depth)
        depth, owner = np.where(hit, near, depth), np.where(hit, n, owner)
    shape = camera.height, camera.width
    return depth.reshape(shape).astype(np.float32), owner.reshape(shape)


def _through(eye: Float, way: Float, center: Any, size: Any) -> tuple[Float, Float]:
    a = (np.subtract(center, np.divide(size, 2)) - eye) / way
    b = (np.add(center, np.divide(size, 2)) - eye) / way
    return np.minimum(a, b).max(1), np.maximum(a, b).min(1)


def shot(
    frame_id: int,
    T: Float,
    boxes: Sequence[Box] = BOXES,
    camera: Camera = CAMERA,
    t_ns: int = 0,
    room: Room = ROOM,
) -> Shot:
    """What a camera sees, five frames a second."""
    depth, owner = render(camera, T, boxes, room)
    rgb = np.full((camera.height, camera.width, 3), 120, np.uint8)
    rgb[owner >= 0] = (np.stack((owner * 70 + 40, 200 - owner * 60, owner * 20), -1) % 255)[
        owner >= 0
    ]
    frame = Frame(frame_id, "", camera, t_ns + frame_id * SECOND // 5, rgb, depth, T)
    seen = [n for n in range(len(boxes)) if (owner == n).sum() > 12]
    labels = Labels.from_masks(
        frame,
        [owner == n for n in seen],
        phrase=tuple(boxes[n][0] for n in seen),
        score=np.full(len(seen), 0.9, np.float32),
        track=np.array(seen, np.int64),
    )
    return Shot(frame, labels)


def shots(n: int = 8, boxes: Sequence[Box] = BOXES, t_ns: int = 0, room: Room = ROOM) -> list[Shot]:
    """A camera passes by."""
    way = np.linspace(-0.8, 0.8, n).tolist()
    return [shot(k, look_from(x), boxes, t_ns=t_ns, room=room) for k, x in enumerate(way)]


def each(taken: Sequence[Shot], change: Callable[[Shot], Shot], of: Sequence[int]) -> list[Shot]:
    """The same with some of them changed."""
    return [change(s) if k in of else s for k, s in enumerate(taken)]


def build(
    dataset: Dataset,
    session: str,
    taken: Sequence[Shot],
    clip: int = 4,
    run: str = "given",
    after: Sequence[engine.Stage] = (Reconcile(),),
) -> engine.Report:
    """Add a session and make its world, as for labels that are there."""
    taken = [s.but(session=session) for s in taken]
    cameras = {s.frame.camera.name: s.frame.camera for s in taken} or {CAMERA.name: CAMERA}
    bounds = (*range(0, len(taken), clip), len(taken)) if taken else (0,)
    info = SessionInfo(
        session, "nowhere", "made", session, tuple(cameras.values()), bounds, None, (), {}
    )
    if session not in dataset.sessions():
        rows = [_row(session, s.frame) for s in taken]
        dataset.add_session(info, pa.Table.from_pylist(rows, FRAMES), SIGNALS.empty_table())
    for k in range(info.n_clips):
        c = info.clip(k)
        table = instances_table(session, [s.labels for s in taken[c.start : c.stop]])
        dataset.write_segment(table, "instances", run, session, k)
    dataset.describe_run("instances", run, {})
    stages = [Quality(), Observe(), World(None), *after]
    there = {"instances": run}

    def decode(rows: pa.Table) -> Any:
        return iter([taken[k].frame for k in rows["frame_id"].to_pylist()])

    with engine.no_progress() as silent:
        return engine.run(dataset, session, stages, decode, silent, 1, there)


def _row(session: str, frame: Frame) -> dict[str, Any]:
    T = frame.T_world_camera
    pose = None
    if T is not None:
        pose = geometry.pose_vector(T).tolist() if np.isfinite(T).all() else [np.nan] * 7
    return {
        "session": session,
        "frame_id": frame.frame_id,
        "camera": frame.camera.name,
        "t_ns": frame.t_ns,
        "rgb_row": frame.frame_id,
        "depth_row": None if frame.depth is None else frame.frame_id,
        "pose": pose,
        "width": frame.camera.width,
        "height": frame.camera.height,
    }
