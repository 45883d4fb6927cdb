"""From logits on a device to run-length masks here: only bitmaps travel, eight pixels a byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper import masks

Tensor = Any
DELTA = 1.0
"""By how much a logit must pass zero to be beyond doubt; as SAM's mask generator has it."""


@dataclass(frozen=True, eq=False)
class Cutouts:
    """N masks of a picture.

    Attributes:
        bits: ``uint8 [N, H, ceil(W / 8)]``, the leftmost pixel in the highest bit.
        size: ``(H, W)``.
        box_xyxy: ``float32 [N, 4]`` pixels, half-open, the masks' own; zeros where one is empty.
    """

    bits: NDArray[np.uint8]
    size: tuple[int, int]
    box_xyxy: NDArray[np.float32]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which are not empty, ``[N]``."""
        return np.asarray(self.box_xyxy[:, 2] > 0)

    def crop(self, k: int, box: NDArray[Any]) -> NDArray[np.bool_]:
        """Mask k inside a box ``(x0, y0, x1, y1)`` of whole pixels in the picture."""
        x0, y0, x1, y1 = (int(v) for v in box)
        part = self.bits[k, y0:y1, x0 // 8 : -(-x1 // 8)]
        start = x0 % 8
        return np.unpackbits(part, axis=1)[:, start : start + x1 - x0].astype(np.bool_)

    def counts(self, k: int) -> bytes:
        """Mask k as COCO ``counts``."""
        box = self.box_xyxy[k]
        return masks.encode_crop(self.crop(k, box), (int(box[0]), int(box[1])), self.size)

    def filled(self, k: int, box: NDArray[Any]) -> float:
        """Share of a box in the picture that mask k fills."""
        height, width = self.size
        low = np.floor(np.clip(box[:2], 0, (width, height)))
        high = np.ceil(np.clip(box[2:], 0, (width, height)))
        crop = self.crop(k, np.concatenate([low, high]))
        return float(crop.mean()) if crop.size else 0.0


def cut_out(found: Tensor) -> Cutouts:
    """Masks from bitmaps ``bool [N, H, W]`` on any device."""
    import torch

    n, height, width = found.shape
    padded = torch.nn.functional.pad(found, (0, -width % 8)).to(torch.uint8)
    places = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=found.device)
    packed = (padded.view(n, height, -1, 8) * places).sum(-1, dtype=torch.uint8)
    bits = packed.cpu().numpy()
    return Cutouts(bits, (height, width), _boxes(bits))


def enlarge(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits ``[N, 1, h, w]`` at the size of the picture, ``float32 [N, H, W]``."""
    from torch.nn.functional import interpolate

    large = interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
    return large[:, 0]


def without_overlap(large: Tensor) -> Tensor:
    """Bitmaps of logits ``[N, H, W]`` of which each pixel is the one's that claims it most.

    The rule that SAM 2 has for this; of equal claims the first counts.
    """
    import torch

    if len(large) < 2:  # none to share a pixel with
        return large > 0
    claim, owner = large.max(0)
    owner = torch.where(claim > 0, owner, -1)
    every = torch.arange(len(large), device=large.device)
    return owner == every[:, None, None]


def stability(logits: Tensor, delta: float = DELTA) -> Tensor:
    """How little masks ``[N, ...]`` change with their threshold, ``[N]`` on the device.

    Area above ``delta`` over area above ``-delta``; NaN where both are none.
    """
    above = (logits > delta).flatten(1).sum(1).float()
    below = (logits > -delta).flatten(1).sum(1).float()
    return above / below


def _boxes(bits: NDArray[np.uint8]) -> NDArray[np.float32]:
    rows = np.asarray(bits.any(2))
    columns = np.unpackbits(np.bitwise_or.reduce(bits, 1), axis=1).astype(np.bool_)
    x0, x1 = _ends(columns)
    y0, y1 = _ends(rows)
    return np.stack([x0, y0, x1, y1], 1).astype(np.float32)


def _ends(used: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half-open range from the first to the last in each row ``[N, L]``; zeros where none is."""
    some = used.any(1)
    first = used.argmax(1)
    last = used.shape[1] - used[:, ::-1].argmax(1)
    return np.where(some, first, 0), np.where(some, last, 0)
