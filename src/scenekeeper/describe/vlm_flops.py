"""What describing a frame costs, in floating-point operations, by a model's configuration alone.

Products of matrices and attention, a multiply-add as two, as ``torch.utils.flop_counter`` counts
them, so attention to later tokens counts, too. The vision tower sees each patch, the
language model reads its merged patches and the question, and writes the answer token by token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scenekeeper.describe.sight import Sight
from scenekeeper.models import Load

QUESTION = 150
"""Tokens of the instruction, before what is said of each object."""

PER_OBJECT = (12, 32)
"""Tokens that are read and written for each object."""


def flops_of(config: Mapping[str, Any], sight: Sight) -> Callable[[Load], float] | None:
    """Of one frame; ``None`` where the configuration does not tell.

    Args:
        config: of the checkpoint, as its file has it.
        sight: how it sees.
    """
    text, vision = config.get("text_config", config), config.get("vision_config", {})
    try:
        return _cost(text, vision, sight)
    except KeyError:
        return None


def _cost(
    text: Mapping[str, Any], vision: Mapping[str, Any], sight: Sight
) -> Callable[[Load], float]:
    width, layers = text["hidden_size"], text["num_hidden_layers"]
    heads, kept = text["num_attention_heads"], text["num_key_value_heads"]
    side = text.get("head_dim") or width // heads
    # A mixture of experts computes with those that are chosen.
    inner = text["intermediate_size"]
    if "num_experts_per_tok" in text:
        inner = text["moe_intermediate_size"] * text["num_experts_per_tok"]
    weights = layers * width * (2 * heads * side + 2 * kept * side + 3 * inner)
    out = width * text["vocab_size"]
    eye, depth = vision["hidden_size"], vision["depth"]
    patch, merge = vision["patch_size"], vision["spatial_merge_size"]
    # Qwen2.5-VL looks through windows, but in some layers; its layers are gated.
    windowed = "fullatt_block_indexes" in vision
    whole = len(vision["fullatt_block_indexes"]) if windowed else depth
    window = (vision.get("window_size", 112) / patch) ** 2
    each = eye * (4 * eye + (3 if windowed else 2) * vision["intermediate_size"])
    taken = 3 * vision.get("temporal_patch_size", 2) * patch**2 * eye
    mergers = 1 + len(vision.get("deepstack_visual_indexes", ()))
    merged = eye * merge**2

    def cost(load: Load) -> float:
        w, h = sight.size(load.width, load.height)
        patches = w * h / patch**2
        read = patches / merge**2 + QUESTION + PER_OBJECT[0] * load.objects
        written = load.tokens or PER_OBJECT[1] * (load.objects + 2)
        seen = whole * patches + (depth - whole) * window
        tower = 2 * patches * (taken + depth * each) + 4 * patches * seen * eye
        tower += mergers * 2 * patches / merge**2 * merged * (merged + width)
        reading = 2 * weights * read + 4 * layers * heads * side * read**2
        writing = written * (2 * (weights + out) + 4 * layers * heads * side * read)
        return float(tower + reading + writing)

    return cost
