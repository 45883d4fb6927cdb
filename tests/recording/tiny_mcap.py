"""Tiny MCAP files: a posed RGB-D camera in Foxglove's and ROS's words, and packets of video."""

from __future__ import annotations

import base64
import json
from fractions import Fraction

import av
import numpy as np
import simplejpeg
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from foxglove_schemas_protobuf.Vector3_pb2 import Vector3
from google.protobuf.timestamp_pb2 import Timestamp
from mcap.writer import Writer
from mcap_protobuf.schema import register_schema
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

T0 = 1_700_000_000_000_000_000
STEP = 50_000_000
K = [50.0, 0, 16, 0, 50, 12, 0, 0, 1]
ROTATION = Quaternion(x=0.1, y=0.2, z=0.3, w=0.9)


def jpeg(k, size=(24, 32)):
    pixels = np.full((*size, 3), (10 * k) % 256, np.uint8)
    return simplejpeg.encode_jpeg(pixels, 90, colorspace="RGB")


def stamp(t_ns):
    return Timestamp(seconds=t_ns // 10**9, nanos=t_ns % 10**9)


def transform(t_ns, parent="map", child="cam", x=0.0):
    translation = Vector3(x=x)
    return FrameTransform(
        timestamp=stamp(t_ns),
        parent_frame_id=parent,
        child_frame_id=child,
        translation=translation,
        rotation=ROTATION,
    )


def compressed(t_ns, data, frame="cam", format="jpeg"):
    return CompressedImage(timestamp=stamp(t_ns), frame_id=frame, data=data, format=format)


def write(path, items, **options):
    """Write ``(topic, log time, protobuf message)``."""
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start()
        channels = {}
        for topic, t_ns, message in items:
            if topic not in channels:
                schema = register_schema(writer, type(message))
                channels[topic] = writer.register_channel(topic, "protobuf", schema)
            writer.add_message(channels[topic], t_ns, message.SerializeToString(), t_ns)
        writer.finish()
    return path


def scene(n=10):
    """A posed RGB-D camera: calibration, colour, raw depth and transforms."""
    calibration = CameraCalibration(frame_id="cam", width=32, height=24, K=K)
    items = [("/cam/color/camera_info", T0, calibration)]
    for k in range(n):
        t_ns = T0 + k * STEP
        depth = np.full((24, 32), 1000 + k, "<u2").tobytes()
        image = RawImage(
            timestamp=stamp(t_ns), frame_id="cam", width=32, height=24, encoding="16UC1", step=64
        )
        image.data = depth
        items.append(("/cam/color/image_raw/compressed", t_ns, compressed(t_ns, jpeg(k))))
        items.append(("/cam/depth/image_raw", t_ns, image))
        items.append(("/tf", t_ns, transform(t_ns, x=0.1 * k)))
    return items


def ros_items(store, ros1):
    """One of each ROS message the readers know, as ``(topic, type, message)``."""
    types = store.types

    def make(name, *args):
        return types[name](*args)

    time = make("builtin_interfaces/msg/Time", T0 // 10**9, 5)
    header = make("std_msgs/msg/Header", *((1,) if ros1 else ()), time, "cam")
    root = make("std_msgs/msg/Header", *((1,) if ros1 else ()), time, "odom")
    zero, one = make("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0), np.zeros(9)
    turn = make("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
    transform = make("geometry_msgs/msg/Transform", zero, turn)
    stamped = make("geometry_msgs/msg/TransformStamped", root, "cam", transform)
    pose = make("geometry_msgs/msg/Pose", make("geometry_msgs/msg/Point", 1.0, 2.0, 3.0), turn)
    roi = make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    info = make(
        "sensor_msgs/msg/CameraInfo",
        *(header, 24, 32, "plumb_bob", np.array([0.1, 0, 0, 0, 0]), np.array(K), one),
        *(np.zeros(12), 0, 0, roi),
    )
    depth = np.full((24, 32), 1500, "<u2").view(np.uint8).ravel()
    colour = np.frombuffer(jpeg(1), np.uint8)
    numbers = np.array([0.5, 0.6])
    return [
        ("/cam/color/camera_info", info),
        (
            "/cam/color/image_raw/compressed",
            make("sensor_msgs/msg/CompressedImage", header, "rgb8; jpeg compressed bgr8", colour),
        ),
        (
            "/cam/depth/image_raw",
            make("sensor_msgs/msg/Image", header, 24, 32, "16UC1", 0, 64, depth),
        ),
        ("/tf", make("tf2_msgs/msg/TFMessage", [stamped])),
        (
            "/joint_states",
            make("sensor_msgs/msg/JointState", header, ["a", "b"], numbers, numbers, numbers[:0]),
        ),
        ("/imu", make("sensor_msgs/msg/Imu", header, turn, one, zero, one, zero, one)),
        ("/pose", make("geometry_msgs/msg/PoseStamped", root, pose)),
    ]


def encode_video(codec, options, n=24, group=8):
    """Packets of ``n`` grey pictures that get brighter, one per picture."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, 30), Fraction(30), group
    encoder.options = options
    packets = []
    for k in range(n):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * k, np.uint8), format="rgb24")
        frame.pts = k
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets + [bytes(packet) for packet in encoder.encode(None)]


H264 = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1"}
H265 = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "x265-params": "repeat-headers=1:log-level=none:pools=1:frame-threads=1",
}
AV1 = {"preset": "12", "svtav1-params": "pred-struct=1:lp=1"}


def write_json(path, **options):
    """Calibration, colour, depth, pose and joints, one message each, as JSON."""
    time = {"sec": T0 // 10**9, "nsec": 7}
    head = {"timestamp": time, "frame_id": "cam"}
    size = {"width": 32, "height": 24}
    picture = base64.b64encode(jpeg(4)).decode()
    depth = base64.b64encode(np.full((24, 32), 1500, "<u2").tobytes()).decode()
    pose = {"translation": {"x": 1, "y": 2, "z": 3}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}}
    edge = {"timestamp": time, "parent_frame_id": "map", "child_frame_id": "cam", **pose}
    joints = {"timestamp": time, "joints": [{"name": "lift", "position": 0.25}]}
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start()
        for topic, name, message in (
            ("/cam/calibration", "foxglove.CameraCalibration", {**head, **size, "K": K}),
            ("/cam/image", "foxglove.CompressedImage", {**head, "format": "jpeg", "data": picture}),
            (
                "/cam/depth/image",
                "foxglove.RawImage",
                {**head, **size, "encoding": "16UC1", "step": 64, "data": depth},
            ),
            ("/tf", "foxglove.FrameTransform", edge),
            ("/joints", "foxglove.JointStates", joints),
        ):
            schema = writer.register_schema(name, "jsonschema", b"{}")
            channel = writer.register_channel(topic, "json", schema)
            writer.add_message(channel, T0, json.dumps(message).encode(), T0)
        writer.finish()
    return path


def write_ros(path, ros1=False, embedded=True, **options):
    """The messages of :func:`ros_items`, with or without their definitions."""
    store = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_HUMBLE)
    if ros1:
        name = "tf2_msgs/msg/TFMessage"
        definition = "geometry_msgs/TransformStamped[] transforms"
        store.register(get_types_from_msg(definition, name))
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start()
        for topic, message in ros_items(store, ros1):
            name = message.__msgtype__
            text = store.generate_msgdef(name, ros_version=1 if ros1 else 2)[0] if embedded else ""
            shown = name.replace("/msg/", "/") if ros1 else name
            kind = "ros1msg" if ros1 else "ros2msg"
            schema = writer.register_schema(shown, kind, text.encode())
            channel = writer.register_channel(topic, "ros1" if ros1 else "cdr", schema)
            encode = store.serialize_ros1 if ros1 else store.serialize_cdr
            writer.add_message(channel, T0, bytes(encode(message, name)), T0)
        writer.finish()
    return path


def video_items(n, codec="libx264", format="h264", options=None):
    """``(topic, log time, message)`` of video packets."""
    packets = encode_video(codec, H264 if options is None else options, n)
    times = [T0 + k * STEP for k in range(len(packets))]
    return [
        ("/cam/video", t, CompressedVideo(timestamp=stamp(t), data=data, format=format))
        for t, data in zip(times, packets, strict=True)
    ]
