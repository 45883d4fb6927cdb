"""Tiny HDF5 episodes as ALOHA's recorder writes them: no clock, no depth, 32-bit floats."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import simplejpeg
from numpy.typing import NDArray

WIDTH, HEIGHT, JOINTS = 24, 16, 3
CAMERAS = ("cam_low", "cam_high")
"""Not in the order in which HDF5 lists them."""


def pictures(n: int, camera: int) -> NDArray[np.uint8]:
    """``uint8 [n, H, W, 3]``, smooth and all different."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack(
        [np.stack((u * 9, v * 9, u * 0 + 20 * k + camera), -1) for k in range(n)]
    ).astype(np.uint8)


def table(n: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, JOINTS)).astype(np.float32)


def write(path: Path, n: int = 5, compress: bool = False) -> Path:
    """One episode of ``n`` steps and two cameras."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["sim"], file.attrs["compress"] = False, compress
        images = file.create_group("observations/images")
        stored = [pictures(n, k) for k in range(len(CAMERAS))]
        if compress:
            files = [[encoded(p) for p in some] for some in stored]
            file["compress_len"] = np.array([[len(f) for f in some] for some in files], np.float32)
            stored = [padded(some, max(len(f) for every in files for f in every)) for some in files]
        for camera, some in zip(CAMERAS, stored, strict=True):
            images.create_dataset(camera, data=some, chunks=(1, *some.shape[1:]))
        for seed, key in enumerate(("qpos", "qvel", "effort")):
            file[f"observations/{key}"] = table(n, seed)
        file["action"] = table(n, 3)
    return path


def encoded(picture: NDArray[np.uint8]) -> bytes:
    """As OpenCV encodes an RGB picture that it takes for BGR."""
    return simplejpeg.encode_jpeg(picture, 90, colorspace="BGR")


def padded(files: list[bytes], longest: int) -> NDArray[np.uint8]:
    lines = [file.ljust(longest, b"\0") for file in files]
    return np.frombuffer(b"".join(lines), np.uint8).reshape(len(files), longest)
