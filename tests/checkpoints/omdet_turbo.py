"""OmDet-Turbo: one block a stage, two decoder layers, pictures of 160x160 pixels."""

from __future__ import annotations

from pathlib import Path

from tests.checkpoints import tokens


def build(folder: Path) -> None:
    """Write the checkpoint."""
    import torch
    from transformers import (
        CLIPTextConfig,
        DetrImageProcessor,
        OmDetTurboConfig,
        OmDetTurboForObjectDetection,
        OmDetTurboProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
    words = tokens.clip()
    config = OmDetTurboConfig(
        # False suits Swin of transformers; the published weights use that of timm.
        apply_layernorm_after_vision_backbone=False,
        image_size=160,
        backbone_config=SwinConfig(
            embed_dim=16,
            depths=[1] * 4,
            num_heads=[1, 2, 4, 8],
            image_size=160,
            out_indices=[2, 3, 4],
        ),
        text_config=CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=48,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            projection_dim=48,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
        ),
        text_projection_in_dim=48,
        text_projection_out_dim=48,
        task_encoder_hidden_dim=64,
        class_embed_dim=48,
        num_queries=40,
        encoder_hidden_dim=32,
        vision_features_channels=[32, 32, 32],
        encoder_in_channels=[32, 64, 128],
        encoder_attention_heads=4,
        encoder_dim_feedforward=64,
        decoder_hidden_dim=32,
        decoder_num_heads=4,
        decoder_num_layers=2,
        decoder_dim_feedforward=64,
    )
    model = OmDetTurboForObjectDetection(config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "bbox_head" in name and "layers.2" in name:
                weights.normal_(std=0.2)  # zero where training starts: every box an anchor
    model.save_pretrained(folder)
    images = DetrImageProcessor(size={"height": 160, "width": 160}, do_pad=False)
    OmDetTurboProcessor(images, words).save_pretrained(folder)
