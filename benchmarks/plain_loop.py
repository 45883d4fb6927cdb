"""What transformers' own pages show for its classes: one picture at a time, nothing shared.

The peers of :mod:`benchmarks.gpu`. Models are in float32, as the classes load by default, or under
autocast to bfloat16; answers are those of the stock post-processing and stay where it leaves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.models.device import Device

Picture = NDArray[np.uint8]


class PlainDetector:
    """Grounding DINO as its page has it: the picture is prepared on the CPU.

    Args:
        folder: of the checkpoint.
        device: where it runs.
        kept: boxes of a picture; the thresholds are set so that of the first so many stay.
    """

    def __init__(self, folder: Path, device: Device, kept: int) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        self.processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        auto = AutoModelForZeroShotObjectDetection
        self.model = auto.from_pretrained(folder, local_files_only=True).to(device.name)
        self.device, self.kept = device, kept
        self.threshold: float | None = None

    def __call__(self, rgb: Picture, texts: Sequence[str]) -> Any:
        """Boxes, scores and labels of a picture."""
        import torch
        from PIL import Image

        image = Image.fromarray(rgb)
        inputs = self.processor(images=image, text=[list(texts)], return_tensors="pt")
        inputs = inputs.to(self.model.device)
        with torch.no_grad(), self.device.autocast():
            outputs = self.model(**inputs)
        if self.threshold is None:
            scores = outputs.logits.sigmoid().amax(-1)[0].sort(descending=True).values
            self.threshold = float(scores[min(self.kept, len(scores) - 1)])
        [found] = self.processor.post_process_grounded_object_detection(
            outputs,
            inputs.input_ids,
            threshold=self.threshold,
            text_threshold=self.threshold,
            target_sizes=[image.size[::-1]],
        )
        return found


class PlainSegmenter:
    """SAM 2 in a streaming session as its page has it: the picture is prepared on the device.

    Args:
        folder: of the checkpoint.
        device: where it runs.
        boxes: of the things, in the first picture.
    """

    def __init__(self, folder: Path, device: Device, boxes: NDArray[np.float32]) -> None:
        from transformers import Sam2VideoModel, Sam2VideoProcessor

        self.processor = Sam2VideoProcessor.from_pretrained(folder, local_files_only=True)
        model = Sam2VideoModel.from_pretrained(folder, local_files_only=True)
        self.model = model.to(device.name)
        self.device, self.boxes = device, boxes
        self.session = self.processor.init_video_session(inference_device=device.name)
        self.frames = 0

    def __call__(self, rgb: Picture) -> Any:
        """Masks ``bool [N, 1, H, W]`` in the next picture."""
        import torch

        inputs = self.processor(images=rgb, device=self.device.name, return_tensors="pt")
        if self.frames == 0:
            self.processor.add_inputs_to_inference_session(
                inference_session=self.session,
                frame_idx=0,
                obj_ids=list(range(len(self.boxes))),
                input_boxes=[self.boxes.tolist()],
                original_size=inputs.original_sizes[0],
            )
        with torch.inference_mode(), self.device.autocast():
            out = self.model(inference_session=self.session, frame=inputs.pixel_values[0])
        self.frames += 1
        sizes = inputs.original_sizes
        return self.processor.post_process_masks([out.pred_masks], original_sizes=sizes)[0]
