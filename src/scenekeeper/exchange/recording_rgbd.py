"""Write any recording as an RGB-D folder in the layout of the TUM benchmark.

Chosen among the RGB-D layouts because it alone keeps capture times and poses at their own rate.
Pictures that are files already are copied byte for byte; depth is 16-bit PNG, 5000 per metre.
What has no place in the layout (joints, actions) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from scenekeeper.errors import ExportError
from scenekeeper.exchange.folder import replacing_folder
from scenekeeper.recording.base import Encoded, Images, Recording, Signal, View

PER_METRE = 5000
JPEG_QUALITY = 95


def write_rgbd(recording: Recording, path: Path) -> Path:
    """Write a recording as one RGB-D folder, or as one per camera inside it.

    Raises:
        ExportError: the folder exists or cannot be written, or there are no pictures.
        RecordingError: a picture of the recording cannot be read.
    """
    if not recording.views:
        raise ExportError(
            "the recording has no pictures", path=path, remedy="Use --format mcap or hdf5."
        )
    with replacing_folder(path) as folder:
        for view in recording.views:
            part = folder if len(recording.views) == 1 else folder / view.camera.name.strip("/")
            part.mkdir(parents=True, exist_ok=True)
            _write_view(part, view)
    return path


def _write_view(folder: Path, view: View) -> None:
    if view.camera.intrinsics is not None:
        np.savetxt(folder / "camera-intrinsics.txt", view.camera.intrinsics, fmt="%.10g")
    _write_list(folder, "rgb", view.rgb, _color_files(view.rgb))
    if view.depth is not None:
        _write_list(folder, "depth", view.depth, _depth_files(view.depth))
    if view.poses is not None:
        _write_poses(folder / "groundtruth.txt", view.poses)


def _write_list(
    folder: Path, name: str, images: Images, files: Iterator[tuple[str, bytes | Image.Image]]
) -> None:
    """The pictures of one stream and the list of them by time."""
    (folder / name).mkdir()
    lines = ["# timestamp filename\n"]
    for t_ns, (suffix, content) in zip(images.t_ns.tolist(), files, strict=True):
        stamp = seconds(t_ns)
        file = folder / name / f"{stamp}.{suffix}"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            content.save(file, compress_level=3)
        lines.append(f"{stamp} {name}/{file.name}\n")
    (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")


def _color_files(rgb: Images) -> Iterator[tuple[str, bytes]]:
    stored = rgb.source.encoded(0) if len(rgb) else None
    if stored is None:
        for pixels in rgb.source.read(range(len(rgb))):
            yield "jpg", _jpeg(pixels)
        return
    for row in range(len(rgb)):
        picture: Encoded | None = rgb.source.encoded(row)
        if picture is None:
            yield "jpg", _jpeg(next(iter(rgb.source.read([row]))))
        else:
            yield {"jpeg": "jpg"}.get(picture.format, picture.format), picture.data


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    pixels = np.ascontiguousarray(pixels)
    return bytes(
        simplejpeg.encode_jpeg(pixels, JPEG_QUALITY, colorspace="RGB", colorsubsampling="444")
    )


def _depth_files(depth: Images) -> Iterator[tuple[str, Image.Image]]:
    for metres in depth.source.read(range(len(depth))):
        units = np.rint(metres.astype(np.float64) * PER_METRE)
        units[units > np.iinfo(np.uint16).max] = 0  # farther than the format can say: unknown
        yield "png", Image.fromarray(units.astype(np.uint16))


def _write_poses(file: Path, poses: Signal) -> None:
    lines = ["# timestamp tx ty tz qx qy qz qw\n"]
    for t_ns, row in zip(poses.t_ns.tolist(), poses.values.tolist(), strict=True):
        lines.append(" ".join([seconds(t_ns), *(repr(v) for v in row)]) + "\n")
    file.write_text("".join(lines), encoding="utf-8")


def seconds(t_ns: int) -> str:
    """Nanoseconds as decimal seconds, exactly."""
    whole, rest = divmod(t_ns, 1_000_000_000)
    return f"{whole}.{rest:09d}"
