"""OWLv2: boxes for phrases, each embedded by itself; a box at every patch of the picture.

Any number of phrases is asked for at once, and their embeddings are kept from frame to frame. How
much a box looks like a thing at all comes with it, as the signal ``objectness``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scenekeeper.ground import flops
from scenekeeper.ground.candidates import CandidateConfig
from scenekeeper.ground.prompting import Picture, Prompted, Seen, prompted, read_parts
from scenekeeper.ground.tensors import Embedded, corners, prepare, probability, seen
from scenekeeper.models.checkpoint import expect_type, find_checkpoint
from scenekeeper.models.device import Device
from scenekeeper.models.source import Source

BATCH = 16

KEEP = CandidateConfig(min_score=0.05)
"""Its scores are lower than other grounders': its authors find boxes from 0.1 on."""


def load(source: Source, device: Device) -> Prompted:
    """The model of a name; its weights are read when it first looks.

    Raises:
        ModelError: there is no such checkpoint, or it is of another family.
    """
    folder = find_checkpoint(source)
    config = expect_type(folder, "owlv2")
    cost = flops.owlv2(config)
    return prompted(source, folder, partial(Network, folder, device), KEEP, BATCH, cost)


class Network:
    """The weights at work."""

    def __init__(self, folder: Path, device: Device, min_score: float) -> None:
        self.processor, self.tokenizer, self.model = read_parts(folder, device)
        self.device = device
        self.min_score = min_score
        self.embedded = Embedded(self.embed)

    def look(self, pictures: Sequence[Picture], texts: Sequence[str]) -> list[Seen]:
        """What it sees in pictures of one size."""
        import torch

        height, width = pictures[0].shape[:2]
        with torch.inference_mode():
            with self.device.autocast():
                x = prepare(self.processor, pictures, self.device)
                grid, _ = self.model.image_embedder(x["pixel_values"])
            features = grid.float().flatten(1, 2)
            queries = self.embedded(texts).expand(len(pictures), -1, -1)
            logits, _ = self.model.class_predictor(features, queries)
            things = probability(self.model.objectness_predictor(features))
            # The picture was filled up to a square, at the right or at the bottom.
            side = max(height, width)
            boxes = corners(self.model.box_predictor(features, grid), side, side)
            return [
                seen(b, s, self.min_score, objectness=o)
                for b, s, o in zip(boxes, probability(logits), things, strict=True)
            ]

    def embed(self, texts: Sequence[str]) -> Any:
        """Embeddings ``[T, D]`` of unit length; a text is cut off where the tower's places end."""
        places = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=places,
            return_tensors="pt",
        ).to(self.device.name)
        with self.device.autocast():
            told = self.model.owlv2.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            )
        vectors = told.pooler_output.float()
        return vectors / (vectors.norm(dim=-1, keepdim=True) + 1e-6)
