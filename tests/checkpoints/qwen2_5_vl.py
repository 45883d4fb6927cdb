"""Qwen2.5-VL with 2 layers of width 64."""

from __future__ import annotations

from pathlib import Path

from tests.checkpoints.qwen_tokens import ids_of, numbers, save, tokenizer


def build(folder: Path) -> None:
    """Write a checkpoint of 0.8 MB."""
    import torch
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    torch.manual_seed(0)
    words = tokenizer()
    config = Qwen2_5_VLConfig(
        text_config={
            **numbers(words),
            "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [4, 2, 2]},
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "depth": 2,
            "num_heads": 2,
            "patch_size": 14,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [1],
        },
        **ids_of(words),
    )
    size = {"shortest_edge": 4 * 28 * 28, "longest_edge": 16384 * 28 * 28}
    images = Qwen2VLImageProcessor(patch_size=14, merge_size=2, temporal_patch_size=2, size=size)
    videos = Qwen2VLVideoProcessor(patch_size=14)
    model = Qwen2_5_VLForConditionalGeneration(config)
    save(folder, model, Qwen2_5_VLProcessor, images, words, videos)
