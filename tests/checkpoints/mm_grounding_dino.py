"""MM Grounding DINO, which LLMDet is too."""

from __future__ import annotations

from pathlib import Path

from tests.checkpoints import grounding_dino


def build(folder: Path) -> None:
    """Write the checkpoint."""
    grounding_dino.build(folder, "mm-grounding-dino")
