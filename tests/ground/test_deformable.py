"""Deformable attention that adds up as it goes says what the library's does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scenekeeper.ground.deformable import attend
from tests.ground.grounders import load

pytestmark = pytest.mark.models
FAMILIES = ("grounding_dino", "mm_grounding_dino", "omdet_turbo")
SIZES = [(6, 9), (3, 5), (2, 3), (1, 2)]


def asked(torch: Any, kind: Any) -> tuple[Any, ...]:
    """Two pictures, seven queries, four heads of width 8, three points a map; some lie outside."""
    torch.manual_seed(0)
    pixels = sum(h * w for h, w in SIZES)
    value = torch.randn(2, pixels, 4, 8).to(kind)
    places = torch.rand(2, 7, 4, len(SIZES), 3, 2) * 1.4 - 0.2
    weights = torch.randn(2, 7, 4, len(SIZES) * 3).softmax(-1).unflatten(-1, (len(SIZES), 3))
    return value, torch.tensor(SIZES), SIZES, None, places, weights, 64


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_says_what_the_library_says(
    family: str, half: bool, checkpoint: Callable[[str], Path]
) -> None:
    checkpoint("grounding_dino")  # here because there is torch
    import importlib

    import torch

    library = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    given = asked(torch, torch.bfloat16 if half else torch.float32)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        theirs = library.MultiScaleDeformableAttention()(*given)
        ours = attend(*given)
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    assert theirs.abs().max() > 0.1 and (ours - theirs).abs().max() < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_attends_so(family: str, checkpoint: Callable[[str], Path]) -> None:
    network: Any = load(family, checkpoint(family)).network()
    kind = "MultiScaleDeformableAttention"
    modules = [m for m in network.model.modules() if type(m).__name__ == kind]
    assert modules and all(m.forward is attend for m in modules)
