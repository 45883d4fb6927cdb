"""Grounding DINO, MM Grounding DINO and LLMDet: boxes for phrases that stand in one prompt.

A box's score for a phrase is the mean probability of the phrase's own tokens (GLIP, Li et al.
2022, as in MMDetection). A vocabulary longer than a prompt is asked for in several; what is seen in
the picture before words come in is computed once. Phrases in one prompt see each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from scenekeeper.ground import flops
from scenekeeper.ground.candidates import CandidateConfig
from scenekeeper.ground.deformable import lean_attention
from scenekeeper.ground.prompting import Picture, Prompted, Seen, prompted, read_parts
from scenekeeper.ground.spans import Marks, Prompt, prompts_within
from scenekeeper.ground.tensors import corners, in_float32, prepare, probability, seen
from scenekeeper.models.checkpoint import expect_type, find_checkpoint
from scenekeeper.models.device import Device
from scenekeeper.models.source import Source

BATCH = 8


def load(source: Source, device: Device) -> Prompted:
    """The model of a name; its weights are read when it first looks.

    Raises:
        ModelError: there is no such checkpoint, or it is of another family.
    """
    folder = find_checkpoint(source)
    config = expect_type(folder, "grounding-dino", "mm-grounding-dino")
    cost = flops.grounding_dino(config, flops.input_size(folder))
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
        self.lock = Lock()  # the shared backbone is part of the model while it looks
        inner = self.model.model
        heads = [*self.model.bbox_embed, *inner.decoder.bbox_embed, *self.model.class_embed]
        in_float32([*heads, inner.encoder_output_bbox_embed], device)

    def look(self, pictures: Sequence[Picture], texts: Sequence[str]) -> list[Seen]:
        """What it sees in pictures of one size."""
        import torch

        height, width = pictures[0].shape[:2]
        prompts = list(self.prompts(texts))
        with torch.inference_mode():
            with self.lock, self.device.autocast():
                x = prepare(self.processor, pictures, self.device)
                with seen_once(self.model, x["pixel_values"], x["pixel_mask"]):
                    told = [self._ask(x, prompt) for prompt in prompts]
            boxes = torch.cat([corners(t.pred_boxes, width, height) for t in told], 1)
            scores = [
                per_phrase(probability(t.logits), prompt, len(texts))
                for t, prompt in zip(told, prompts, strict=True)
            ]
            return [
                seen(b, s, self.min_score) for b, s in zip(boxes, torch.cat(scores, 1), strict=True)
            ]

    def prompts(self, texts: Sequence[str]) -> Iterator[Prompt]:
        """The prompts that ask for texts."""
        tokens = self.tokenizer
        number = tokens.convert_tokens_to_ids
        marks = Marks(tokens.cls_token_id, tokens.sep_token_id, number("."), {number("?")})
        lower = [text.lower() for text in texts]
        pieces = tokens(lower, add_special_tokens=False)["input_ids"]
        return prompts_within(self.model.config.max_text_len, pieces, marks)

    def _ask(self, x: Any, prompt: Prompt) -> Any:
        import torch

        pixels = x["pixel_values"]
        ids = torch.tensor([prompt.ids] * len(pixels), device=pixels.device)
        return self.model(
            pixel_values=pixels,
            pixel_mask=x["pixel_mask"],
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            token_type_ids=torch.zeros_like(ids),
        )


def per_phrase(tokens: Any, prompt: Prompt, phrases: int) -> Any:
    """Scores of phrases ``[B, Q, P]``, 0 for those not in the prompt.

    Args:
        tokens: ``[B, Q, L]`` probability of each token.
        prompt: what was asked.
        phrases: P, in the whole vocabulary.
    """
    share = tokens.new_zeros(tokens.shape[-1], phrases)
    for k, (start, stop) in enumerate(prompt.spans, prompt.first):
        share[start:stop, k] = 1 / max(1, stop - start)
    return tokens @ share


@contextmanager
def seen_once(model: Any, pixels: Any, mask: Any) -> Iterator[None]:
    """Within this, every prompt about these pixels is given the same features of them.

    The backbone does not know the words, so its answer is the same for each.
    """
    backbone = model.model.backbone
    maps, positions = backbone(pixels, mask)
    backbone.forward = lambda *_: (list(maps), list(positions))  # the model appends to its copy
    try:
        yield
    finally:
        del backbone.forward
