"""Write any recording as an MCAP file that Foxglove shows and our reader reads back the same.

In: a :class:`~scenekeeper.recording.base.Recording`. Out: one file, protobuf messages of Foxglove
schemas in zstd chunks, in order of time. Pictures that are JPEG or PNG files are copied byte for
byte, poses and calibrations keep every bit. Signals without a Foxglove schema become JSON.
"""

from __future__ import annotations

import heapq
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.JointState_pb2 import JointState
from foxglove_schemas_protobuf.JointStates_pb2 import JointStates
from foxglove_schemas_protobuf.Pose_pb2 import Pose
from foxglove_schemas_protobuf.PoseInFrame_pb2 import PoseInFrame
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from foxglove_schemas_protobuf.Vector3_pb2 import Vector3
from google.protobuf.timestamp_pb2 import Timestamp
from mcap.writer import CompressionType, Writer
from mcap_protobuf.schema import register_schema
from numpy.typing import NDArray

from scenekeeper.errors import ExportError
from scenekeeper.exchange.encoded import (
    MILLIMETRES,
    color_files,
    depth_file,
    depth_numbers,
    says,
)
from scenekeeper.geometry import invert, pose_vector
from scenekeeper.recording.base import POSE_NAMES, Images, Recording, Signal, View
from scenekeeper.schema import Camera

_WORLD = "world"
_SIGNAL = "scenekeeper.Signal"
_SIGNAL_SCHEMA = {
    "type": "object",
    "title": _SIGNAL,
    "properties": {
        "timestamp": {
            "type": "object",
            "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}},
        },
        "kind": {"type": "string"},
        "names": {"type": "array", "items": {"type": "string"}},
        "values": {"type": "array", "items": {"type": ["number", "string"]}},
    },
}


def write_recording(recording: Recording, path: Path) -> Path:
    """Write a recording as MCAP; the file appears whole or not at all.

    Colour that has no file of its own (video, raw pixels) becomes JPEG of quality 95. Depth
    becomes 16-bit PNG where whole millimetres represent it to 0.01 mm, else 32-bit metres.

    Args:
        recording: what to write.
        path: the file; an existing one is replaced. Its stem becomes the recording's name.

    Returns:
        ``path``.

    Raises:
        ExportError: the file cannot be written, or times lie before 1970.
        RecordingError: a picture of the recording cannot be read.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            _write_depth_as_fits(file, recording)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ExportError(
            f"the file cannot be written ({error})", path=path, remedy="Check space and rights."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


class _Item(NamedTuple):
    """One message to be."""

    t_ns: int
    message: Any


@dataclass(frozen=True)
class _Stream:
    """Messages of one topic in order of time. ``schema`` is a protobuf class, or ``None``: JSON."""

    topic: str
    schema: Any
    items: Iterator[_Item]
    camera: str = ""


def _write_depth_as_fits(file: BinaryIO, recording: Recording) -> None:
    """Write with depth in millimetres, and start again with metres where they turn out too coarse.

    It turns out with the first picture as a rule: a sensor's depth is whole millimetres or not.
    """
    in_metres: set[str] = set()
    while True:
        try:
            _write(file, recording, in_metres)
            return
        except _TooFineError as error:
            in_metres.add(error.topic)
            file.seek(0)
            file.truncate()


def _write(file: BinaryIO, recording: Recording, in_metres: set[str]) -> None:
    """Write all messages; depth topics of ``in_metres`` as 32-bit floats.

    Raises:
        _TooFineError: another depth topic needs them too.
    """
    streams = [stream for view in recording.views for stream in _view_streams(view, in_metres)]
    streams += [_signal_stream(signal) for signal in recording.signals.values()]
    writer = Writer(file, compression=CompressionType.ZSTD)
    writer.start(library="scenekeeper")
    about = {"format": recording.format}
    writer.add_metadata("scenekeeper", about | ({"task": recording.task} if recording.task else {}))
    schemas: dict[Any, int] = {}
    channels = [_register(writer, stream, schemas) for stream in streams]

    def numbered(k: int) -> Iterator[tuple[int, int, Any]]:
        return ((item.t_ns, k, item.message) for item in streams[k].items)

    merged = heapq.merge(*map(numbered, range(len(streams))), key=lambda item: item[:2])
    for t_ns, k, message in merged:
        if t_ns < 0:
            raise ExportError(
                "MCAP has no times before 1970", place=streams[k].topic, remedy="Shift the times."
            )
        data = message if isinstance(message, bytes) else message.SerializeToString()
        writer.add_message(channels[k], t_ns, data, t_ns)
    writer.finish()  # type: ignore[no-untyped-call]


def _register(writer: Writer, stream: _Stream, schemas: dict[Any, int]) -> int:
    if stream.schema not in schemas:
        schemas[stream.schema] = (
            register_schema(writer, stream.schema)
            if stream.schema is not None
            else writer.register_schema(_SIGNAL, "jsonschema", json.dumps(_SIGNAL_SCHEMA).encode())
        )
    encoding = "json" if stream.schema is None else "protobuf"
    metadata = {"scenekeeper.camera": stream.camera} if stream.camera else {}
    return writer.register_channel(stream.topic, encoding, schemas[stream.schema], metadata)


# --- cameras --------------------------------------------------------------------------------------


def _view_streams(view: View, in_metres: set[str]) -> Iterator[_Stream]:
    """Topics of one camera.

    Depth that is registered to an also posed colour camera shares its frame. Otherwise it has a
    frame of its own; where it is the depth camera that was tracked, poses lead there, and colour
    hangs on it if it is known how.
    """
    name = view.camera.name
    topic = f"/{name.strip('/')}"
    registered = bool(np.array_equal(view.T_camera_depth, np.eye(4)))
    alone = view.posed == "rgb" and view.depth_camera is None and registered
    color_frame, depth_frame = name, name if alone else f"{name}/depth"
    start = int(view.rgb.t_ns[0]) if len(view.rgb) else 0
    yield _calibration(f"{topic}/color/camera_info", color_frame, view.camera, start)
    color = _color_messages(view.rgb, color_frame)
    yield _Stream(f"{topic}/color/image", CompressedImage, color, name)
    if view.depth is not None:
        if view.depth_camera is not None:
            info = f"{topic}/depth/camera_info"
            yield _calibration(info, depth_frame, view.depth_camera, start)
        image = f"{topic}/depth/image"
        yield _depth_stream(image, depth_frame, name, view.depth, image in in_metres)
    tracked, other = color_frame, depth_frame
    T_tracked_other = view.T_camera_depth
    if view.posed == "depth":
        tracked, other, T_tracked_other = depth_frame, color_frame, invert(view.T_camera_depth)
    if view.poses is not None:
        yield _Stream("/tf", FrameTransform, _transforms(view.poses, tracked))
    if not registered:
        pose = pose_vector(T_tracked_other)
        item = _Item(start, _transform(start, tracked, other, pose))
        yield _Stream("/tf_static", FrameTransform, iter([item]))


def _calibration(topic: str, frame: str, camera: Camera, t_ns: int) -> _Stream:
    K = np.zeros((3, 3)) if camera.intrinsics is None else camera.intrinsics
    message = CameraCalibration(
        timestamp=_timestamp(t_ns),
        frame_id=frame,
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob" if len(camera.distortion) <= 5 else "rational_polynomial",
        D=camera.distortion,
        K=K.ravel().tolist(),
        R=np.eye(3).ravel().tolist(),
        P=np.hstack((K, np.zeros((3, 1)))).ravel().tolist(),
    )
    return _Stream(topic, CameraCalibration, iter([_Item(t_ns, message)]))


def _color_messages(rgb: Images, frame: str) -> Iterator[_Item]:
    files = color_files(rgb.source, range(len(rgb)))
    for t_ns, picture in zip(rgb.t_ns.tolist(), files, strict=True):
        message = CompressedImage(
            timestamp=_timestamp(t_ns), frame_id=frame, data=picture.data, format=picture.format
        )
        yield _Item(t_ns, message)


# --- depth ----------------------------------------------------------------------------------------


class _TooFineError(Exception):
    """Millimetres in 16 bits do not represent the depth of a topic."""

    def __init__(self, topic: str):
        super().__init__(topic)
        self.topic = topic


def _depth_stream(topic: str, frame: str, camera: str, depth: Images, in_metres: bool) -> _Stream:
    if in_metres:
        return _Stream(topic, RawImage, _metre_messages(frame, depth), camera)
    return _Stream(topic, CompressedImage, _millimetre_messages(topic, frame, depth), camera)


def _millimetre_messages(topic: str, frame: str, depth: Images) -> Iterator[_Item]:
    pictures = depth.source.read(range(len(depth)))
    for row, (t_ns, pixels) in enumerate(zip(depth.t_ns.tolist(), pictures, strict=True)):
        if not says(depth_numbers(pixels, MILLIMETRES), pixels, MILLIMETRES):
            raise _TooFineError(topic)
        data = depth_file(depth.source.encoded(row), pixels, MILLIMETRES)
        message = CompressedImage(
            timestamp=_timestamp(t_ns), frame_id=frame, data=data, format="png"
        )
        yield _Item(t_ns, message)


def _metre_messages(frame: str, depth: Images) -> Iterator[_Item]:
    pictures = depth.source.read(range(len(depth)))
    for t_ns, pixels in zip(depth.t_ns.tolist(), pictures, strict=True):
        height, width = pixels.shape
        message = RawImage(
            timestamp=_timestamp(t_ns),
            frame_id=frame,
            width=width,
            height=height,
            encoding="32FC1",
            step=4 * width,
            data=pixels.astype("<f4").tobytes(),
        )
        yield _Item(t_ns, message)


# --- numbers --------------------------------------------------------------------------------------


def _transforms(poses: Signal, child: str) -> Iterator[_Item]:
    for t_ns, pose in zip(poses.t_ns.tolist(), poses.values, strict=True):
        yield _Item(t_ns, _transform(t_ns, _WORLD, child, pose))


def _transform(t_ns: int, parent: str, child: str, pose: NDArray[np.float64]) -> FrameTransform:
    x, y, z, qx, qy, qz, qw = pose.tolist()
    return FrameTransform(
        timestamp=_timestamp(t_ns),
        parent_frame_id=parent,
        child_frame_id=child,
        translation=Vector3(x=x, y=y, z=z),
        rotation=Quaternion(x=qx, y=qy, z=qz, w=qw),
    )


def _signal_stream(signal: Signal) -> _Stream:
    schema, make = _signal_encoding(signal)
    rows = zip(signal.t_ns.tolist(), signal.values.tolist(), strict=True)
    return _Stream(signal.name, schema, (_Item(t_ns, make(t_ns, row)) for t_ns, row in rows))


def _signal_encoding(signal: Signal) -> tuple[Any, Callable[[int, list[float]], Any]]:
    names = list(signal.names)
    if signal.kind == "joint_state" and len(set(names)) == len(names):
        return JointStates, lambda t_ns, row: _joint_states(t_ns, names, row)
    if signal.kind == "pose" and signal.names == POSE_NAMES:
        return PoseInFrame, _pose_in_frame
    return None, lambda t_ns, row: _json_sample(t_ns, signal.kind, names, row)


def _joint_states(t_ns: int, names: list[str], row: list[float]) -> JointStates:
    """Columns ``arm``, ``arm.velocity``, ``arm.effort`` are three fields of one joint."""
    joints: dict[str, JointState] = {}
    for name, value in zip(names, row, strict=True):
        joint, _, field = name.rpartition(".")
        if field not in ("velocity", "effort") or joint not in names:
            joint, field = name, "position"
        setattr(joints.setdefault(joint, JointState(name=joint)), field, value)
    return JointStates(timestamp=_timestamp(t_ns), joints=joints.values())


def _pose_in_frame(t_ns: int, row: list[float]) -> PoseInFrame:
    x, y, z, qx, qy, qz, qw = row
    position, orientation = Vector3(x=x, y=y, z=z), Quaternion(x=qx, y=qy, z=qz, w=qw)
    pose = Pose(position=position, orientation=orientation)
    return PoseInFrame(timestamp=_timestamp(t_ns), pose=pose)


def _json_sample(t_ns: int, kind: str, names: list[str], row: list[float]) -> bytes:
    seconds, nanoseconds = divmod(t_ns, 1_000_000_000)
    sample = {
        "timestamp": {"sec": seconds, "nsec": nanoseconds},
        "kind": kind,
        "names": names,
        # JSON has no NaN and no infinity; as text they read back as numbers.
        "values": [value if math.isfinite(value) else str(value) for value in row],
    }
    return json.dumps(sample).encode()


def _timestamp(t_ns: int) -> Timestamp:
    seconds, nanoseconds = divmod(t_ns, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanoseconds)
