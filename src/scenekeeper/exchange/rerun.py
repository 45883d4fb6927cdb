"""A Rerun recording: pictures, labels and the map on one timeline.

In: a dataset and the recordings it is of. Out: one ``.rrd`` file for the Rerun viewer. Needs the
extra ``scenekeeper[rerun]``. Entities:

    world/<camera>                  pose and pinhole
    world/<camera>/image            pictures as JPEG or PNG, under them boxes and masks
    world/objects                   a box each
    graph                           objects and their relations
    caption                         what is seen

With several sessions in one file every path begins with the session's name.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry, masks
from scenekeeper.errors import ExportError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.pictures import open_source, pictures
from scenekeeper.recording import View
from scenekeeper.schema import Labels
from scenekeeper.store import Dataset, atomic

TIMELINE = "time"
UNIX_NS = 10**17
"""Times from here on (March 1973) are read as Unix time, earlier ones as time since the start."""


def export(dataset: Dataset, out: Path, *, sessions: Sequence[str]) -> Exported:
    """Write sessions as one Rerun recording.

    Args:
        dataset: what to export.
        out: the ``.rrd`` file to make.
        sessions: the sessions to take.

    Raises:
        ExportError: ``out`` is no ``.rrd`` file, or ``rerun-sdk`` is not installed.
        RecordingError: a recording is no longer where it was.
    """
    if out.suffix.lower() != ".rrd":
        raise ExportError("a Rerun file ends in .rrd", path=out, remedy=f"Use {out.stem}.rrd.")
    rr = import_rerun()
    frames = instances = 0
    with atomic.replacing(out) as temporary:
        stream = rr.RecordingStream("scenekeeper")
        with saved(stream, temporary):
            for session in sessions:
                to = Target(rr, stream, f"{session}/" if len(sessions) > 1 else "")
                _log_map(to, dataset, session)
                _log_pictures(to, dataset, session)
                cameras = dataset.frames(session)["camera"].to_pylist()
                for camera, labels in zip(cameras, dataset.labels(session), strict=True):
                    _log_labels(to, camera, labels)
                    frames, instances = frames + 1, instances + len(labels)
    return Exported(out, frames, instances, ("Where masks overlap the smaller one is shown.",))


def import_rerun() -> Any:
    """The library.

    Raises:
        ExportError: it is not installed.
    """
    try:
        import rerun
    except ImportError:
        raise ExportError(
            "the Rerun format needs rerun-sdk", remedy='pip install "scenekeeper[rerun]"'
        ) from None
    return rerun


@contextmanager
def saved(stream: Any, path: Path) -> Iterator[None]:
    """Put in a file what is logged meanwhile.

    On a full disk Rerun waits for ever or only prints an error. So it writes into a pipe, and the
    file is written here.

    Raises:
        OSError: the file cannot be written.
    """
    read_end, write_end = os.pipe()
    failures: list[OSError] = []

    def copy() -> None:
        with os.fdopen(read_end, "rb") as pipe:
            try:
                with path.open("wb") as file:
                    shutil.copyfileobj(pipe, file)
            except OSError as error:
                failures.append(error)
                while pipe.read(1 << 20):  # or Rerun would wait for its reader
                    pass

    copier = threading.Thread(target=copy, daemon=True)
    copier.start()
    try:
        stream.save(f"/dev/fd/{write_end}")
    finally:
        os.close(write_end)
    try:
        yield
    finally:
        stream.disconnect()
        copier.join()
    if failures:
        raise failures[0]


@dataclass(frozen=True)
class Target:
    """Where entities go: a stream, under a path."""

    rr: Any
    stream: Any
    root: str

    def log(self, path: str, what: Any, static: bool = False) -> None:
        """Log an archetype at the time that is set, or for all times."""
        self.stream.log(self.root + path, what, static=static)

    def set_time(self, t_ns: int) -> None:
        """Say when what follows holds."""
        if t_ns >= UNIX_NS:
            self.stream.set_time(TIMELINE, timestamp=np.datetime64(t_ns, "ns"))
        else:
            self.stream.set_time(TIMELINE, duration=np.timedelta64(t_ns, "ns"))


def _camera_path(camera: str) -> str:
    return f"world/{camera.strip('/')}"


# --- the map --------------------------------------------------------------------------------------


def _log_map(to: Target, dataset: Dataset, session: str) -> None:
    objects = dataset.table("objects", session).to_pylist()
    titles = {row["object"]: f"{row['phrase']} #{row['object']}" for row in objects}
    if titles:
        context = [(class_id(thing), title) for thing, title in titles.items()]
        to.log("world", to.rr.AnnotationContext(context), static=True)
    located = [row for row in objects if row["center"] and row["extent"]]
    if located:
        boxes = to.rr.Boxes3D(
            centers=[row["center"] for row in located],
            half_sizes=[np.array(row["extent"]) / 2 for row in located],
            quaternions=[quaternion(row["R_world_box"]) for row in located],
            labels=[titles[row["object"]] for row in located],
            class_ids=[class_id(row["object"]) for row in located],
        )
        to.log("world/objects", boxes, static=True)
    log_graph(to, titles, dataset.table("relations", session).to_pylist())


def log_graph(
    to: Target, titles: Mapping[int, str], relations: Sequence[Mapping[str, Any]]
) -> None:
    """Rows of relations as a graph of the objects that have a title."""
    # Rerun's edges carry no text, so a predicate is a node between its two objects.
    nodes: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for k, row in enumerate(relations):
        if row["subject"] not in titles or row["object"] not in titles:
            continue
        subject, middle, thing = f"#{row['subject']}", f"relation {k}", f"#{row['object']}"
        nodes |= {subject: titles[row["subject"]], thing: titles[row["object"]]}
        nodes[middle] = row["predicate"]
        edges += [(subject, middle), (middle, thing)]
    if edges:
        to.log("graph", to.rr.GraphNodes(list(nodes), labels=list(nodes.values())), static=True)
        to.log("graph", to.rr.GraphEdges(edges, graph_type="directed"), static=True)


def quaternion(R_world_box: Any) -> NDArray[np.float64]:
    """``xyzw`` of a rotation ``[3, 3]`` or ``[9]``; of none, that of no turn."""
    T = np.eye(4)
    if R_world_box is not None:
        T[:3, :3] = np.reshape(R_world_box, (3, 3))
    return geometry.pose_vector(T)[3:]


# --- cameras and pictures -------------------------------------------------------------------------


def _log_pictures(to: Target, dataset: Dataset, session: str) -> None:
    recording = open_source(dataset, session)
    for view in recording.views:
        K, size = view.camera.intrinsics, (view.camera.width, view.camera.height)
        if K is not None:
            pinhole = to.rr.Pinhole(image_from_camera=K, resolution=size)
            to.log(_camera_path(view.camera.name), pinhole, static=True)
    info, index = dataset.session(session), dataset.frames(session)
    for clip in map(info.clip, range(info.n_clips)):
        rows = index.slice(clip.start, len(clip))
        frames = {row["frame_id"]: row for row in rows.to_pylist()}
        for row in frames.values():
            _log_pose(to, recording.view(row["camera"]), row)
        for frame_id, picture in pictures(recording, rows):
            to.set_time(frames[frame_id]["t_ns"])
            image = to.rr.EncodedImage(contents=picture.data, media_type=f"image/{picture.format}")
            to.log(f"{_camera_path(frames[frame_id]['camera'])}/image", image)


def _log_pose(to: Target, view: View, row: Mapping[str, Any]) -> None:
    path = _camera_path(view.camera.name)
    to.set_time(row["t_ns"])
    if row["pose"] is None:  # else the viewer would go on with the last one known
        to.log(path, to.rr.Clear(recursive=False))
        return
    T = geometry.pose_matrix(row["pose"])
    if view.posed == "depth":
        T = T @ geometry.invert(view.T_camera_depth)
    to.log(path, to.rr.Transform3D(translation=T[:3, 3], mat3x3=T[:3, :3]))


# --- labels ---------------------------------------------------------------------------------------


def _log_labels(to: Target, camera: str, labels: Labels) -> None:
    path = f"{_camera_path(camera)}/image"
    ids = [class_id(_identity(labels, k)) for k in range(len(labels))]
    to.set_time(labels.t_ns)
    boxes = to.rr.Boxes2D(
        array=labels.box_xyxy,
        array_format=to.rr.Box2DFormat.XYXY,
        labels=[_title(labels, k) for k in range(len(labels))],
        class_ids=ids,
    )
    to.log(f"{path}/boxes", boxes)
    to.log(f"{path}/masks", to.rr.SegmentationImage(_class_image(labels, ids)))
    if labels.caption:
        to.log("caption", to.rr.TextDocument(labels.caption))


def _class_image(labels: Labels, ids: Sequence[int]) -> NDArray[np.uint16]:
    image = np.zeros(labels.size, np.uint16)
    found = [(masks.area(m), k, m) for k, m in enumerate(labels.mask) if m is not None]
    for _, k, counts in sorted(found, reverse=True):  # the smallest last, on top
        image[masks.decode(counts, labels.size)] = ids[k]
    return image


def _identity(labels: Labels, k: int) -> int:
    assert labels.track is not None and labels.object is not None
    thing, track = int(labels.object[k]), int(labels.track[k])
    return thing if thing >= 0 else track if track >= 0 else k


def class_id(identity: int) -> int:
    """An identity as Rerun's 16-bit class; 0 stays free for the background."""
    return 1 + identity % 0xFFFF


def _title(labels: Labels, k: int) -> str:
    assert labels.object is not None
    thing = int(labels.object[k])
    return f"{labels.phrase[k]} #{thing}" if thing >= 0 else labels.phrase[k]
