"""What one frame costs a grounder, in floating-point operations, from its configuration alone.

Counted are products of matrices, convolutions and attention, a multiply-add as two, as
``torch.utils.flop_counter`` counts; the tests hold the formulas against it. The formulas follow the
layers of the published architectures: Swin (Liu et al. 2021), Grounding DINO (Liu et al. 2023),
OWLv2 (Minderer et al. 2023), OmDet-Turbo (Zhao et al. 2024) and DaViT with BART, which is
Florence-2 (Xiao et al. 2024). Deformable sampling, norms and activations are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

from scenekeeper.models.base import Load
from scenekeeper.models.checkpoint import read_config

Config = Mapping[str, Any]
Flops = Callable[[Load], float]

PIECES = 3
"""Tokens of a phrase in a prompt: two words and the mark after them."""

ANSWER = 32
"""Tokens of an answer where the load does not say."""


TASK = 77
"""Tokens of a task, at most: those CLIP reads."""


def shared_out(phrases: int, at_most: int) -> list[int]:
    """Phrases in each prompt."""
    full, rest = divmod(phrases, at_most)
    return [at_most] * full + [rest] * (rest > 0)


def linear(n: float, inputs: float, outputs: float) -> float:
    """A dense layer, or a convolution as one, at ``n`` places."""
    return 2 * n * inputs * outputs


def attend(queries: float, keys: float, width: float) -> float:
    """Scores and weighted sum of an attention, without its projections."""
    return 4 * queries * keys * width


def blocks(n: float, width: int, inner: int, count: int) -> float:
    """Transformer layers over ``n`` tokens that see each other."""
    return count * (linear(n, width, 4 * width) + attend(n, n, width) + 2 * linear(n, width, inner))


def mlp(n: float, *widths: int) -> float:
    """Dense layers in a row."""
    return sum(linear(n, a, b) for a, b in pairwise(widths))


def input_size(folder: Path) -> Mapping[str, int]:
    """The size a checkpoint's processor makes pictures, as its file has it; empty where unsaid."""
    for file in ("processor_config.json", "preprocessor_config.json"):
        if (folder / file).exists():
            config = read_config(folder, file)
            size = config.get("image_processor", config).get("size")
            return size if isinstance(size, dict) else {}
    return {}


def resized(load: Load, size: Mapping[str, int]) -> tuple[int, int]:
    """Height and width of a picture as the network gets it."""
    if "height" in size:
        return size["height"], size["width"]
    short, long = sorted((load.height, load.width))
    scale = size.get("shortest_edge", 800) / short
    scale = min(scale, size.get("longest_edge", 1333) / long)
    return round(load.height * scale), round(load.width * scale)


def levels(height: int, width: int, strides: Sequence[int]) -> list[int]:
    """Places in maps of some strides."""
    return [ceil(height / s) * ceil(width / s) for s in strides]


def swin(height: int, width: int, config: Config) -> float:
    """A Swin backbone; its windows are filled up at the edges."""
    base, window = config.get("embed_dim", 96), config.get("window_size", 7)
    ratio, depths = config.get("mlp_ratio", 4.0), config.get("depths", [2, 2, 6, 2])
    h, w = ceil(height / 4), ceil(width / 4)
    total = linear(h * w, 48, base)
    for stage, depth in enumerate(depths):
        d = base * 2**stage
        side = min(window, h, w)
        filled = ceil(h / side) * ceil(w / side) * side**2
        projections = linear(filled, d, 4 * d) + attend(filled, side**2, d)
        total += depth * (projections + 2 * linear(h * w, d, ratio * d))
        if stage < len(depths) - 1:
            h, w = ceil(h / 2), ceil(w / 2)
            total += linear(h * w, 4 * d, 2 * d)
    return total


def deformable(queries: float, places: float, width: int, samples: int) -> float:
    """Deformable attention: projections, and where to look and how much (three numbers)."""
    return linear(places, width, width) + linear(queries, width, width + 3 * samples)


def grounding_dino(config: Config, size: Mapping[str, int]) -> Flops | None:
    """Grounding DINO; ``None`` with a backbone other than Swin."""
    backbone, text = config.get("backbone_config") or {}, config.get("text_config") or {}
    if backbone.get("model_type") != "swin":
        return None
    d, limit = config.get("d_model", 256), config.get("max_text_len", 256)
    inner, fine = config.get("encoder_ffn_dim", 2048), config.get("decoder_ffn_dim", 2048)
    queries, scales = config.get("num_queries", 900), config.get("num_feature_levels", 4)
    samples = scales * config.get("encoder_attention_heads", 8) * config.get("encoder_n_points", 4)
    looks = scales * config.get("decoder_attention_heads", 8) * config.get("decoder_n_points", 4)
    wide = text.get("hidden_size", 768)
    base = backbone.get("embed_dim", 96)

    def prompt(places: float, words: float) -> float:
        bert = blocks(
            words, wide, text.get("intermediate_size", 3072), text.get("num_hidden_layers", 12)
        )
        fuse = 3 * linear(places + words, d, inner // 2) + 6 * places * words * (inner // 2)
        enhance = blocks(words, d, inner // 2, 1)
        see = deformable(places, places, d, samples) + 2 * linear(places, d, inner)
        encoder = config.get("encoder_layers", 6) * (fuse + enhance + see)
        choose = linear(places, d, d) + linear(places, d, words) + mlp(places, d, d, d, 4)
        layer = (
            linear(queries, d, 6 * d)  # of itself, and of the words what asks and what comes out
            + attend(queries, queries, d)
            + linear(words, d, 2 * d)
            + attend(queries, words, d)
            + deformable(queries, places, d, looks)
            + 2 * linear(queries, d, fine)
            + mlp(queries, 2 * d, d, d)
            + 2 * mlp(queries, d, d, d, 4)
            + linear(queries, d, words)
        )
        again = linear(queries, d, words)
        decoder = config.get("decoder_layers", 6) * layer
        return float(bert + linear(words, wide, d) + encoder + choose + decoder + again)

    def flops(load: Load) -> float:
        h, w = resized(load, size)
        places = levels(h, w, [8 * 2**k for k in range(scales)])
        neck = sum(linear(n, base * 2 ** (k + 1), d) for k, n in enumerate(places[:3]))
        neck += sum(linear(n, 9 * (base * 8 if k == 0 else d), d) for k, n in enumerate(places[3:]))
        asked = shared_out(load.phrases, (limit - 2) // PIECES)
        told = sum(prompt(sum(places), 2 + PIECES * phrases) for phrases in asked)
        return swin(h, w, backbone) + neck + told

    return flops


def owlv2(config: Config) -> Flops:
    """OWLv2; its text tower has done its part before the frame comes."""
    eye, text = config.get("vision_config") or {}, config.get("text_config") or {}
    d, patch = eye.get("hidden_size", 768), eye.get("patch_size", 16)
    side = eye.get("image_size", 768) // patch

    def flops(load: Load) -> float:
        n, wide = side**2, text.get("hidden_size", 512)
        tower = blocks(
            n + 1, d, eye.get("intermediate_size", 3072), eye.get("num_hidden_layers", 12)
        )
        heads = mlp(n, d, d, d, 4) + mlp(n, d, d, d, 1) + linear(n, d, wide + 2)
        return linear(n, 3 * patch**2, d) + tower + heads + linear(n, wide, load.phrases)

    return flops


def omdet_turbo(config: Config, size: Mapping[str, int]) -> Flops | None:
    """OmDet-Turbo, its texts embedded already; ``None`` with a backbone other than Swin."""
    backbone = config.get("backbone_config") or {}
    named = "swin_tiny_patch4_window7" in str(backbone.get("backbone"))
    if backbone.get("model_type") != "swin" and not named:
        return None
    d, inner = config.get("d_model", 256), config.get("encoder_dim_feedforward", 2048)
    e, fine = config.get("decoder_hidden_dim", 256), config.get("decoder_dim_feedforward", 2048)
    hidden = int(d * config.get("hidden_expansion", 1))
    channels = config.get("encoder_in_channels", [192, 384, 768])
    queries, depth = config.get("num_queries", 900), config.get("decoder_num_layers", 6)
    samples = len(channels) * config.get("decoder_num_heads", 8)
    samples *= config.get("decoder_num_points", 4)
    wide, inside = config.get("class_embed_dim", 512), config.get("task_encoder_hidden_dim", 1024)

    def csp(n: float) -> float:
        ends = linear(n, hidden, d) if hidden != d else 0.0
        return 2 * linear(n, 2 * d, hidden) + 3 * linear(n, 10 * hidden, hidden) + ends

    def encode(places: Sequence[int]) -> float:
        total = sum(linear(n, c, d) for n, c in zip(places, channels, strict=True))
        layers = config.get("encoder_layers", 1)
        for k in config.get("encoder_projection_indices", [2]):
            total += blocks(places[k], d, inner, layers)
        total += sum(linear(n, d, d) for n in places[1:]) + sum(csp(n) for n in places[:-1])
        return total + sum(linear(n, 9 * d, d) + csp(n) for n in places[1:])

    def decode(places: Sequence[int], names: float, task: float) -> float:
        n = sum(places)
        start = linear(n, d, e) + linear(n, e, e) + mlp(n, e, e, e, 4)
        start += linear(names, wide, e) * (1 + depth) + linear(n, e, names)
        start += mlp(task, wide, inside, wide) + linear(task, wide, e)
        layer = (
            linear(queries + task, e, 4 * e)
            + attend(queries + task, queries + task, e)
            + deformable(queries, n, e, samples)
            + 2 * linear(queries, e, fine)
            + mlp(queries, 4, 2 * e, e)
            + mlp(queries, e, e, e, 4)
        )
        return float(start + depth * layer + linear(queries, e, names))

    def flops(load: Load) -> float:
        h, w = resized(load, size or {"height": 640, "width": 640})
        places = levels(h, w, (8, 16, 32))
        asked = shared_out(load.phrases, (TASK - 3) // PIECES)
        told = sum(decode(places, phrases, 3 + PIECES * phrases) for phrases in asked)
        return swin(h, w, backbone) + encode(places) + told

    return flops


def florence2(config: Config, size: Mapping[str, int]) -> Flops:
    """Florence-2: one prompt a phrase and one for the caption, over one look at the picture."""
    eye, text = config.get("vision_config") or {}, config.get("text_config") or {}
    d, words = text.get("d_model", 1024), text.get("vocab_size", 51328)
    inner, fine = text.get("encoder_ffn_dim", 4096), text.get("decoder_ffn_dim", 4096)
    deep, high = text.get("decoder_layers", 12), text.get("encoder_layers", 12)
    widths = eye.get("embed_dim", [128, 256, 512, 1024])
    strides = eye.get("patch_stride", [4, 2, 2, 2])

    def flops(load: Load) -> float:
        h, w = resized(load, size or {"height": 768, "width": 768})
        total = davit(h, w, eye)
        for stride in strides:
            h, w = h // stride, w // stride
        seen = h * w + 1
        total += linear(seen, widths[-1], d)
        read, say = seen + 8 + PIECES, load.tokens or ANSWER
        encoder = blocks(read, d, inner, high)
        cross = linear(read, d, 2 * d) + linear(say, d, 2 * d) + attend(say, read, d)
        # Each token sees those before it, half of all on average.
        own = linear(say, d, 4 * d) + attend(say, (say + 1) / 2, d)
        decoder = deep * (own + cross + 2 * linear(say, d, fine)) + linear(say, d, words)
        return float(total + (load.phrases + 1) * (encoder + decoder))

    return flops


def davit(height: int, width: int, config: Config) -> float:
    """DaViT (Ding et al. 2022): blocks that attend within windows, then among channels."""
    window, ratio = config.get("window_size", 12), config.get("mlp_ratio", 4.0)
    widths = config.get("embed_dim", [128, 256, 512, 1024])
    patches = config.get("patch_size", [7, 3, 3, 3])
    strides = config.get("patch_stride", [4, 2, 2, 2])
    groups = config.get("num_groups", [4, 8, 16, 32])
    h, w, before, total = height, width, 3, 0.0
    for k, depth in enumerate(config.get("depths", [1, 1, 9, 1])):
        h, w, d = h // strides[k], w // strides[k], widths[k]
        n, filled = h * w, ceil(h / window) * ceil(w / window) * window**2
        total += linear(n, before * patches[k] ** 2, d)
        within = linear(filled, d, 4 * d) + attend(filled, window**2, d)
        among = linear(n, d, 4 * d) + attend(d, d / groups[k], n)
        feed = 2 * linear(n, d, ratio * d) + 2 * linear(n, 9, d)
        total += depth * (within + among + 2 * feed)
        before = d
    return total
