"""Masks for the boxes of single frames: SAM 2 as an image model, without memory or tracks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scenekeeper.geometry import box_iou
from scenekeeper.models.base import Card, Words
from scenekeeper.models.device import in_batches
from scenekeeper.models.once import Once
from scenekeeper.schema import Frame, Labels
from scenekeeper.segment.cutout import cut_out, enlarge, stability
from scenekeeper.segment.sam_weights import Sam


@dataclass(frozen=True, eq=False)
class BoxMasks:
    """Adds a mask to every box; boxes become the masks' own. Masks may overlap, as boxes may."""

    card: Card
    weights: Once[Sam]

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        """The labels of each frame with masks; a box in which nothing is seen stays as it is.

        Signals are added: ``mask_iou``, ``objectness``, ``stability`` and ``detector_iou``, the
        IoU of the mask's own box with the one that was given.

        Raises:
            ModelError: the weights are missing or damaged.
        """
        import torch

        sam = self.weights()
        pairs = list(zip(frames, prior, strict=True))
        with torch.inference_mode(), sam.device.autocast():
            return in_batches(lambda batch: list(_masked(sam, batch)), pairs, self.card.max_batch)


def _masked(sam: Sam, pairs: Sequence[tuple[Frame, Labels | None]]) -> Iterator[Labels]:
    """Encodes the pictures together and the boxes of each at once."""
    asked = [frame for frame, prior in pairs if prior is not None and len(prior)]
    seen = sam.model.get_image_features(sam.pixels(asked), return_dict=True) if asked else None
    place = 0
    for frame, prior in pairs:
        size = (frame.rgb.shape[0], frame.rgb.shape[1])
        if prior is None or not len(prior):
            yield Labels.empty(frame) if prior is None else prior
            continue
        yield _with_masks(sam, prior, size, _features(seen, place))
        place += 1


def _features(seen: Any, k: int) -> dict[str, list[Any]]:
    """What a session's cache holds of one of several pictures."""
    kinds = {
        "vision_feats": seen.fpn_hidden_states,
        "vision_pos_embeds": seen.fpn_position_encoding,
    }
    return {
        name: [x[:, k : k + 1] if x.shape[1] > 1 else x for x in maps]
        for name, maps in kinds.items()
    }


def _with_masks(
    sam: Sam, prior: Labels, size: tuple[int, int], features: dict[str, list[Any]]
) -> Labels:
    from scenekeeper.segment.sam_batched import step

    session = sam.session()
    session.cache.cache_vision_features(0, features)
    sam.processor.add_inputs_to_inference_session(
        session,
        0,
        obj_ids=list(range(len(prior))),
        input_boxes=[prior.box_xyxy.tolist()],
        original_size=size,
    )
    said = step(sam.model, session, 0, encode=False)
    cut = cut_out(enlarge(said.logits, size) > 0)
    box = np.where(cut.found[:, None], cut.box_xyxy, prior.box_xyxy)
    signals = {
        "mask_iou": said.iou.cpu().numpy(),
        "objectness": said.objectness[:, 0].float().sigmoid().cpu().numpy(),
        "stability": stability(said.logits).cpu().numpy(),
        "detector_iou": np.diagonal(box_iou(cut.box_xyxy, prior.box_xyxy)).astype(np.float32),
    }
    return replace(
        prior,
        box_xyxy=box,
        mask=tuple(cut.counts(k) if found else None for k, found in enumerate(cut.found)),
        signals={**prior.signals, **signals},
    )
