"""Checkpoints of real size with random weights, for measuring speed where no real ones are.

In: which model and whether tiny will do. Out: a folder as ``save_pretrained`` writes it. Sizes are
those that were published: Grounding DINO tiny, SAM 2.1 large, Qwen2.5-VL 7B. What random weights
say must not cost what no real answer does: scores do not tie, and discs stand in for masks.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ("detector", "segmenter", "describer")


def checkpoint(kind: str, under: Path, device: str, tiny: bool) -> Path:
    """Folder of a checkpoint; one that was written there before is taken as it is.

    Args:
        kind: one of :data:`KINDS`.
        under: folder for all of them.
        device: where weights are drawn, as torch calls it; 7 billion take a CPU minutes.
        tiny: the sizes of the tests.
    """
    folder = under / (f"{kind}-tiny" if tiny else kind)
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        if kind == "describer":
            _describer(part, device, tiny)
        else:
            {"detector": _detector, "segmenter": _segmenter}[kind](part, tiny)
        part.rename(folder)
    return folder


def _detector(folder: Path, tiny: bool) -> None:
    from tests.checkpoints import grounding_dino, tokens

    if tiny:
        return grounding_dino.build(folder)
    import torch
    from transformers import (
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
    swin = SwinConfig(
        embed_dim=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        out_indices=[2, 3, 4],
    )
    model = GroundingDinoForObjectDetection(GroundingDinoConfig(backbone_config=swin))
    model.model.decoder.layer_norm.weight.data.fill_(0.1)  # else most scores round to 1
    model.save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 800, "longest_edge": 1333})
    GroundingDinoProcessor(images, tokens.bert()).save_pretrained(folder)


def _segmenter(folder: Path, tiny: bool) -> None:
    from tests.checkpoints import sam2

    if tiny:
        return sam2.build(folder)
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    torch.manual_seed(0)
    widths = [144, 288, 576, 1152]
    hiera = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": widths[0],
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": widths,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
        "window_positional_embedding_background_size": [7, 7],
    }
    config = Sam2VideoConfig(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": hiera,
            "backbone_channel_list": widths[::-1],
        }
    )
    model = Sam2VideoModel(config)
    # Things are there: what is absent has no mask, and costs less.
    model.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(3.0)
    model.save_pretrained(folder)
    sam2.processor(1024, 256).save_pretrained(folder)


def find_discs(decoder: Any, boxes: NDArray[np.float32], size: tuple[int, int]) -> None:
    """Have a mask decoder find an ellipse in each of N boxes, thing after thing, frame for frame.

    It does its own work first; its random masks are noise, which no run-length code is made for.

    Args:
        decoder: of a SAM; it is called for all things at once, or for one after the other.
        boxes: ``[N, 4]`` pixels.
        size: ``(H, W)`` of the pictures.
    """
    import torch

    drawn: list[Any] = []
    following = [0]

    def instead(_: Any, __: Any, said: tuple[Any, ...]) -> tuple[Any, ...]:
        masks, *others = said
        if not drawn:
            drawn.append(torch.tensor(_ellipses(boxes, size, masks.shape[-2:])).to(masks.device))
        start = following[0]
        following[0] = (start + len(masks)) % len(boxes)
        some = drawn[0][start : start + len(masks), None, None]
        return some.expand_as(masks).to(masks.dtype), *others

    decoder.register_forward_hook(instead)


def _ellipses(
    boxes: NDArray[np.float32], size: tuple[int, int], grid: tuple[int, int]
) -> NDArray[np.float32]:
    """Logits ``[N, h, w]``, above zero in the ellipse of each box."""
    y, x = ((np.arange(n) + 0.5) * side / n for n, side in zip(grid, size, strict=True))
    x0, y0, x1, y1 = boxes.T[:, :, None]
    across = (x - (x0 + x1) / 2) / ((x1 - x0) / 2)
    down = (y - (y0 + y1) / 2) / ((y1 - y0) / 2)
    return (8 * (1 - across[:, None, :] ** 2 - down[:, :, None] ** 2)).astype(np.float32)


SEVEN_BILLION = {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 128000,
}
EYE = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
TINY_EYE = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "fullatt_block_indexes": [1],
}


def _describer(folder: Path, device: str, tiny: bool) -> None:
    import torch
    from tests.checkpoints.qwen_tokens import ids_of, numbers, save, tokenizer
    from transformers import (
        AutoModelForImageTextToText,
        Qwen2_5_VLConfig,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    torch.manual_seed(0)
    words = tokenizer(_instructions())
    text: dict[str, Any] = numbers(words) | ({} if tiny else SEVEN_BILLION)
    sections = [4, 2, 2] if tiny else [16, 24, 24]
    config = Qwen2_5_VLConfig(
        text_config={
            **text,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": sections,
            },
        },
        vision_config={
            **(TINY_EYE if tiny else EYE),
            "patch_size": 14,
            "out_hidden_size": text["hidden_size"],
        },
        **{**ids_of(words), "tie_word_embeddings": tiny},
    )
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    pixels = {"shortest_edge": 4 * 28 * 28, "longest_edge": 16384 * 28 * 28}
    images = Qwen2VLImageProcessor(patch_size=14, merge_size=2, temporal_patch_size=2, size=pixels)
    save(folder, model, Qwen2_5_VLProcessor, images, words, Qwen2VLVideoProcessor(patch_size=14))


def _instructions() -> list[str]:
    """What the describer reads, so that its tokens are about as long as those of real Qwens."""
    from importlib.resources import files

    prompts = files("scenekeeper.describe") / "prompts"
    return [file.read_text(encoding="utf-8") for file in prompts.iterdir()]
