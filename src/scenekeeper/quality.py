"""Picture quality per frame: sharpness, exposure, how much depth is known, and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper.schema import QUALITY, Clip, Frame


@dataclass(frozen=True)
class QualityConfig:
    """Thresholds of the flags.

    Attributes:
        blurred: a frame is ``blurred`` when its sharpness is below this share of its clip's median.
        dark: ``dark`` when more than this share of pixels is below 16 of 255.
        bright: ``bright`` when more than this share of pixels is above 247 of 255.
        sparse_depth: ``sparse_depth`` when less than this share of pixels has depth.
    """

    blurred: float = 0.4
    dark: float = 0.6
    bright: float = 0.25
    sparse_depth: float = 0.4


@dataclass(frozen=True)
class Quality:
    """The stage."""

    config: QualityConfig = field(default_factory=QualityConfig)
    name: str = "quality"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ("quality",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 1, "config": asdict(self.config)}

    def open(self, clip: Clip, tables: object) -> QualityJob:
        """Start on a clip."""
        return QualityJob(clip, self.config)


@dataclass
class QualityJob:
    """Measures frames in any order, flags them against their clip at the end."""

    clip: Clip
    config: QualityConfig
    rows: list[dict[str, Any]] = field(default_factory=list)

    def encode(self, frame: Frame) -> dict[str, Any]:
        """Measure one frame."""
        return measure(frame)

    def collect(self, row: dict[str, Any]) -> None:
        """Keep one frame's numbers."""
        self.rows.append({"session": self.clip.session, **row})

    def finish(self) -> Mapping[str, pa.Table]:
        """Flag the frames."""
        usual = float(np.median([r["sharpness"] for r in self.rows])) if self.rows else 0.0
        for row in self.rows:
            row["flags"] = _flags(row, usual, self.config)
        return {"quality": pa.Table.from_pylist(self.rows, QUALITY)}


def measure(frame: Frame) -> dict[str, Any]:
    """Quality numbers of one frame.

    Returns:
        ``sharpness``: variance of the Laplacian of the half-size grey image; ``brightness``: mean
        0..255; ``dark``, ``bright``: shares of pixels near either end; ``depth_known``: share of
        pixels with depth, ``None`` without a depth image.
    """
    grey = _half_grey(frame.rgb)
    laplacian = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    return {
        "frame_id": frame.frame_id,
        "sharpness": float(laplacian.var()) if laplacian.size else 0.0,
        "brightness": float(grey.mean()),
        "dark": float((grey < 16).mean()),
        "bright": float((grey > 247).mean()),
        "depth_known": None if frame.depth is None else float((frame.depth > 0).mean()),
    }


def _half_grey(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = rgb.astype(np.uint16) @ np.array([77, 150, 29], np.uint16) >> 8
    height, width = (side // 2 * 2 for side in grey.shape)
    if not height or not width:
        return grey.astype(np.float32)
    # Averaging 2x2 pixels halves the sensor's noise, which would pass for sharpness.
    grey = grey[:height, :width]
    total = grey[0::2, 0::2] + grey[1::2, 0::2] + grey[0::2, 1::2] + grey[1::2, 1::2]
    quarter: NDArray[np.float32] = total.astype(np.float32) / np.float32(4)
    return quarter


def _flags(row: Mapping[str, Any], usual_sharpness: float, config: QualityConfig) -> list[str]:
    depth = row["depth_known"]
    checks = {
        "blurred": row["sharpness"] < config.blurred * usual_sharpness,
        "dark": row["dark"] > config.dark,
        "bright": row["bright"] > config.bright,
        "sparse_depth": depth is not None and depth < config.sparse_depth,
    }
    return [name for name, found in checks.items() if found]
