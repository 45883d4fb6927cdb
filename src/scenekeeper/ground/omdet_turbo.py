"""OmDet-Turbo: boxes for phrases that are named in a task, ``Detect mug, dish towel.``

The network sees the picture once and is then asked task by task, as many phrases in each as its
text tower can read. Phrases and tasks are embedded once and kept from frame to frame. A phrase's
score is how alike a box and the phrase are, by itself; phrases in one task share its boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from scenekeeper.ground import flops
from scenekeeper.ground.candidates import CandidateConfig
from scenekeeper.ground.deformable import lean_attention
from scenekeeper.ground.prompting import Picture, Prompted, Seen, prompted, read_parts
from scenekeeper.ground.tensors import Embedded, corners, prepare, probability, seen
from scenekeeper.models.checkpoint import expect_type, find_checkpoint
from scenekeeper.models.device import Device
from scenekeeper.models.source import Source

BATCH = 16
PLACES = 77
"""Tokens its text tower reads: those of CLIP."""


def load(source: Source, device: Device) -> Prompted:
    """The model of a name; its weights are read when it first looks.

    Raises:
        ModelError: there is no such checkpoint, or it is of another family.
    """
    folder = find_checkpoint(source)
    config = expect_type(folder, "omdet-turbo")
    cost = flops.omdet_turbo(config, flops.input_size(folder))
    return prompted(
        source, folder, partial(Network, folder, device), CandidateConfig(), BATCH, cost
    )


class Network:
    """The weights at work."""

    def __init__(self, folder: Path, device: Device, min_score: float) -> None:
        self.processor, self.tokenizer, self.model = read_parts(folder, device)
        lean_attention(self.model)
        self.device = device
        self.min_score = min_score
        self.named = Embedded(self.embed_names)
        self.tasks = Embedded(self.embed_tasks)
        self.parts = lru_cache(4)(self._parts)  # a clip asks for the same words over and over

    def look(self, pictures: Sequence[Picture], texts: Sequence[str]) -> list[Seen]:
        """What it sees in pictures of one size."""
        import torch

        height, width = pictures[0].shape[:2]
        with torch.inference_mode():
            with self.device.autocast():
                x = prepare(self.processor, pictures, self.device)
                maps = self.model.vision_backbone(x["pixel_values"])
                maps = self.model.encoder(maps, return_dict=True).extracted_states
            maps = [m.float() for m in maps]  # anchors take the maps' number format
            boxes, scores, at = [], [], 0
            for part in self.parts(tuple(texts)):
                told = self._ask(maps, part, len(pictures))
                boxes.append(corners(told.decoder_coords[-1], width, height))
                wide = (at, len(texts) - at - len(part))
                likely = probability(told.decoder_classes[-1])
                scores.append(torch.nn.functional.pad(likely, wide))
                at += len(part)
            every_box, every_score = torch.cat(boxes, 1), torch.cat(scores, 1)
            return [seen(b, s, self.min_score) for b, s in zip(every_box, every_score, strict=True)]

    def _parts(self, texts: tuple[str, ...]) -> list[list[str]]:
        """Texts in order, as many together as a task can name."""
        parts: list[list[str]] = [[]]
        for text in texts:
            whole = self.tokenizer(task_of([*parts[-1], text]))["input_ids"]
            if parts[-1] and len(whole) > PLACES:
                parts.append([])
            parts[-1].append(text)
        return parts

    def _ask(self, maps: Sequence[Any], part: Sequence[str], pictures: int) -> Any:
        """The decoder's answer to one task."""
        import torch

        names, task = self.named(part), self.tasks([task_of(part)])[0]
        return self.model.decoder(
            list(maps),
            names[:, None].expand(-1, pictures, -1),
            task[:, None].expand(-1, pictures, -1),
            torch.ones(pictures, len(task), dtype=torch.long, device=task.device),
            return_dict=True,
        )

    def embed_names(self, texts: Sequence[str]) -> Any:
        """Embeddings ``[T, D]`` of phrases."""
        tower = self.model.language_backbone
        with self.device.autocast():
            return tower(self._tokens(texts), encode_type="class").float()

    def embed_tasks(self, texts: Sequence[str]) -> list[Any]:
        """Embeddings ``[L, D]`` of each task's tokens."""
        tower, out = self.model.language_backbone, []
        for text in texts:
            ids = self._tokens([text])
            with self.device.autocast():
                features, _ = tower(ids, mask=ids.new_ones(ids.shape), encode_type="task")
            out.append(features[:, 0].float())
        return out

    def _tokens(self, texts: Sequence[str]) -> Any:
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=PLACES, return_tensors="pt"
        )
        return tokens["input_ids"].to(self.device.name)


def task_of(phrases: Sequence[str]) -> str:
    """The task that asks for phrases, as the network was taught it."""
    return f"Detect {', '.join(phrases)}."
