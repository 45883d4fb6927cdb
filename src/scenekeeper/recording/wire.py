"""Bytes of one message to an object with attributes: protobuf, JSON, CDR and ROS 1.

In: a :class:`Topic` (what the container says about a stream). Out: a function from message bytes
to an object. JSON objects become namespaces, so all encodings are read the same way.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
from foxglove_schemas_protobuf.JointStates_pb2 import JointStates
from foxglove_schemas_protobuf.Odometry_pb2 import Odometry
from foxglove_schemas_protobuf.PoseInFrame_pb2 import PoseInFrame
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from google.protobuf.message import DecodeError
from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)

DECODE_ERRORS = (
    DecodeError,
    SerdeError,
    TypesysError,
    struct.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
"""What the decoders of four libraries raise on a damaged message."""

PROTOBUF: dict[str, Any] = {
    message.DESCRIPTOR.full_name: message
    for message in (
        CameraCalibration,
        CompressedImage,
        CompressedVideo,
        FrameTransform,
        FrameTransforms,
        JointStates,
        Odometry,
        PoseInFrame,
        RawImage,
    )
}
"""Foxglove messages by full name. Protobuf reads other versions of them too."""

_IDL_RULE = "=" * 80 + "\nIDL: "


@dataclass(frozen=True)
class Topic:
    """One stream of messages as its container describes it.

    Attributes:
        name: the topic.
        schema: type name; ROS types as ``package/msg/Type``.
        encoding: ``protobuf``, ``json``, ``cdr`` or ``ros1``.
        definition: ROS message definition stored with the stream, or ``""``.
        idl: the definition is OMG IDL, not ``.msg``.
        camera: name of the camera if the writer stored one.
    """

    name: str
    schema: str
    encoding: str
    definition: str = ""
    idl: bool = False
    camera: str = ""


def ros_name(name: str) -> str:
    """``sensor_msgs/Image`` as ``sensor_msgs/msg/Image``; other names unchanged."""
    package, slash, kind = name.partition("/")
    return f"{package}/msg/{kind}" if slash and "/" not in kind else name


def decoder(topic: Topic) -> Callable[[bytes], Any]:
    """The function that decodes a topic's messages.

    It raises one of :data:`DECODE_ERRORS` on damaged bytes, and so does this function on a
    damaged definition.
    """
    if topic.encoding == "protobuf":
        return PROTOBUF[topic.schema].FromString  # type: ignore[no-any-return]
    if topic.encoding == "json":
        return _from_json
    return _ros_decoder(topic.schema, topic.encoding, topic.definition, topic.idl)


def _from_json(data: bytes) -> Any:
    return json.loads(data, object_hook=lambda fields: SimpleNamespace(**fields))


@lru_cache(maxsize=256)  # generating a decoder costs 10 ms, and files repeat their definitions
def _ros_decoder(schema: str, encoding: str, definition: str, idl: bool) -> Callable[[bytes], Any]:
    if encoding not in ("cdr", "ros1"):
        raise ValueError(f"message encoding {encoding!r} is not known")
    store = _typestore(schema, encoding, definition, idl)
    read = store.deserialize_cdr if encoding == "cdr" else store.deserialize_ros1
    return lambda data: read(data, schema)


def _typestore(schema: str, encoding: str, definition: str, idl: bool) -> Any:
    if not definition.strip():
        return get_typestore(Stores.ROS1_NOETIC if encoding == "ros1" else Stores.ROS2_HUMBLE)
    types = _idl_types(definition) if idl else get_types_from_msg(definition, schema)
    store = get_typestore(Stores.EMPTY)
    store.register(types)
    return store


def _idl_types(definition: str) -> dict[str, Any]:
    if not definition.startswith(_IDL_RULE):
        return dict(get_types_from_idl(definition))
    types: dict[str, Any] = {}
    for part in definition.split(_IDL_RULE)[1:]:
        types.update(get_types_from_idl(part.partition("\n")[2]))
    return types
