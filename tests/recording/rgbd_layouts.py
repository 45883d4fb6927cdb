"""Tiny RGB-D folders of every layout: four frames of a camera that moves along x."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT, FRAMES = 32, 24, 4
K = np.array([[30.0, 0, 15.5], [0, 31.0, 11.5], [0, 0, 1]])


def color(k: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A smooth picture, so that JPEG keeps it nearly as it is."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack(
        (x * 200 // width, y * 200 // height, np.full_like(x, 40 * k % 256)), -1
    ).astype(np.uint8)


def depth_numbers(k: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint16]:
    """A ramp from 1000; the first pixel is 0, the second 65535."""
    numbers = (1000 + 100 * k + np.arange(width * height)).astype(np.uint16)
    numbers[:2] = 0, 65535
    return numbers.reshape(height, width)


def pose(k: int) -> NDArray[np.float64]:
    angle = 0.1 * k
    T = np.eye(4)
    T[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    T[0, 3] = k
    return T


def save(path: Path, pixels: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def seven_scenes(folder: Path) -> Path:
    for k in range(FRAMES):
        save(folder / f"frame-{k:06d}.color.jpg", color(k))
        save(folder / f"frame-{k:06d}.depth.png", depth_numbers(k))
        np.savetxt(folder / f"frame-{k:06d}.pose.txt", pose(k))
    np.savetxt(folder / "camera-intrinsics.txt", K)
    return folder


def tum(folder: Path) -> Path:
    lists: dict[str, list[str]] = {"rgb": ["# color images"], "depth": ["# depth maps"]}
    truth = ["# timestamp tx ty tz qx qy qz qw"]
    for k in range(FRAMES):
        seconds = f"1305031102.{175304 + 33333 * k:06d}"
        later = f"1305031102.{175304 + 33333 * k + 4000:06d}"
        save(folder / f"rgb/{seconds}.png", color(k))
        save(folder / f"depth/{later}.png", depth_numbers(k))
        lists["rgb"].append(f"{seconds} rgb/{seconds}.png")
        lists["depth"].append(f"{later} depth/{later}.png")
        truth.append(f"{seconds} {k} 0 0 0 0 {np.sin(0.05 * k):.6f} {np.cos(0.05 * k):.6f}")
    for name, lines in {**lists, "groundtruth": truth}.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (folder / "calibration.txt").write_text("30 31 15.5 11.5\n")
    return folder


def scannet(folder: Path) -> Path:
    """Colour is twice the size of depth; the file names are not padded."""
    for k in range(FRAMES):
        save(folder / f"color/{k}.jpg", color(k, 2 * WIDTH, 2 * HEIGHT))
        save(folder / f"depth/{k}.png", depth_numbers(k))
        (folder / "pose").mkdir(exist_ok=True)
        np.savetxt(folder / f"pose/{k}.txt", pose(k))
    wide, narrow = np.eye(4), np.eye(4)
    wide[:3, :3] = np.diag([2, 2, 1]) @ K
    narrow[:3, :3] = K
    (folder / "intrinsic").mkdir()
    np.savetxt(folder / "intrinsic/intrinsic_color.txt", wide)
    np.savetxt(folder / "intrinsic/intrinsic_depth.txt", narrow)
    np.savetxt(folder / "intrinsic/extrinsic_color.txt", np.eye(4))
    np.savetxt(folder / "intrinsic/extrinsic_depth.txt", np.eye(4))
    return folder


def replica(folder: Path) -> Path:
    for k in range(FRAMES):
        save(folder / f"results/frame{k:06d}.jpg", color(k))
        save(folder / f"results/depth{k:06d}.png", depth_numbers(k))
    np.savetxt(folder / "traj.txt", [pose(k).ravel() for k in range(FRAMES)])
    numbers = {"w": WIDTH, "h": HEIGHT, "fx": 30, "fy": 31, "cx": 15.5, "cy": 11.5}
    (folder / "cam_params.json").write_text(json.dumps({"camera": {**numbers, "scale": 6553.5}}))
    return folder


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "7-Scenes": seven_scenes,
    "TUM RGB-D": tum,
    "ScanNet": scannet,
    "Replica": replica,
}
