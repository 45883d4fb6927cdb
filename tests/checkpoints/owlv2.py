"""OWLv2: one layer a tower, 10x10 patches."""

from __future__ import annotations

from pathlib import Path

from tests.checkpoints import tokens


def build(folder: Path) -> None:
    """Write the checkpoint."""
    import torch
    from transformers import (
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2Processor,
    )

    torch.manual_seed(0)
    words = tokens.clip(length=16, pad="!")
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = Owlv2Config(
        text_config=tower
        | {
            "vocab_size": len(words),
            "max_position_embeddings": 16,
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config=tower | {"image_size": 160, "patch_size": 16},
        projection_dim=32,
    )
    model = Owlv2ForObjectDetection(config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "head" in name and weights.ndim > 1:
                weights.normal_(std=0.15)  # so that boxes and scores differ from place to place
    model.save_pretrained(folder)
    images = Owlv2ImageProcessor(size={"height": 160, "width": 160})
    Owlv2Processor(images, words).save_pretrained(folder)
