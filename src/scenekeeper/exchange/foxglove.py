"""An MCAP overlay that Foxglove opens beside the recording it belongs to.

In: a dataset's effective instances, captions, objects and relations. Out: one ``.mcap`` without
pixels, in Foxglove's own protobuf schemas, on the recording's clock. Topics:

    /scenekeeper/<camera>/annotations   foxglove.ImageAnnotations   boxes, outlines, texts
    /scenekeeper/objects                foxglove.SceneUpdate        a cube each, arrows between
    /scenekeeper/captions               foxglove.Log                what is seen

With several sessions in one file ``/scenekeeper`` is followed by the session's name.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from foxglove_schemas_protobuf.ArrowPrimitive_pb2 import ArrowPrimitive
from foxglove_schemas_protobuf.Color_pb2 import Color
from foxglove_schemas_protobuf.CubePrimitive_pb2 import CubePrimitive
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.KeyValuePair_pb2 import KeyValuePair
from foxglove_schemas_protobuf.Log_pb2 import Log
from foxglove_schemas_protobuf.Point2_pb2 import Point2
from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation
from foxglove_schemas_protobuf.Pose_pb2 import Pose
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.SceneEntity_pb2 import SceneEntity
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from foxglove_schemas_protobuf.TextAnnotation_pb2 import TextAnnotation
from foxglove_schemas_protobuf.TextPrimitive_pb2 import TextPrimitive
from foxglove_schemas_protobuf.Vector3_pb2 import Vector3
from google.protobuf.timestamp_pb2 import Timestamp
from mcap_protobuf.writer import Writer
from numpy.typing import ArrayLike, NDArray

from scenekeeper import geometry
from scenekeeper.errors import ExportError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.outline import outline
from scenekeeper.schema import Labels
from scenekeeper.store import Dataset, atomic

ROOT = "/scenekeeper"
LINE_PX = 2.0
FONT_PX = 14.0
TEXT_M = 0.06
ARROW_M = 0.01


def export(
    dataset: Dataset, out: Path, *, sessions: Sequence[str], frame_id: str = "world"
) -> Exported:
    """Write sessions as one MCAP overlay.

    Args:
        dataset: what to export.
        out: the ``.mcap`` file to make.
        sessions: the sessions to take.
        frame_id: the coordinate frame of the objects, as the recording names the one that its
            camera poses are in.

    Raises:
        ExportError: ``out`` is no ``.mcap`` file.
    """
    if out.suffix.lower() != ".mcap":
        raise ExportError("an MCAP file ends in .mcap", path=out, remedy=f"Use {out.stem}.mcap.")
    frames = instances = 0
    with atomic.replacing(out) as temporary, temporary.open("wb") as file, Writer(file) as writer:
        for session in sessions:
            root = ROOT if len(sessions) == 1 else f"{ROOT}/{session}"
            _write_objects(writer, f"{root}/objects", dataset, session, frame_id)
            for camera, labels in _labels(dataset, session):
                _write_frame(writer, root, camera, labels)
                frames, instances = frames + 1, instances + len(labels)
    notes = ("Holes in masks and all but their largest part are not drawn.",)
    return Exported(out, frames, instances, notes)


def _labels(dataset: Dataset, session: str) -> Iterator[tuple[str, Labels]]:
    cameras = dataset.frames(session)["camera"].to_pylist()
    return zip(cameras, dataset.labels(session), strict=True)


# --- image annotations ----------------------------------------------------------------------------


def _write_frame(writer: Writer, root: str, camera: str, labels: Labels) -> None:
    message = image_annotations(labels)
    topic = f"{root}/{camera.strip('/')}/annotations"
    writer.write_message(topic, message, log_time=labels.t_ns, publish_time=labels.t_ns)
    if labels.caption:
        said = Log(timestamp=stamp(labels.t_ns), level=Log.INFO, message=labels.caption)
        said.name = camera
        writer.write_message(f"{root}/captions", said, labels.t_ns, labels.t_ns)


def image_annotations(labels: Labels) -> ImageAnnotations:
    """One frame's boxes, mask outlines and texts as ``foxglove.ImageAnnotations``."""
    message, timestamp = ImageAnnotations(), stamp(labels.t_ns)
    assert labels.track is not None and labels.object is not None
    for k, (x0, y0, x1, y1) in enumerate(labels.box_xyxy.tolist()):
        thing, track = int(labels.object[k]), int(labels.track[k])
        color = _color(thing if thing >= 0 else track if track >= 0 else k)
        facts = _facts(labels, k)
        counts = labels.mask[k]
        polygon = None if counts is None else outline(counts, labels.size)
        loops = [_loop([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], color)]
        if polygon is not None:
            loops.append(_loop(polygon, color, fill=0.25))
        text = TextAnnotation(
            position=Point2(x=x0, y=y0),
            text=_title(labels.phrase[k], thing),
            font_size=FONT_PX,
            text_color=Color(r=1, g=1, b=1, a=1),
            background_color=color,
        )
        annotations: list[Any] = [*loops, text]
        for annotation in annotations:
            annotation.timestamp.CopyFrom(timestamp)
            _attach(annotation, facts)
        message.points.extend(loops)
        message.texts.append(text)
    return message


def _facts(labels: Labels, k: int) -> dict[str, str]:
    assert labels.track is not None and labels.object is not None and labels.p is not None
    facts = {"class": labels.phrase[k], "status": labels.status[k]}
    numbers = {"track": labels.track[k], "object": labels.object[k]}
    facts |= {name: str(int(value)) for name, value in numbers.items() if value >= 0}
    scores = {"score": labels.score[k], "p": labels.p[k]}
    return facts | {name: f"{value:.4g}" for name, value in scores.items() if np.isfinite(value)}


def _loop(corners: ArrayLike, color: Color, fill: float = 0) -> PointsAnnotation:
    loop = PointsAnnotation(
        type=PointsAnnotation.LINE_LOOP,
        points=[Point2(x=x, y=y) for x, y in np.asarray(corners, np.float64).tolist()],
        outline_color=color,
        thickness=LINE_PX,
    )
    if fill:
        loop.fill_color.CopyFrom(Color(r=color.r, g=color.g, b=color.b, a=fill))
    return loop


def _attach(annotation: Any, facts: Mapping[str, str]) -> None:
    """Add facts as metadata where the installed schemas have a place for them (0.4 and later)."""
    if "metadata" in annotation.DESCRIPTOR.fields_by_name:
        annotation.metadata.extend(_pairs(facts))


# --- objects and relations ------------------------------------------------------------------------


def _write_objects(
    writer: Writer, topic: str, dataset: Dataset, session: str, frame_id: str
) -> None:
    """One message at the session's start: a viewer that seeks is given the latest before it."""
    t_ns = dataset.frames(session)["t_ns"].to_numpy()
    rows = dataset.table("objects", session).to_pylist()
    located = {row["object"]: row for row in rows if row["center"] and row["extent"]}
    if not len(t_ns) or not located:
        return
    message = SceneUpdate(entities=[cube(row) for row in located.values()])
    for row in dataset.table("relations", session).to_pylist():
        if row["subject"] in located and row["object"] in located:
            message.entities.append(arrow(row, located))
    for entity in message.entities:
        entity.timestamp.CopyFrom(stamp(int(t_ns[0])))
        entity.frame_id = frame_id
    writer.write_message(topic, message, log_time=int(t_ns[0]), publish_time=int(t_ns[0]))


def cube(row: Mapping[str, Any]) -> SceneEntity:
    """An object, a row of the table of objects, as a box with its label and facts."""
    color = _color(row["object"])
    center, extent = np.array(row["center"]), np.array(row["extent"])
    R = np.eye(3) if row["R_world_box"] is None else np.reshape(row["R_world_box"], (3, 3))
    size = Vector3(x=extent[0], y=extent[1], z=extent[2])
    faint = Color(r=color.r, g=color.g, b=color.b, a=0.4)
    # The label stands above the box whichever of its axes points up.
    above = center + R[:, 2] * (extent[2] / 2 + TEXT_M)
    wanted = ("phrase", "kind", "track", "score", "status", "first_t_ns", "last_t_ns")
    facts = {"object": row["object"], **{name: row.get(name) for name in wanted}}
    return SceneEntity(
        id=f"object/{row['object']}",
        cubes=[CubePrimitive(pose=_pose(R, center), size=size, color=faint)],
        texts=[_text(_title(row["phrase"], row["object"]), above)],
        metadata=_pairs({k: str(v) for k, v in facts.items() if v is not None}),
    )


def arrow(row: Mapping[str, Any], located: Mapping[int, Mapping[str, Any]]) -> SceneEntity:
    """A relation, a row of its table, as an arrow between two of the ``located`` objects."""
    start = np.array(located[row["subject"]]["center"], np.float64)
    end = np.array(located[row["object"]]["center"], np.float64)
    length = float(np.linalg.norm(end - start))
    arrow = ArrowPrimitive(
        pose=_pose(_pointing(end - start), start),
        shaft_length=0.85 * length,
        shaft_diameter=ARROW_M,
        head_length=0.15 * length,
        head_diameter=2 * ARROW_M,
        color=_color(row["subject"]),
    )
    facts = {name: str(row[name]) for name in ("subject", "predicate", "object", "score", "source")}
    return SceneEntity(
        id=f"relation/{row['subject']}/{row['predicate']}/{row['object']}",
        arrows=[arrow],
        texts=[_text(row["predicate"], (start + end) / 2)],
        metadata=_pairs(facts),
    )


def _pointing(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """A rotation ``[3, 3]`` whose x axis has the direction; identity for none."""
    length = np.linalg.norm(direction)
    if length < 1e-9:
        return np.eye(3)
    x = direction / length
    y = np.cross(np.eye(3)[int(np.argmin(np.abs(x)))], x)
    y /= np.linalg.norm(y)
    return np.stack((x, y, np.cross(x, y)), 1)


# --- small parts ----------------------------------------------------------------------------------


def _title(phrase: str, thing: int) -> str:
    return f"{phrase} #{thing}" if thing >= 0 else phrase


def _text(text: str, position: NDArray[np.float64]) -> TextPrimitive:
    return TextPrimitive(
        pose=_pose(np.eye(3), position),
        billboard=True,
        font_size=TEXT_M,
        color=Color(r=1, g=1, b=1, a=1),
        text=text,
    )


def _pose(R: NDArray[np.float64], position: NDArray[np.float64]) -> Pose:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, position
    x, y, z, qx, qy, qz, qw = geometry.pose_vector(T).tolist()
    return Pose(position=Vector3(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def _pairs(facts: Mapping[str, str]) -> list[KeyValuePair]:
    return [KeyValuePair(key=key, value=value) for key, value in facts.items()]


def stamp(t_ns: int) -> Timestamp:
    """Nanoseconds as protobuf has them."""
    return Timestamp(seconds=t_ns // 1_000_000_000, nanos=t_ns % 1_000_000_000)


def _color(identity: int) -> Color:
    """A colour of its own for every identity; neighbours in number are far apart in hue."""
    r, g, b = colorsys.hsv_to_rgb(identity * 0.618034 % 1, 0.75, 1.0)
    return Color(r=r, g=g, b=b, a=1)
