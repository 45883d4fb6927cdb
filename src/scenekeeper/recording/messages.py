"""Decoded messages to a few small records, by one table keyed by schema name.

In: an object with attributes (see :mod:`scenekeeper.recording.wire`) of a Foxglove or ROS schema.
Out: pictures (still encoded), calibrations, transforms and samples of signals.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from scenekeeper.recording.base import POSE_NAMES, SignalKind

IMU_NAMES = ("qx", "qy", "qz", "qw", "wx", "wy", "wz", "ax", "ay", "az")
TWIST_NAMES = ("vx", "vy", "vz", "wx", "wy", "wz")
ODOMETRY_NAMES = (*POSE_NAMES, *TWIST_NAMES)
_MAX_NUMBERS = 1024  # of an array that still is a signal


class Picture(NamedTuple):
    """One picture as the message holds it.

    ``kind`` says how to read ``data``: a picture file, rows of pixels, or one packet of video.
    ``encoding`` is the message's own word for it; sizes are 0 where the message has none.
    """

    t_ns: int
    frame_id: str
    kind: Literal["compressed", "raw", "video"]
    encoding: str
    data: Any
    width: int = 0
    height: int = 0
    step: int = 0
    big_endian: bool = False


class Calibration(NamedTuple):
    """Intrinsics ``K`` (9), distortion ``D`` and projection ``P`` (12) of one camera."""

    frame_id: str
    width: int
    height: int
    model: str
    K: tuple[float, ...]
    D: tuple[float, ...]
    P: tuple[float, ...]


class Transform(NamedTuple):
    """``T_parent_child`` at one time as ``(tx, ty, tz, qx, qy, qz, qw)``."""

    t_ns: int
    parent: str
    child: str
    pose: tuple[float, ...]


class Sample(NamedTuple):
    """One row of a signal."""

    t_ns: int
    kind: SignalKind
    names: tuple[str, ...]
    values: tuple[float, ...]


Record = Picture | Calibration | Transform | Sample
Parser = Callable[[Any, int], Iterable[Record]]


def parse(schema: str, message: Any, log_ns: int) -> Iterable[Record]:
    """Records of one decoded message.

    Args:
        schema: a key of :data:`PARSERS`.
        message: the decoded message.
        log_ns: when it was recorded; used where the message has no time of its own.

    Raises:
        One of :data:`scenekeeper.recording.wire.DECODE_ERRORS` when fields are missing or absurd.
    """
    return PARSERS[schema](message, log_ns)


# --- pictures -------------------------------------------------------------------------------------


def _compressed_image(message: Any, log_ns: int) -> list[Record]:
    t_ns, frame_id = _header(message, log_ns)
    return [Picture(t_ns, frame_id, "compressed", message.format, _data(message))]


def _raw_image(message: Any, log_ns: int) -> list[Record]:
    t_ns, frame_id = _header(message, log_ns)
    return [
        Picture(
            t_ns,
            frame_id,
            "raw",
            message.encoding,
            _data(message),
            int(message.width),
            int(message.height),
            int(message.step),
            bool(getattr(message, "is_bigendian", False)),
        )
    ]


def _video(message: Any, log_ns: int) -> list[Record]:
    t_ns, frame_id = _header(message, log_ns)
    # Foxglove says "h264"; ffmpeg_image_transport names the encoder, "libx264" or
    # "h264;yuv420p;bgr8".
    encoding = message.format if hasattr(message, "format") else message.encoding
    return [Picture(t_ns, frame_id, "video", encoding, _data(message))]


def _calibration(message: Any, log_ns: int) -> list[Record]:
    _, frame_id = _header(message, log_ns)

    def numbers(name: str) -> tuple[float, ...]:
        field = getattr(message, name, None)
        return tuple(map(float, getattr(message, name.lower(), ()) if field is None else field))

    return [
        Calibration(
            frame_id,
            int(message.width),
            int(message.height),
            getattr(message, "distortion_model", ""),
            numbers("K"),
            numbers("D"),
            numbers("P"),
        )
    ]


# --- transforms -----------------------------------------------------------------------------------


def _frame_transform(message: Any, log_ns: int) -> list[Record]:
    t_ns = _time(getattr(message, "timestamp", None), log_ns)
    pose = _pose(message.translation, message.rotation)
    return [Transform(t_ns, _frame(message.parent_frame_id), _frame(message.child_frame_id), pose)]


def _transform_stamped(message: Any, log_ns: int) -> list[Record]:
    t_ns, parent = _header(message, log_ns)
    pose = _pose(message.transform.translation, message.transform.rotation)
    return [Transform(t_ns, parent, _frame(message.child_frame_id), pose)]


def _each(parser: Parser) -> Parser:
    return lambda message, log_ns: [
        record for part in message.transforms for record in parser(part, log_ns)
    ]


# --- signals --------------------------------------------------------------------------------------


def _ros_joints(message: Any, log_ns: int) -> list[Record]:
    t_ns, _ = _header(message, log_ns)
    names = [*message.name]
    columns = [("", message.position), (".velocity", message.velocity), (".effort", message.effort)]
    found = {
        joint + suffix: float(value)
        for suffix, values in columns
        for joint, value in zip(names, values, strict=False)
    }
    return [Sample(t_ns, "joint_state", tuple(found), tuple(found.values()))]


def _foxglove_joints(message: Any, log_ns: int) -> list[Record]:
    t_ns = _time(getattr(message, "timestamp", None), log_ns)
    found = {
        joint.name + suffix: float(getattr(joint, field))
        for suffix, field in (("", "position"), (".velocity", "velocity"), (".effort", "effort"))
        for joint in message.joints
        if _has(joint, field)
    }
    return [Sample(t_ns, "joint_state", tuple(found), tuple(found.values()))]


def _imu(message: Any, log_ns: int) -> list[Record]:
    t_ns, _ = _header(message, log_ns)
    q, w, a = message.orientation, message.angular_velocity, message.linear_acceleration
    values = (q.x, q.y, q.z, q.w, *_xyz(w), *_xyz(a))
    return [Sample(t_ns, "imu", IMU_NAMES, values)]


def _odometry(message: Any, log_ns: int) -> list[Record]:
    t_ns, _ = _header(message, log_ns)
    pose, twist = message.pose.pose, message.twist.twist
    values = (*_raw_pose(pose), *_xyz(twist.linear), *_xyz(twist.angular))
    return [Sample(t_ns, "odometry", ODOMETRY_NAMES, values)]


def _foxglove_odometry(message: Any, log_ns: int) -> list[Record]:
    t_ns = _time(getattr(message, "timestamp", None), log_ns)
    values = (
        *_raw_pose(message.pose),
        *_xyz(message.linear_velocity),
        *_xyz(message.angular_velocity),
    )
    return [Sample(t_ns, "odometry", ODOMETRY_NAMES, values)]


def _pose_stamped(message: Any, log_ns: int) -> list[Record]:
    t_ns, _ = _header(message, log_ns)
    pose = getattr(message.pose, "pose", message.pose)  # with covariance it is one level deeper
    return [Sample(t_ns, "pose", POSE_NAMES, _raw_pose(pose))]


def _twist(message: Any, log_ns: int) -> list[Record]:
    t_ns, _ = _header(message, log_ns)
    twist = getattr(message, "twist", message)  # a plain Twist has no header around it
    values = (*_xyz(twist.linear), *_xyz(twist.angular))
    return [Sample(t_ns, "other", TWIST_NAMES, values)]


def _array(message: Any, log_ns: int) -> list[Record]:
    data = message.data if hasattr(message.data, "__len__") else [message.data]
    if len(data) > _MAX_NUMBERS:
        raise ValueError(f"{len(data)} numbers are no signal")
    names = tuple(map(str, range(len(data))))
    return [Sample(log_ns, "other", names, tuple(map(float, data)))]


def _trajectory(message: Any, log_ns: int) -> list[Record]:
    """Every point of a commanded trajectory at the time it is to be reached."""
    t_ns, _ = _header(message, log_ns)
    names = tuple(message.joint_names)
    return [
        Sample(t_ns + _duration(point.time_from_start), "action", names, positions)
        for point in message.points
        if len(positions := tuple(map(float, point.positions))) == len(names)
    ]


def _signal(message: Any, log_ns: int) -> list[Record]:
    names, values = tuple(message.names), tuple(map(float, message.values))
    if len(names) != len(values) or message.kind not in get_args(SignalKind):
        raise ValueError("this is no signal")
    return [Sample(_time(message.timestamp, log_ns), message.kind, names, values)]


PARSERS: Mapping[str, Parser] = {
    "foxglove.CompressedImage": _compressed_image,
    "foxglove_msgs/msg/CompressedImage": _compressed_image,
    "sensor_msgs/msg/CompressedImage": _compressed_image,
    "foxglove.RawImage": _raw_image,
    "foxglove_msgs/msg/RawImage": _raw_image,
    "sensor_msgs/msg/Image": _raw_image,
    "foxglove.CompressedVideo": _video,
    "foxglove_msgs/msg/CompressedVideo": _video,
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": _video,
    "foxglove.CameraCalibration": _calibration,
    "foxglove_msgs/msg/CameraCalibration": _calibration,
    "sensor_msgs/msg/CameraInfo": _calibration,
    "foxglove.FrameTransform": _frame_transform,
    "foxglove_msgs/msg/FrameTransform": _frame_transform,
    "foxglove.FrameTransforms": _each(_frame_transform),
    "foxglove_msgs/msg/FrameTransforms": _each(_frame_transform),
    "geometry_msgs/msg/TransformStamped": _transform_stamped,
    "tf2_msgs/msg/TFMessage": _each(_transform_stamped),
    "tf/msg/tfMessage": _each(_transform_stamped),
    "sensor_msgs/msg/JointState": _ros_joints,
    "foxglove.JointStates": _foxglove_joints,
    "sensor_msgs/msg/Imu": _imu,
    "nav_msgs/msg/Odometry": _odometry,
    "foxglove.Odometry": _foxglove_odometry,
    "geometry_msgs/msg/PoseStamped": _pose_stamped,
    "geometry_msgs/msg/PoseWithCovarianceStamped": _pose_stamped,
    "foxglove.PoseInFrame": _pose_stamped,
    "foxglove_msgs/msg/PoseInFrame": _pose_stamped,
    "geometry_msgs/msg/Twist": _twist,
    "geometry_msgs/msg/TwistStamped": _twist,
    "std_msgs/msg/Float32": _array,
    "std_msgs/msg/Float64": _array,
    "std_msgs/msg/Float32MultiArray": _array,
    "std_msgs/msg/Float64MultiArray": _array,
    "trajectory_msgs/msg/JointTrajectory": _trajectory,
    "scenekeeper.Signal": _signal,
}
"""Every schema the readers understand; messages of others are passed over."""


# --- fields ---------------------------------------------------------------------------------------


def _header(message: Any, log_ns: int) -> tuple[int, str]:
    header = getattr(message, "header", None)
    if header is not None:
        return _time(header.stamp, log_ns), _frame(header.frame_id)
    stamp = getattr(message, "timestamp", None)
    return _time(stamp, log_ns), _frame(getattr(message, "frame_id", ""))


def _time(stamp: Any, log_ns: int) -> int:
    """The stamp in ns; the time of recording when it was never set."""
    t_ns = 0
    if stamp is not None:
        seconds = stamp.seconds if hasattr(stamp, "seconds") else stamp.sec
        t_ns = int(seconds) * 1_000_000_000 + int(_nanoseconds(stamp))
    t_ns = t_ns if t_ns > 0 else log_ns
    if not 0 <= t_ns < 1 << 63:
        raise ValueError("the time does not fit 64 bits")
    return t_ns


def _duration(span: Any) -> int:
    return int(span.sec) * 1_000_000_000 + int(_nanoseconds(span))


def _nanoseconds(stamp: Any) -> Any:
    for name in ("nanos", "nanosec", "nsec"):
        if hasattr(stamp, name):
            return getattr(stamp, name)
    raise ValueError("the time has no nanoseconds")


def _frame(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError("a frame name must be text")
    return name.lstrip("/")  # ROS 1 wrote some of them with a slash


def _data(message: Any) -> Any:
    data = message.data
    return base64.b64decode(data, validate=True) if isinstance(data, str) else data


def _xyz(vector: Any) -> tuple[float, float, float]:
    return float(vector.x), float(vector.y), float(vector.z)


def _raw_pose(pose: Any) -> tuple[float, ...]:
    q = pose.orientation
    return (*_xyz(pose.position), float(q.x), float(q.y), float(q.z), float(q.w))


def _pose(translation: Any, rotation: Any) -> tuple[float, ...]:
    """A pose fit for computing: finite, with a rotation."""
    q = (float(rotation.x), float(rotation.y), float(rotation.z), float(rotation.w))
    pose = (*_xyz(translation), *q)
    if not all(map(math.isfinite, pose)) or not any(q):
        raise ValueError("the transform is no pose")
    return pose


def _has(message: Any, field: str) -> bool:
    # Protobuf answers 0 for an absent number, so it must be asked.
    return (
        bool(message.HasField(field)) if hasattr(message, "HasField") else hasattr(message, field)
    )
