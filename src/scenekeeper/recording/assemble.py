"""From the index of a container to a :class:`Recording`: cameras, poses, signals.

Colour, depth and calibration are separate topics in a robot's log. They are brought together by
the name of the camera if the writer stored one, by namespace, and by frame; poses come from the
transform tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.recording import tf
from scenekeeper.recording.base import POSE_NAMES, Recording, Signal, View
from scenekeeper.recording.calibrate import make_camera, scaled
from scenekeeper.recording.messages import Calibration
from scenekeeper.recording.scan import Container, SampleTopic, Scan
from scenekeeper.recording.streams import Stream, make_stream
from scenekeeper.recording.topics import camera_name, camera_words, info_base, shared_words

Calibrations = Mapping[str, Calibration]
Posed = Literal["rgb", "depth"]

_PREFERENCE = ("compressed", "video", "raw")
_LONG_GAP_NS = 1_000_000_000


def assemble(
    container: Container,
    found: Scan,
    *,
    name: str,
    path: Path,
    format: str,
    content: str,
    task: str | None = None,
) -> Recording:
    """The recording in a container.

    Args:
        container: where pictures are read from later.
        found: its index.
        name: name of the recording.
        path: file or folder.
        format: what it was recognised as.
        content: its fingerprint.
        task: the instruction the robot was following, if recorded.
    """
    notes = [*found.report.damage, *found.report.notes]
    streams = [make_stream(container, index, notes) for index in found.pictures.values()]
    edges = {topic: tf.moving_edges(poses) for topic, poses in found.moving.items()}
    everything = [edge for some in edges.values() for edge in some]
    tree, torn = tf.make_tree(everything + tf.static_edges(found.static.values()))
    notes += [f"Frame {frame!r} hangs on several parents in tf; one is used." for frame in torn]
    views = _views([s for s in streams if s is not None], found.calibrations, tree, notes)
    signals = [_signal(topic, samples) for topic, samples in found.samples.items()]
    signals += [
        Signal(f"{topic}:{edge.parent}->{edge.child}", "pose", edge.t_ns, edge.poses, POSE_NAMES)
        for topic, some in edges.items()
        for edge in some
        if not any(view.poses is not None and view.poses.values is edge.poses for view in views)
    ]
    by_name = {signal.name: signal for signal in signals}
    return Recording(name, path, format, tuple(views), by_name, task, tuple(notes), content)


# --- cameras --------------------------------------------------------------------------------------


def _views(
    streams: Sequence[Stream], infos: Calibrations, tree: tf.Tree, notes: list[str]
) -> list[View]:
    colors = _best([s for s in streams if not s.depth], notes)
    depths = _best([s for s in streams if s.depth], notes)
    names = _names(colors)
    pairs = _pair(colors, depths)
    unused = [s.topic for s in depths if s not in pairs]
    notes += [f"Depth {topic} belongs to no colour camera and was left out." for topic in unused]
    return [
        _view(name, color, depth, _color_info(color, colors, infos), infos, tree, notes)
        for name, color, depth in zip(names, colors, pairs, strict=True)
    ]


def _view(
    name: str,
    color: Stream,
    depth: Stream | None,
    info: Calibration | None,
    infos: Calibrations,
    tree: tf.Tree,
    notes: list[str],
) -> View:
    camera = make_camera(name, color.topic, color.size, info, notes)
    poses, posed = _poses(name, color, depth, tree, notes)
    if depth is None:
        return View(camera, color.images, poses=poses)
    own = _own_info(depth, infos)
    depth_camera = None
    if own is not None and own is not info and not _same_camera(own, info):
        depth_camera = make_camera(f"{name}_depth", depth.topic, depth.size, own, notes)
    elif depth.size != color.size:
        depth_camera = scaled(camera, f"{name}_depth", depth.size)
        if depth_camera.intrinsics is not None:
            notes.append(f"{name}: depth has no calibration; taken to show the same view.")
    T_camera_depth = np.eye(4)
    start = int(color.images.t_ns[0])
    if (relative := tf.relative_pose(tree, color.frame, depth.frame, start)) is not None:
        T_camera_depth = geometry.pose_matrix(relative)
    return View(camera, color.images, depth.images, depth_camera, T_camera_depth, poses, posed)


def _best(streams: Sequence[Stream], notes: list[str]) -> list[Stream]:
    """One stream per camera: of several transports the fullest, and of those a stored file."""
    groups: dict[object, list[Stream]] = {}
    for stream in streams:
        groups.setdefault(stream.camera or stream.base, []).append(stream)
    best = []
    for group in groups.values():
        group.sort(key=lambda s: (-len(s.images), _PREFERENCE.index(s.kind)))
        best.append(group[0])
        notes += [f"{s.topic} shows the same as {group[0].topic}." for s in group[1:]]
    return best


def _names(colors: Sequence[Stream]) -> list[str]:
    names = [s.camera or camera_name(s.base) for s in colors]
    return [
        name if names.count(name) == 1 else s.topic.strip("/").replace("/", "_")
        for name, s in zip(names, colors, strict=True)
    ]


def _pair(colors: Sequence[Stream], depths: Sequence[Stream]) -> list[Stream | None]:
    """The depth stream of each colour stream: the nearest in name, registered ones first."""
    alone = len(colors) == len(depths) == 1
    pairs: list[Stream | None] = []
    for color in colors:
        scores = [(_kinship(color, depth), -k, depth) for k, depth in enumerate(depths)]
        score, _, depth = max(scores, default=((-1, False), 0, None), key=lambda s: s[:2])
        related = score[0] > 0 or score[1]
        pairs.append(depth if related or alone else None)
    return pairs


def _kinship(color: Stream, depth: Stream) -> tuple[int, bool]:
    if color.camera or depth.camera:
        return (1 if color.camera == depth.camera else -1), False
    registered = bool(color.frame) and color.frame == depth.frame
    return shared_words(color.words, depth.words), registered


def _color_info(color: Stream, colors: Sequence[Stream], infos: Calibrations) -> Calibration | None:
    """A colour stream's calibration: beside it, of its frame, or the only one for the only one."""
    if (own := _own_info(color, infos)) is not None:
        return own
    near = [info for topic, info in infos.items() if _words(topic) == color.words != ()]
    if len(near) == 1:
        return near[0]
    return next(iter(infos.values())) if len(infos) == len(colors) == 1 else None


def _own_info(stream: Stream, infos: Calibrations) -> Calibration | None:
    for topic, info in infos.items():
        if info_base(topic) == stream.base:
            return info
    same_frame = [info for info in infos.values() if stream.frame and info.frame_id == stream.frame]
    return same_frame[0] if same_frame else None


def _words(info_topic: str) -> tuple[str, ...]:
    return camera_words(info_base(info_topic))


def _same_camera(a: Calibration, b: Calibration | None) -> bool:
    return b is not None and a._replace(model="") == b._replace(model="")


# --- poses ----------------------------------------------------------------------------------------


def _poses(
    name: str, color: Stream, depth: Stream | None, tree: tf.Tree, notes: list[str]
) -> tuple[Signal | None, Posed]:
    """Poses of the colour camera, or of the depth camera where that is the one that was tracked.

    It was when only its frame is in the tree, or when the colour frame hangs on it.
    """
    chain = tf.chain_to_world(tree, color.frame)
    posed: Posed = "rgb"
    if depth is not None and depth.frame != color.frame:
        tracked = [k for k, edge in enumerate(chain) if edge.child == depth.frame]
        if tracked:
            chain, posed = chain[: tracked[0] + 1], "depth"
        elif not chain:
            chain, posed = tf.chain_to_world(tree, depth.frame), "depth"
    if not chain:
        return None, "rgb"
    root, frame = chain[0].parent, chain[-1].child
    if not tf.is_world(root):
        if all(edge.static for edge in chain):
            notes.append(f"{name}: tf only says where it sits on {root!r}, so it has no poses.")
            return None, "rgb"
        notes.append(f"{name}: poses are relative to {root!r}; tf has no map, odom or world.")
    t_ns, values = _pose_values(chain, int(color.images.t_ns[0]))
    longest = int(np.diff(t_ns).max(initial=0))
    if longest > _LONG_GAP_NS:
        notes.append(f"{name}: its poses have a gap of {longest / 1e9:.1f} s.")
    return Signal(f"{root}->{frame}", "pose", t_ns, values, POSE_NAMES), posed


def _pose_values(
    chain: Sequence[tf.Edge], start: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if len(chain) == 1 and not chain[0].static:
        return chain[0].t_ns, chain[0].poses
    times = tf.chain_times(chain)
    if not len(times):
        times = np.array([start], np.int64)  # a camera that stands still says so once
    return times, tf.chain_poses(chain, times)[0]


# --- signals --------------------------------------------------------------------------------------


def _signal(topic: str, samples: SampleTopic) -> Signal:
    """Samples in order of time; columns that a message lacks are NaN in its row."""
    if len(samples.rows) == 1:
        [(names, rows)] = samples.rows.items()
        return Signal(topic, samples.kind, *rows.in_time(), names)
    names = tuple(dict.fromkeys(name for some in samples.rows for name in some))
    column = {name: k for k, name in enumerate(names)}
    times, values = [], []
    for some, rows in samples.rows.items():
        t_ns, part = rows.in_time()
        wide = np.full((len(t_ns), len(names)), np.nan)
        wide[:, [column[name] for name in some]] = part
        times.append(t_ns)
        values.append(wide)
    t_ns = np.concatenate(times)
    order = np.argsort(t_ns, kind="stable")
    return Signal(topic, samples.kind, t_ns[order], np.concatenate(values)[order], names)
