"""SAM 3 for clips as transformers has it, with what it leaves out offline and does one by one.

Nouns go through the detector in batches over the features of one picture; doubles, holes and
specks are removed without kernels from the hub; all things are followed at once; and in the frame
in which a thing is removed, the masks of the others stay theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from transformers import Sam3VideoModel
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

from scenekeeper.models.device import in_batches
from scenekeeper.segment.mask_tidy import singles, tidy
from scenekeeper.segment.sam_batched import Step, step

Tensor = Any


class ConceptSession(Sam3VideoInferenceSession):  # type: ignore[misc]
    """A clip whose length is known and whose frames come one by one.

    So the model removes what it comes to doubt, as it does only where it has a whole clip.

    Attributes:
        length: frames of the clip.
        said: what the tracker said of the frame before anything was added or removed.
        detections: of the frame, by prompt.
    """

    def __init__(self, length: int, device: str) -> None:
        super().__init__(
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=torch.float32,
        )
        self.length = length
        self.said: Step | None = None
        self.detections: dict[int, dict[str, Tensor]] = {}

    @property
    def num_frames(self) -> int:
        """As if all frames had been seen; more may come than were told."""
        return max(self.length, max(self.processed_frames or (0,)) + 1)


class ConceptModel(Sam3VideoModel):  # type: ignore[misc]
    """``Sam3VideoModel`` for :class:`ConceptSession`.

    Attributes:
        nouns_at_once: through the detector.
        batched: things are followed at once; else as in transformers, one by one.
    """

    nouns_at_once = 16
    batched = True

    def run_detection(
        self, inference_session: ConceptSession, vision_embeds: Any
    ) -> dict[int, dict[str, Tensor]]:
        """Boxes, masks and scores by prompt."""
        s = inference_session
        if missing := [k for k in s.prompts if k not in s.prompt_embeddings]:
            said = self.detector_model.get_text_features(
                input_ids=torch.cat([s.prompt_input_ids[k] for k in missing]),
                attention_mask=torch.cat([s.prompt_attention_masks[k] for k in missing]),
                return_dict=True,
            )
            for n, k in enumerate(missing):
                s.prompt_embeddings[k] = said.pooler_output[n : n + 1]
        prompts = list(s.prompts)
        found = in_batches(
            lambda batch: self._detect(s, vision_embeds, batch), prompts, self.nouns_at_once
        )
        s.detections = dict(zip(prompts, found, strict=True))
        return s.detections

    def _detect(
        self, session: ConceptSession, seen: Any, prompts: Sequence[int]
    ) -> list[dict[str, Tensor]]:
        n = len(prompts)
        text = torch.cat([session.prompt_embeddings[k] for k in prompts])
        said = self.detector_model(
            vision_embeds=seen.__class__(**{k: _repeated(v, n) for k, v in seen.items()}),
            text_embeds=SimpleNamespace(pooler_output=text),
            attention_mask=torch.cat([session.prompt_attention_masks[k] for k in prompts]),
        )
        scores = (said.pred_logits.sigmoid() * said.presence_logits.sigmoid()).float()
        return [self._kept(said, scores, k) for k in range(n)]

    def _kept(self, said: Any, scores: Tensor, k: int) -> dict[str, Tensor]:
        """Sure detections of the k-th prompt, without doubles."""
        rows = torch.nonzero(scores[k] > self.score_threshold_detection)[:, 0]
        if self.det_nms_thresh > 0:
            masks = said.pred_masks[k][rows] > 0
            rows = rows[singles(masks, scores[k][rows], self.det_nms_thresh)]
        parts = {"bbox": said.pred_boxes[k], "mask": said.pred_masks[k], "scores": scores[k]}
        return {name: value[rows] for name, value in parts.items()}

    def run_tracker_propagation(
        self, inference_session: ConceptSession, frame_idx: int, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        """Low-resolution masks ``[N, h, w]`` and scores ``[N]`` of what is followed."""
        s = inference_session
        if not s.obj_ids:
            s.said = None
            side = self.low_res_mask_size
            return torch.zeros(0, side, side, device=self.device), torch.zeros(
                0, device=self.device
            )
        s.said = self._step(s, frame_idx, encode=False)
        masks = tidy(s.said.logits[:, 0], self.fill_hole_area)
        return masks, s.said.objectness[:, 0]

    def _step(self, session: ConceptSession, frame: int, encode: bool) -> Step:
        if self.batched:
            return step(self.tracker_model, session, frame, encode=encode, streaming=False)
        said = self.tracker_model(
            inference_session=session, frame_idx=frame, run_mem_encoder=encode
        )
        unknown = torch.full((len(said.object_ids),), torch.nan, device=self.device)
        return Step(tuple(said.object_ids), said.pred_masks, said.object_score_logits, unknown)

    def _tracker_add_new_objects(
        self,
        inference_session: ConceptSession,
        frame_idx: int,
        new_obj_ids: list[int],
        new_obj_masks: Tensor,
        reverse: bool = False,
    ) -> None:
        for obj_id, mask in zip(new_obj_ids, new_obj_masks >= 0.5, strict=True):
            row = inference_session.obj_id_to_idx(obj_id)
            inference_session.add_mask_inputs(row, frame_idx, mask[None, None])
        inference_session.obj_with_new_inputs = list(new_obj_ids)
        self._step(inference_session, frame_idx, encode=True)

    def build_outputs(
        self,
        inference_session: ConceptSession,
        det_out: dict[str, Tensor],
        tracker_low_res_masks_global: Tensor,
        tracker_update_plan: dict[str, Any],
        reconditioned_obj_ids: set[int] | None = None,
    ) -> dict[int, Tensor]:
        """Low-resolution masks ``[1, h, w]`` by thing.

        The tracker's masks are those of the things it followed into the frame. transformers gives
        them to the things that are left after it, so that where one is removed, those after it get
        each other's masks.
        """
        said = inference_session.said
        out = {
            i: mask[None]
            for i, mask in zip(said.ids if said else (), tracker_low_res_masks_global, strict=True)
        }
        plan = tracker_update_plan
        if new := plan["new_det_out_inds"]:
            masks = tidy(det_out["mask"][new], self.fill_hole_area)
            out |= {i: m[None] for i, m in zip(plan["new_det_obj_ids"], masks, strict=True)}
        for i in reconditioned_obj_ids or ():
            out[i] = det_out["mask"][plan["trk_id_to_max_iou_high_conf_det"][i]][None]
        return out


def _repeated(value: Any, n: int) -> Any:
    """A picture's features as those of n pictures, without a copy."""
    if isinstance(value, torch.Tensor):
        return value.expand(n, *value.shape[1:])
    if isinstance(value, tuple | list):
        return type(value)(_repeated(v, n) for v in value)
    return value
