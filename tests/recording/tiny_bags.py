"""Tiny ROS bags of a small RGB-D camera and an IMU."""

from __future__ import annotations

import numpy as np
import simplejpeg
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

T0 = 1_700_000_000_000_000_000
STEP = 50_000_000
COLOR, DEPTH, IMU = "/cam/color/image_raw", "/cam/depth/image_raw", "/imu"


def messages(store, ros1, n=8):
    """``(topic, time, message)`` of a small RGB-D camera and an IMU."""
    types = store.types
    turn = types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    zero = types["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
    image, imu = types["sensor_msgs/msg/Image"], types["sensor_msgs/msg/Imu"]
    for k in range(n):
        t_ns = T0 + k * STEP
        time = types["builtin_interfaces/msg/Time"](t_ns // 10**9, t_ns % 10**9)
        header = types["std_msgs/msg/Header"](*((k,) if ros1 else ()), time, "cam")
        bgr = np.full((6, 8, 3), (1, 2, 10 * k % 256), np.uint8).ravel()
        depth = np.full((6, 8), 1000 + k, "<u2").view(np.uint8).ravel()
        picture = simplejpeg.encode_jpeg(
            np.full((6, 8, 3), 9 * k % 256, np.uint8), colorspace="RGB"
        )
        yield COLOR, t_ns, image(header, 6, 8, "bgr8", 0, 24, bgr)
        yield DEPTH, t_ns, image(header, 6, 8, "16UC1", 0, 16, depth)
        yield IMU, t_ns, imu(header, turn, np.zeros(9), zero, np.zeros(9), zero, np.zeros(9))
        if k == 0:
            compressed = types["sensor_msgs/msg/CompressedImage"]
            yield (
                f"{COLOR}/compressed",
                t_ns,
                compressed(header, "jpeg", np.frombuffer(picture, "u1")),
            )


def write_bag1(path, compression=None, n=8):
    store = get_typestore(Stores.ROS1_NOETIC)
    writer = Writer1(path)
    if compression:
        writer.set_compression(compression)
    with writer:
        writer.chunk_threshold = 600
        connections = {}
        for topic, t_ns, message in messages(store, True, n):
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=store)
            writer.write(connections[topic], t_ns, store.serialize_ros1(message, name))
    return path


def write_bag2(path, plugin=StoragePlugin.SQLITE3, zipped=None, n=8):
    store = get_typestore(Stores.ROS2_HUMBLE)
    writer = Writer2(path, version=8, storage_plugin=plugin)
    if zipped:
        writer.set_compression(zipped, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, t_ns, message in messages(store, False, n):
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=store)
            writer.write(connections[topic], t_ns, store.serialize_cdr(message, name))
    return path
