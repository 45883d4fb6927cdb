"""Deformable attention with its samples added up as they are taken.

The modules of transformers take the samples of all feature maps, stack them, weigh them and add
them up: at 1920x1080, where eight frames ask from 21,000 places, three tensors of 2.7 GB in turn,
for each of six layers. Here each map's samples are weighed where they lie and added to the sum.
The same sum in another order (Zhu et al. 2021, equation 3), with a quarter of each tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Tensor = Any


def lean_attention(model: Any) -> None:
    """Have a model's deformable attention take samples as :func:`attend` does; for inference."""
    for module in model.modules():
        if type(module).__name__ == "MultiScaleDeformableAttention":
            module.forward = attend


def attend(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_spatial_shapes_list: Sequence[tuple[int, int]],
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """What queries see, ``[B, Q, H * C]``; named and called as in transformers.

    Args:
        value: ``[B, N, H, C]``, the maps' pixels one map after the other.
        value_spatial_shapes: not used.
        value_spatial_shapes_list: height and width of each of L maps; N pixels in all.
        level_start_index: not used.
        sampling_locations: ``[B, Q, H, L, P, 2]``, x and y as shares of a map's sides.
        attention_weights: ``[B, Q, H, L, P]``.
        im2col_step: not used.
    """
    from torch.nn.functional import grid_sample

    batch, _, heads, width = value.shape
    sizes = value_spatial_shapes_list
    maps = value.permute(0, 2, 3, 1).flatten(0, 1).split([h * w for h, w in sizes], -1)
    places = (2 * sampling_locations - 1).transpose(1, 2).flatten(0, 1)
    shares = attention_weights.transpose(1, 2).flatten(0, 1)[:, None]
    total: Tensor = 0
    for k, (one, size) in enumerate(zip(maps, sizes, strict=True)):
        seen = grid_sample(one.unflatten(-1, size), places[:, :, k], align_corners=False)
        total = total + seen.mul_(shares[:, :, :, k]).sum(-1)
    return total.view(batch, heads * width, -1).transpose(1, 2).contiguous()
