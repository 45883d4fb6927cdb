"""SAM 3 for clips, 252 pixels wide: a detector of concepts and a tracker over one encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.checkpoints.sam2 import WIDTH, decoder, memory
from tests.checkpoints.tokens import clip

SIDE = 252
GRID = SIDE // 14


def build(folder: Path) -> None:
    """Write a random checkpoint of ``Sam3VideoModel`` with its processor.

    Its thresholds are such that a random detector finds things, loses some and doubts others
    within a few frames.
    """
    import torch
    from transformers import (
        Sam2VideoVideoProcessor,
        Sam3ImageProcessor,
        Sam3VideoConfig,
        Sam3VideoModel,
        Sam3VideoProcessor,
    )

    torch.manual_seed(0)
    tokenizer = clip(32)
    config = Sam3VideoConfig(
        detector_config={"model_type": "sam3", **_detector(tokenizer)},
        tracker_config={"model_type": "sam3_tracker_video", **_tracker()},
        low_res_mask_size=GRID * 4,
        **THRESHOLDS,
    )
    model = Sam3VideoModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.mul_(3.0)
            if "pred_obj_score_head" in name and name.endswith("proj_out.bias"):
                weight.fill_(3.0)  # what is followed is there more often than not
    model.save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    still = Sam3ImageProcessor(size=size, mask_size={"height": GRID * 4, "width": GRID * 4})
    moving = Sam2VideoVideoProcessor(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    Sam3VideoProcessor(still, moving, tokenizer).save_pretrained(folder)


THRESHOLDS: dict[str, Any] = {
    "score_threshold_detection": 0.2,
    "new_det_thresh": 0.26,
    "hotstart_delay": 4,
    "hotstart_unmatch_thresh": 2,
    "hotstart_dup_thresh": 2,
    "trk_assoc_iou_thresh": 0.1,
    "high_iou_thresh": 0.1,
    "high_conf_thresh": 0.2,
    "det_nms_thresh": 0.7,
    "max_num_objects": 6,
    "recondition_every_nth_frame": 4,
}


def _vision() -> dict[str, Any]:
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 14,
        "window_size": GRID // 2,
        "global_attn_indexes": [1],
        "pretrain_image_size": 168,
    }
    return {
        "model_type": "sam3_vision_model",
        "backbone_config": backbone,
        "fpn_hidden_size": WIDTH,
        "backbone_feature_sizes": [[GRID * 4] * 2, [GRID * 2] * 2, [GRID] * 2],
    }


def _detector(tokenizer: Any) -> dict[str, Any]:
    small = {
        "hidden_size": WIDTH,
        "num_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    text = {
        "model_type": "clip_text_model",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": WIDTH,
        "max_position_embeddings": 32,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return {
        "vision_config": _vision(),
        "text_config": text,
        "geometry_encoder_config": small,
        "detr_encoder_config": small,
        "detr_decoder_config": {**small, "num_layers": 2, "num_queries": 20},
        "mask_decoder_config": {"hidden_size": WIDTH, "num_attention_heads": 2},
    }


def _tracker() -> dict[str, Any]:
    return {
        "image_size": SIDE,
        "vision_config": _vision(),
        "prompt_encoder_config": {"hidden_size": WIDTH, "image_size": SIDE},
        "mask_decoder_config": decoder(),
        "memory_attention_feed_forward_hidden_size": 64,
        "memory_encoder_output_channels": 64,
        **memory(GRID),
    }
