"""A clip described by a few of its frames: the model is asked about those, the others follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from scenekeeper.describe.keyframes import KeyframeConfig, Told, keyframes, look_at, spread
from scenekeeper.models import FrameModel
from scenekeeper.models.base import Words
from scenekeeper.schema import Frame, Labels


@dataclass(frozen=True, eq=False)
class Story:
    """What goes on from clip to clip.

    Attributes:
        told: what was told so far.
        key: the last frame that was asked about, as it was described.
    """

    told: Told = field(default_factory=Told)
    key: Labels | None = None


def describe_clip(
    model: FrameModel,
    frames: Sequence[Frame],
    labels: Sequence[Labels],
    vocabulary: Words,
    story: Story | None = None,
    config: KeyframeConfig | None = None,
) -> tuple[list[Labels], Story]:
    """Labels of a clip's frames with words, and the story so far.

    A frame that is not asked about follows the keyframe nearest in time, or the last one of the
    clips before, see :func:`~scenekeeper.describe.keyframes.spread`.

    Args:
        model: that describes.
        frames: of the clip, in order.
        labels: what is known of each.
        vocabulary: handed on to the model.
        story: of the clips before.
        config: when a frame is worth asking about.

    Raises:
        ModelError: the model cannot be asked at all.
    """
    story = story or Story()
    looks = [look_at(f, known, config) for f, known in zip(frames, labels, strict=True)]
    rows, told = keyframes(looks, story.told, config)
    keys = dict(zip(rows, _asked(model, frames, labels, vocabulary, rows), strict=True))
    described = [
        keys[k] if k in keys else _following(known, story.key, [*keys.values()])
        for k, known in enumerate(labels)
    ]
    return described, Story(told, keys[rows[-1]] if rows else story.key)


def _asked(
    model: FrameModel,
    frames: Sequence[Frame],
    labels: Sequence[Labels],
    vocabulary: Words,
    rows: Sequence[int],
) -> list[Labels]:
    out: list[Labels] = []
    for start in range(0, len(rows), model.card.max_batch):
        some = rows[start : start + model.card.max_batch]
        out += model.run([frames[k] for k in some], vocabulary, [labels[k] for k in some])
    return out


def _following(labels: Labels, before: Labels | None, keys: Sequence[Labels]) -> Labels:
    near = min(keys, key=lambda key: abs(key.t_ns - labels.t_ns), default=before)
    return labels if near is None else spread(near, labels)
