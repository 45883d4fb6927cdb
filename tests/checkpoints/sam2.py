"""SAM 2 for clips, 256 pixels wide: a Hiera of six blocks and one layer of memory attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIDE = 256
WIDTH = 128
"""Channels; the classes want more than the 64 of the memory."""

REMEMBERING = ("memory_attention", "memory_encoder", "object_pointer")
"""Modules that tell one thing from another."""


def build(folder: Path, side: int = SIDE) -> None:
    """Write a random checkpoint of ``Sam2VideoModel`` with its processor.

    Args:
        folder: to write to.
        side: of the pictures that the model sees, pixels.
    """
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoMaskDecoderConfig, Sam2VideoModel

    torch.manual_seed(0)
    config = Sam2VideoConfig(
        vision_config=_vision(side),
        prompt_encoder_config={"hidden_size": WIDTH, "image_size": side, "patch_size": 16},
        # An object: one release takes a dict here for a prompt encoder's.
        mask_decoder_config=Sam2VideoMaskDecoderConfig(**decoder()),
        image_size=side,
        memory_attention_feed_forward_hidden_size=64,
        memory_encoder_output_channels=64,
        **memory(side // 16),
    )
    model = Sam2VideoModel(config).eval()
    enliven(model)
    model.save_pretrained(folder)
    processor(side, side // 4).save_pretrained(folder)


def _vision(side: int) -> dict[str, Any]:
    level = side // 4
    return {
        "model_type": "sam2_vision_model",
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "num_attention_heads": 1,
            "image_size": [side, side],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 1, 1],
            "window_size_per_stage": [8, 4, 8, 4],
            "global_attention_blocks": [3],
            "window_positional_embedding_background_size": [7, 7],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[level, level], [level // 2] * 2, [level // 4] * 2],
        "fpn_hidden_size": WIDTH,
        "num_feature_levels": 3,
        "fpn_top_down_levels": [2, 3],
    }


def decoder() -> dict[str, Any]:
    """A mask decoder's configuration."""
    return {
        "hidden_size": WIDTH,
        "mlp_dim": 64,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": WIDTH,
    }


def memory(grid: int) -> dict[str, Any]:
    """Configuration of the memory's attention and encoder over a grid of features."""
    return {
        "memory_attention_hidden_size": WIDTH,
        "memory_attention_num_layers": 1,
        "memory_attention_rope_feat_sizes": [grid, grid],
        "memory_encoder_hidden_size": WIDTH,
        "mask_downsampler_embed_dim": WIDTH,
        "memory_fuser_embed_dim": WIDTH,
        "memory_fuser_intermediate_dim": 64,
        "memory_fuser_num_layers": 1,
    }


def enliven(model: Any) -> None:
    """Weights at which masks differ from object to object and from frame to frame.

    Objects are there more often than not, as in a real clip.
    """
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.mul_(6.0 if name.startswith(REMEMBERING) else 2.0)
            if "pred_obj_score_head" in name and name.endswith("proj_out.bias"):
                weight.fill_(3.0)


def processor(side: int, mask: int) -> Any:
    """What makes a picture fit for the model."""
    from transformers import Sam2ImageProcessor, Sam2VideoProcessor, Sam2VideoVideoProcessor

    size = {"height": side, "width": side}
    still = Sam2ImageProcessor(size=size, mask_size={"height": mask, "width": mask})
    return Sam2VideoProcessor(still, Sam2VideoVideoProcessor(size=size))
