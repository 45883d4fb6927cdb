"""A model of the SAM families with its processor, read from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenekeeper.models.checkpoint import load_part, load_weights
from scenekeeper.models.device import Device
from scenekeeper.schema import Frame

CLASSES: Mapping[str, tuple[str, str]] = {
    "sam2_video": ("Sam2VideoModel", "Sam2VideoProcessor"),
    "edgetam_video": ("EdgeTamVideoModel", "Sam2VideoProcessor"),
    "sam3_tracker_video": ("Sam3TrackerVideoModel", "Sam3TrackerVideoProcessor"),
}
"""Model and processor of transformers by the kind of checkpoint."""


@dataclass(frozen=True, eq=False)
class Sam:
    """A model on a device, and what makes pictures and prompts fit for it."""

    model: Any
    processor: Any
    device: Device

    def pixels(self, frames: list[Frame]) -> Any:
        """Pictures as the model wants them, ``float32 [B, 3, S, S]``.

        Each is uploaded as it is and resized on the device.
        """
        import torch

        images = [torch.tensor(f.rgb).permute(2, 0, 1).to(self.device.name) for f in frames]
        done = self.processor.image_processor(
            images=images, device=self.device.name, return_tensors="pt"
        )
        return done["pixel_values"]

    def session(self) -> Any:
        """An empty session."""
        return self.processor.init_video_session(inference_device=self.device.name)


def read_sam(folder: Path, kind: str, device: Device) -> Sam:
    """A model on a device.

    Args:
        folder: of the checkpoint.
        kind: see :data:`CLASSES`.
        device: where it shall run.

    Raises:
        ModelError: weights or processor are missing or damaged.
    """
    import transformers

    model, processor = (getattr(transformers, name) for name in CLASSES[kind])
    weights = load_weights(model, folder, device.name)
    return Sam(weights, load_part(processor, folder), device)
