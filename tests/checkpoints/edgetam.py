"""EdgeTAM: SAM 2 with a RepViT for its eyes and a memory of 512 tokens a frame."""

from __future__ import annotations

from pathlib import Path

from tests.checkpoints.sam2 import SIDE, WIDTH, decoder, enliven, memory, processor


def build(folder: Path) -> None:
    """Write a random checkpoint of ``EdgeTamVideoModel`` with its processor."""
    import torch
    from transformers import EdgeTamVideoConfig, EdgeTamVideoModel

    torch.manual_seed(0)
    level = SIDE // 4
    eyes = {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m0_9",
        "num_classes": 2,
        "do_pooling": False,
        "model_args": {"features_only": True, "in_chans": 3, "out_indices": [0, 1, 2, 3]},
    }
    config = EdgeTamVideoConfig(
        vision_config={
            "model_type": "edgetam_vision_model",
            "backbone_config": eyes,
            "backbone_channel_list": [384, 192, 96, 48],
            "backbone_feature_sizes": [[level, level], [level // 2] * 2, [level // 4] * 2],
            "fpn_hidden_size": WIDTH,
            "fpn_top_down_levels": [2, 3],
            "num_feature_levels": 3,
        },
        prompt_encoder_config={"hidden_size": WIDTH, "image_size": SIDE},
        mask_decoder_config=decoder(),
        image_size=SIDE,
        memory_attention_mlp_hidden_size=64,
        **memory(SIDE // 16),
    )
    model = EdgeTamVideoModel(config).eval()
    enliven(model)
    model.save_pretrained(folder)
    processor(SIDE, SIDE // 4).save_pretrained(folder)
