"""Grounding DINO: one block a stage, two decoder layers, pictures of at most 160x224 pixels."""

from __future__ import annotations

from pathlib import Path

from tests.checkpoints import tokens


def build(folder: Path, kind: str = "grounding-dino") -> None:
    """Write a checkpoint of ``grounding-dino`` or ``mm-grounding-dino``."""
    import torch
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        MMGroundingDinoConfig,
        MMGroundingDinoForObjectDetection,
        SwinConfig,
    )

    first = kind == "grounding-dino"
    config_of = GroundingDinoConfig if first else MMGroundingDinoConfig
    model_of = GroundingDinoForObjectDetection if first else MMGroundingDinoForObjectDetection
    torch.manual_seed(0)
    config = config_of(
        backbone_config=SwinConfig(
            embed_dim=16, depths=[1] * 4, num_heads=[1, 2, 4, 8], out_indices=[2, 3, 4]
        ),
        text_config=BertConfig(
            vocab_size=1030,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,  # its heads are tied; with one layer nothing is left to tie
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_queries=40,
    )
    model = model_of(config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.ndim > 1:
                weights.mul_(1.3)  # so that scores differ from box to box
            if "class_embed" in name and name.endswith("bias"):
                weights.zero_()  # training starts where nothing is found
            if "bbox_embed" in name and "layers.2" in name:
                weights.normal_(std=0.2)  # zero where training starts: every box an anchor
    model.save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 160, "longest_edge": 224})
    GroundingDinoProcessor(images, tokens.bert()).save_pretrained(folder)
