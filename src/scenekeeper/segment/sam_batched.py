"""All things of a frame through SAM 2 at once, where transformers goes from thing to thing.

The same modules of the model in the same order, over things whose memories have the same shape:
after 16 frames that is all of them. Equal to the loop but for rounding; at 16 things a frame takes
a sixth of the operations. Runs on SAM 2, EdgeTAM and the tracker inside SAM 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import interpolate

Tensor = Any
ABSENT = -1024.0
"""Logit of every pixel of a thing that the model says is not there."""


@dataclass(frozen=True, eq=False)
class Step:
    """What a model says of N things in a frame.

    Attributes:
        ids: of the things, as the session knows them.
        logits: ``[N, 1, h, w]``, above zero where the thing is.
        objectness: ``[N, 1]`` logits of its being there at all.
        iou: ``[N]``, what the decoder thinks its mask's IoU with the truth is; NaN where the mask
            was given or is one of before.
    """

    ids: tuple[int, ...]
    logits: Tensor
    objectness: Tensor
    iou: Tensor


@dataclass(frozen=True, eq=False)
class _Decoded:
    """Of B things: masks ``[B, 1, h, w]``, pointers ``[B, 1, C]``, scores ``[B, 1, 1]``, IoU."""

    low: Tensor
    high: Tensor
    pointer: Tensor
    score: Tensor
    iou: Tensor

    def each(self, rows: Sequence[int]) -> Iterator[tuple[int, _Decoded]]:
        """One by one, with the row of each."""
        parts = (self.low, self.high, self.pointer, self.score, self.iou)
        for k, row in enumerate(rows):
            yield row, _Decoded(*(part[k : k + 1] for part in parts))


@dataclass(frozen=True, eq=False)
class _Recall:
    """What is remembered of one thing: memories and pointers, and how many frames ago they are."""

    memories: list[tuple[int, dict[str, Tensor]]]
    ago: list[int]
    pointers: list[Tensor]
    most: int

    @property
    def shape(self) -> tuple[object, ...]:
        return tuple(ago for ago, _ in self.memories), len(self.pointers)


@dataclass(frozen=True, eq=False)
class _Look:
    """A model at a frame of a session."""

    model: Any
    session: Any
    frame: int
    features: list[Tensor]
    positions: list[Tensor]
    streaming: bool

    @property
    def finer(self) -> list[Tensor]:
        """The finer feature maps, ``[1, C, H, W]`` each."""
        sizes = self.model.backbone_feature_sizes
        return [
            x.permute(1, 2, 0).view(1, -1, *size)
            for x, size in zip(self.features[:-1], sizes[:-1], strict=True)
        ]

    def as_map(self, x: Tensor) -> Tensor:
        """``[B, HW, C]`` as ``[B, C, H, W]``."""
        h, w = self.model.backbone_feature_sizes[-1]
        return x.transpose(1, 2).reshape(len(x), -1, h, w)


def step(
    model: Any,
    session: Any,
    frame: int,
    ids: Sequence[int] | None = None,
    *,
    encode: bool = True,
    streaming: bool = True,
) -> Step:
    """Masks of things in a frame: of new ones from their prompts, of others from memory.

    Args:
        model: ``Sam2VideoModel``, ``EdgeTamVideoModel`` or ``Sam3TrackerVideoModel``.
        session: its session; the frame and the prompts have been added.
        frame: index of the frame.
        ids: which things, at least one; all when absent.
        encode: remember what was seen. What comes from a prompt is remembered as a plain mask, and
            with SAM 2 and SAM 3 so is, as in transformers, all that is seen in the same call.
        streaming: the length of the clip is not known.
    """
    ids = tuple(session.obj_ids if ids is None else ids)
    rows = [session.obj_id_to_idx(i) for i in ids]
    features, positions = model._prepare_vision_features(session, frame, 1)
    look = _Look(model, session, frame, features, positions, streaming)
    fresh = getattr(session, "obj_with_new_inputs", [])
    prompted = [row for row, i in zip(rows, ids, strict=True) if i in fresh]
    again = [row for row in rows if row not in prompted and frame in _outputs(session, row)]
    followed = [row for row in rows if row not in prompted and row not in again]
    out = dict(_prompted(look, prompted)) | dict(_followed(look, followed))
    for row, one in out.items():
        _store(look, row, one, row in prompted)
    session.obj_with_new_inputs = [i for i in fresh if i not in ids]
    if encode and model.num_maskmem > 0:
        _remember(look, prompted, followed, out)
    out |= {row: _stored(_outputs(session, row)[frame]) for row in again}
    return Step(
        ids,
        torch.cat([out[row].low for row in rows]),
        torch.cat([out[row].score for row in rows]).reshape(-1, 1),
        torch.cat([out[row].iou for row in rows]).float(),
    )


def _outputs(session: Any, row: int, kind: str = "cond_frame_outputs") -> dict[int, Any]:
    stored: dict[int, Any] = session.output_dict_per_obj[row][kind]
    return stored


def _prompted(look: _Look, rows: Sequence[int]) -> Iterator[tuple[int, _Decoded]]:
    """New things: those with boxes at once, those with masks one by one."""
    if not rows:
        return
    session, frame = look.session, look.frame
    by_points: dict[int, list[int]] = {}
    for row in rows:
        mask = session.mask_inputs_per_obj[row].get(frame)
        if mask is None:
            labels = session.point_inputs_per_obj[row][frame]["point_labels"]
            by_points.setdefault(labels.shape[-1], []).append(row)
        else:
            yield row, _given(look, mask)
    blank = look.features[-1] + look.model.no_memory_embedding
    for group in by_points.values():
        asked = [session.point_inputs_per_obj[row][frame] for row in group]
        points = torch.cat([a["point_coords"] for a in asked])
        labels = torch.cat([a["point_labels"] for a in asked])
        several = look.model._use_multimask(True, {"point_labels": labels})
        seen = look.as_map(blank.transpose(0, 1)).expand(len(group), -1, -1, -1)
        yield from _decode(look, seen, points, labels, several).each(group)


def _given(look: _Look, mask: Tensor) -> _Decoded:
    """A thing whose mask is the prompt."""
    features = look.as_map(look.features[-1].transpose(0, 1))
    said = look.model._use_mask_as_output(features, look.finer, mask)
    score = said.object_score_logits.reshape(1, 1, 1)
    unknown = torch.full((1,), torch.nan, device=score.device)
    return _Decoded(said.pred_masks, said.high_res_masks, said.object_pointer, score, unknown)


def _followed(look: _Look, rows: Sequence[int]) -> Iterator[tuple[int, _Decoded]]:
    """Things known from before, at once where their memories have the same shape."""
    groups: dict[tuple[object, ...], dict[int, _Recall]] = {}
    for row in rows:
        recall = _recall(look, row)
        groups.setdefault(recall.shape, {})[row] = recall
    several = look.model._use_multimask(False, None)
    for group in groups.values():
        seen = _conditioned(look, list(group.values()))
        points = seen.new_zeros(len(group), 1, 1, 2)
        labels = -torch.ones(len(group), 1, 1, dtype=torch.int32, device=seen.device)
        yield from _decode(look, seen, points, labels, several).each(list(group))


def _recall(look: _Look, row: int) -> _Recall:
    model, session, frame = look.model, look.session, look.frame
    memories = model._gather_memory_frame_outputs(session, row, frame)
    ago, pointers, most = model._get_object_pointers(
        session, row, frame, session.num_frames, session.inference_device, False, look.streaming
    )
    return _Recall([m for m in memories if m[1] is not None], ago, pointers, most)


def _conditioned(look: _Look, recalls: Sequence[_Recall]) -> Tensor:
    """What is seen in the light of what is remembered of B things, ``[B, C, H, W]``."""
    model, device, n = look.model, look.session.inference_device, len(recalls)
    slots = [_merged(model, slot) for slot in zip(*(r.memories for r in recalls), strict=True)]
    memory, places = model._build_memory_attention_inputs(slots, device)
    further: dict[str, int] = {}
    if hasattr(model, "spatial_perceiver"):
        further["num_spatial_memory_tokens"] = len(memory)
    pointers, when = _pointers(look, recalls)
    out = model.memory_attention(
        current_vision_features=look.features[-1].expand(-1, n, -1),
        current_vision_position_embeddings=look.positions[-1].expand(-1, n, -1),
        memory=torch.cat([*memory, pointers]).to(look.session.dtype),
        memory_posision_embeddings=torch.cat([*(p.expand(-1, n, -1) for p in places), when]),
        num_object_pointer_tokens=len(pointers),
        **further,
    )
    return look.as_map(out.squeeze(0))


def _merged(model: Any, slot: Sequence[tuple[int, dict[str, Tensor]]]) -> tuple[int, Any]:
    """The memories that B things have of one frame, as if of one thing B wide."""
    features = torch.cat([out["maskmem_features"] for _, out in slot], _axis(model))
    # Where a pixel lies is the same for all.
    return slot[0][0], {
        "maskmem_features": features,
        "maskmem_pos_enc": slot[0][1]["maskmem_pos_enc"],
    }


def _pointers(look: _Look, recalls: Sequence[_Recall]) -> tuple[Tensor, Tensor]:
    """Pointers to B things and when they are from, ``[P, B, C]`` each.

    The model's own method, which takes the pointers of one thing, is told that all are of one.
    """
    n, many = len(recalls), len(recalls[0].pointers)
    both = look.model._process_object_pointers(
        [r.ago[k] for k in range(many) for r in recalls],
        [r.pointers[k] for k in range(many) for r in recalls],
        recalls[0].most,
        1,
        look.model.hidden_dim,
        look.session.inference_device,
    )
    split = len(both[0]) // (n * many)
    pointers, when = (
        x.view(many, n, split, -1).transpose(1, 2).reshape(many * split, n, -1) for x in both
    )
    return pointers, when


def _decode(look: _Look, seen: Tensor, points: Tensor, labels: Tensor, several: bool) -> _Decoded:
    """Masks of B things from features ``[B, C, H, W]`` and points ``[B, 1, K, 2]``."""
    model, n = look.model, len(seen)
    sparse, dense = model.prompt_encoder(points, labels, None, None)
    low, iou, tokens, score = model.mask_decoder(
        image_embeddings=seen,
        image_positional_embeddings=model.get_image_wide_positional_embeddings().expand(
            n, -1, -1, -1
        ),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=several,
        high_resolution_features=look.finer,
    )
    there = score > 0
    best = iou[:, 0].argmax(-1) if several else iou.new_zeros(n, dtype=torch.int64)
    every = torch.arange(n, device=low.device)
    low = torch.where(there[..., None], low[every, 0, best].unsqueeze(1), ABSENT)
    token = tokens[every, 0, best if tokens.shape[2] > 1 else 0].unsqueeze(1)
    pointer = model.object_pointer_proj(token)
    here = there.to(pointer.dtype)
    pointer = here * pointer + (1 - here) * model.no_object_pointer
    size = (model.image_size, model.image_size)
    high = interpolate(low.float(), size=size, mode="bilinear", align_corners=False)
    return _Decoded(low, high.to(low.dtype), pointer, score, iou[every, 0, best])


def _store(look: _Look, row: int, one: _Decoded, prompted: bool) -> None:
    value = {
        "pred_masks": one.low,
        "object_pointer": one.pointer,
        "object_score_logits": one.score,
    }
    look.session.store_output(row, look.frame, None, value, is_conditioning_frame=prompted)
    if not prompted:
        look.session.frames_tracked_per_obj[row][look.frame] = {"reverse": False}


def _stored(value: dict[str, Tensor]) -> _Decoded:
    unknown = torch.full((1,), torch.nan, device=value["pred_masks"].device)
    low, score = value["pred_masks"], value["object_score_logits"].reshape(1, 1, 1)
    return _Decoded(low, low, value["object_pointer"], score, unknown)


def _remember(
    look: _Look, prompted: list[int], followed: list[int], out: dict[int, _Decoded]
) -> None:
    rows = [*prompted, *followed]
    if hasattr(look.model, "spatial_perceiver"):  # which takes one thing at a time
        groups = [([row], row in prompted) for row in rows]
    else:
        groups = [(rows, bool(prompted))]
    for rows, plain in groups:
        if rows:
            _encode(look, rows, out, plain)


def _encode(look: _Look, rows: list[int], out: dict[int, _Decoded], plain: bool) -> None:
    axis = _axis(look.model)
    features, places = look.model._encode_new_memory(
        current_vision_feats=look.features[-1].expand(-1, len(rows), -1),
        pred_masks_high_res=torch.cat([out[row].high for row in rows]),
        object_score_logits=torch.cat([out[row].score for row in rows]),
        is_mask_from_pts=plain,
    )
    place = places.narrow(axis, 0, 1).clone()
    for k, row in enumerate(rows):
        kinds = look.session.output_dict_per_obj[row].values()
        stored = next(frames[look.frame] for frames in kinds if look.frame in frames)
        stored["maskmem_features"] = features.narrow(axis, k, 1)
        stored["maskmem_pos_enc"] = place


def _axis(model: Any) -> int:
    """Which axis of a memory counts things."""
    return 0 if hasattr(model, "spatial_perceiver") else 1
