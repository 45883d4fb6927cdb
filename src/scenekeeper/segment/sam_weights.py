"""A model of the SAM families with its processor: read once, when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenekeeper.errors import ModelError
from scenekeeper.models.checkpoint import load_weights
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


@dataclass(frozen=True, eq=False)
class Weights:
    """Where a model's weights are.

    Attributes:
        folder: of the checkpoint.
        kind: see :data:`CLASSES`.
        device: where the model shall run.
    """

    folder: Path
    kind: str
    device: Device
    _read: list[Sam] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self) -> Sam:
        """The model; read at the first call.

        Raises:
            ModelError: weights or processor are missing or damaged.
        """
        with self._lock:
            if not self._read:
                self._read.append(self._open())
            return self._read[0]

    def _open(self) -> Sam:
        import transformers

        model, processor = (getattr(transformers, name) for name in CLASSES[self.kind])
        weights = load_weights(model, self.folder, self.device.name)
        return Sam(weights, read_processor(processor, self.folder), self.device)


def read_processor(kind: Any, folder: Path) -> Any:
    """A checkpoint's processor.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"has no processor that can be read ({error})",
            path=folder,
            remedy="Fetch the checkpoint again, its JSON files too.",
        ) from error
