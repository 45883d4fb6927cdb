"""Grounders of tiny checkpoints, and what tests ask of any of them."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper.ground.candidates import CandidateConfig
from scenekeeper.models import Device, Source
from scenekeeper.schema import Labels

ADAPTERS = {
    "grounding_dino": "grounding_dino",
    "mm_grounding_dino": "grounding_dino",
    "owlv2": "owlv2",
    "omdet_turbo": "omdet_turbo",
    "florence2": "florence2",
}
"""Module of each family's adapter, by the file of its checkpoint."""

WORDS = {"red mug": ("cup",), "dish towel": (), "chair": ()}
EVERYTHING = CandidateConfig(most=10_000, names=10_000, overlap=2.0)
"""Keep every box, however alike two are."""


def load(family: str, folder: Path, device: Device | None = None) -> Any:
    """The model of a checkpoint, as its entry point would load it."""
    adapter = importlib.import_module(f"scenekeeper.ground.{ADAPTERS[family]}")
    return adapter.load(Source(family.replace("_", "-"), str(folder)), device or Device())


def keeping(model: Any, keep: CandidateConfig) -> Any:
    """The same model, which keeps other boxes."""
    if hasattr(model, "keep"):
        return replace(model, keep=keep)
    return replace(model, config=replace(model.config, keep=keep))


def check_same(a: Labels, b: Labels, pixels: float = 1e-3) -> None:
    """Two answers are the same but for rounding."""
    assert a.phrase == b.phrase and a.size == b.size and a.text == b.text
    np.testing.assert_allclose(a.box_xyxy, b.box_xyxy, atol=pixels)
    np.testing.assert_allclose(a.score, b.score, atol=1e-5)
    assert a.signals.keys() == b.signals.keys()
    for name, values in a.signals.items():
        np.testing.assert_allclose(values, b.signals[name], atol=1e-4)


def scored(labels: Labels, least: float) -> dict[tuple[float, ...], float]:
    """Score of each box and name that reaches ``least``; boxes to a tenth of a pixel."""
    return {
        (*(float(round(v, 1)) for v in box), name): score  # type: ignore[dict-item]
        for box, names in zip(labels.box_xyxy.tolist(), labels.names, strict=True)
        for name, score in names.items()
        if score >= least
    }
