"""Several models looking at the same frames, each knowing what those before it said."""

from __future__ import annotations

from collections.abc import Sequence

from scenekeeper.models.base import FrameModel, Words
from scenekeeper.models.device import in_batches
from scenekeeper.schema import Frame, Labels


def look(
    models: Sequence[FrameModel],
    frames: Sequence[Frame],
    vocabulary: Words,
    prior: Sequence[Labels | None] | None = None,
) -> list[Labels]:
    """What models say of frames, in batches that fit.

    Args:
        models: at least one.
        frames: any number.
        vocabulary: what to look for.
        prior: what is known of each frame before.

    Raises:
        ModelError: a model cannot look.
    """
    known = list(prior or [None] * len(frames))
    for model in models:

        def run(
            batch: Sequence[tuple[Frame, Labels | None]], model: FrameModel = model
        ) -> list[Labels]:
            return model.run([f for f, _ in batch], vocabulary, [p for _, p in batch])

        pairs = list(zip(frames, known, strict=True))
        known = list(in_batches(run, pairs, model.card.max_batch))
    return [labels for labels in known if labels is not None]


def batch_of(models: Sequence[FrameModel]) -> int:
    """Frames worth waiting for before models look."""
    return max(model.card.max_batch for model in models)
