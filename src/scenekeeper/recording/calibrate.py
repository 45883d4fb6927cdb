"""Calibration messages to cameras.

In: a :class:`~scenekeeper.recording.messages.Calibration` and the size the pictures really have.
Out: a :class:`~scenekeeper.schema.Camera`, and notes on what had to be given up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenekeeper.recording.messages import Calibration
from scenekeeper.recording.topics import is_rectified
from scenekeeper.schema import Camera

_SAME_SHAPE = 0.02
_OPENCV_MODELS = ("", "plumb_bob", "rational_polynomial", "thin_prism_fisheye")


def make_camera(
    name: str, topic: str, size: tuple[int, int], found: Calibration | None, notes: list[str]
) -> Camera:
    """The camera of a topic's pictures; without intrinsics where none can be had.

    Args:
        name: name of the camera.
        topic: topic of the pictures; a rectified one has other intrinsics than the raw one.
        size: ``(width, height)`` of the pictures.
        found: its calibration, if any.
        notes: takes a sentence on everything that was given up.
    """
    if found is None or not any(found.K[:1]):
        return Camera(name, *size)
    K, distortion = _matrix(found, is_rectified(topic)), _distortion(found)
    if is_rectified(topic):
        distortion = ()
    elif found.model not in _OPENCV_MODELS and distortion:
        notes.append(f"{name}: distortion model {found.model!r} is not supported and was left out.")
        distortion = ()
    if found.width and found.height and (found.width, found.height) != size:
        K = np.diag([size[0] / found.width, size[1] / found.height, 1.0]) @ K
        notes.append(
            f"{name}: calibrated at {found.width}x{found.height}, recorded at"
            f" {size[0]}x{size[1]}; the intrinsics were scaled."
        )
    try:
        return Camera(name, *size, K, distortion)
    except ValueError as error:
        notes.append(f"The calibration is not usable: {error}.")
        return Camera(name, *size)


def scaled(camera: Camera, name: str, size: tuple[int, int]) -> Camera:
    """The camera of pictures of another size that show the same view.

    Without intrinsics where the shape differs, for then the view does too.
    """
    x, y = size[0] / camera.width, size[1] / camera.height
    if camera.intrinsics is None or abs(x / y - 1) > _SAME_SHAPE:
        return Camera(name, *size)
    K = np.diag([x, y, 1.0]) @ camera.intrinsics
    K[:2, 2] += (x - 1) / 2, (y - 1) / 2  # pixel centres lie on integers
    return Camera(name, *size, K, camera.distortion)


def _matrix(found: Calibration, rectified: bool) -> NDArray[np.float64]:
    if rectified and len(found.P) == 12 and found.P[0]:
        return np.array(found.P, np.float64).reshape(3, 4)[:, :3]
    return np.array(found.K, np.float64).reshape(-1, 3)


def _distortion(found: Calibration) -> tuple[float, ...]:
    return found.D if any(found.D) and all(np.isfinite(found.D)) else ()
