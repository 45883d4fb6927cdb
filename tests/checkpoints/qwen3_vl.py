"""Qwen3-VL with 2 layers of width 64; Cosmos Reason 2 is of this class."""

from __future__ import annotations

from pathlib import Path

from tests.checkpoints.qwen_tokens import ids_of, numbers, save, tokenizer


def build(folder: Path) -> None:
    """Write a checkpoint of 1.3 MB."""
    import torch
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    torch.manual_seed(0)
    words = tokenizer()
    rope = {"rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config={**numbers(words), "head_dim": 16, "rope_scaling": rope},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "depth": 2,
            "num_heads": 2,
            "patch_size": 16,
            "out_hidden_size": 64,
            "deepstack_visual_indexes": [0, 1],
            "num_position_embeddings": 2304,
        },
        **ids_of(words),
    )
    images = Qwen2VLImageProcessor(
        patch_size=16,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 65536, "longest_edge": 16777216},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    videos = Qwen3VLVideoProcessor(patch_size=16)
    model = Qwen3VLForConditionalGeneration(config)
    save(folder, model, Qwen3VLProcessor, images, words, videos)
