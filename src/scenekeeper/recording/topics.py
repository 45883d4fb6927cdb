"""What topic names say: which belong to one camera, and what that camera is called.

Drivers follow a habit, not a standard: ``/cam/color/image_raw/compressed`` lies beside
``/cam/color/camera_info`` and ``/cam/depth/image_raw``.
"""

from __future__ import annotations

import re

Base = tuple[str, ...]

_COMMAND = {"cmd", "command", "commands", "action", "actions", "target", "goal", "desired"}

_TRANSPORTS = {"compressed", "compresseddepth", "ffmpeg", "video", "h264", "h265", "theora", "zstd"}
_INFO = {"camera_info", "calibration", "info"}
_MODALITY = {
    *("color", "colour", "rgb", "depth", "image", "images", "rect", "raw", "aligned", "to"),
    *("registered", "stereo", "optical", "frame", "data"),
}


def image_base(topic: str) -> Base:
    """``/cam/color/image_raw/compressed`` as ``("cam", "color")``."""
    parts = _parts(topic)
    while parts and (parts[-1].lower() in _TRANSPORTS or parts[-1].lower() == "data"):
        parts = parts[:-1]
    if parts and parts[-1].lower().startswith("image"):
        parts = parts[:-1]
    return parts


def info_base(topic: str) -> Base:
    """``/cam/color/camera_info`` as ``("cam", "color")``."""
    parts = _parts(topic)
    while parts and parts[-1].lower() in _INFO:
        parts = parts[:-1]
    return parts


def camera_words(base: Base) -> Base:
    """Words of a base without those for colour, depth and processing, to compare cameras by."""
    words = [word for part in base for word in re.split(r"[_\W]+", part.lower()) if word]
    return tuple(word for word in words if word not in _MODALITY)


def camera_name(base: Base) -> str:
    """``("cam", "color")`` as ``cam``, ``("robot", "front_rgb")`` as ``robot_front_rgb``."""
    parts = [part for part in base if part.lower() not in _MODALITY] or list(base)
    return "_".join(parts) or "camera"


def shared_words(a: Base, b: Base) -> int:
    """How many leading words two names share; -1 when they name different cameras."""
    same = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        same += 1
    return same if same or not (a and b) else -1


def is_command(topic: str) -> bool:
    """Whether a topic says what the robot is to do, not what it does: ``/cmd_vel``."""
    return not _COMMAND.isdisjoint(re.split(r"[_\W]+", topic.lower()))


def is_rectified(topic: str) -> bool:
    """Whether the pictures of a topic were undistorted, so that ``P`` and no distortion hold."""
    return any("rect" in re.split(r"[_\W]+", part) for part in _parts(topic.lower()))


def _parts(topic: str) -> Base:
    return tuple(part for part in topic.split("/") if part)
