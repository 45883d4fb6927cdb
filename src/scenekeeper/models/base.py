"""What every model is: a card that says what it provides, and one of two shapes.

A model returns labels in pixels of the original picture and keeps weak candidates with their
scores; what counts is decided later. Its answer for a frame does not depend on the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from scenekeeper.schema import Clip, Frame, Labels

Field = Literal["boxes", "masks", "tracks", "caption", "object_captions", "relations"]
"""What a model may add to a frame's labels."""

Words = Mapping[str, tuple[str, ...]]
"""A vocabulary: phrases, and for each the phrases that mean the same."""


@dataclass(frozen=True)
class Load:
    """What one frame asks of a model.

    Attributes:
        width: of the picture, pixels.
        height: of the picture, pixels.
        phrases: in the vocabulary.
        objects: followed at once.
        tokens: of the answer.
    """

    width: int
    height: int
    phrases: int = 1
    objects: int = 1
    tokens: int = 0


@dataclass(frozen=True)
class Card:
    """Who a model is; everything its answers depend on, and what it may be used for.

    Attributes:
        name: as a user writes it, ``family:where``.
        revision: fingerprint of its weights and configuration, or the server's word for them.
        licence: SPDX id, or one of :mod:`scenekeeper.models.licences`; empty = unknown.
        provides: what it adds to labels.
        needs: what must be in the labels it is given.
        max_batch: frames that it may be given at once.
        settings: thresholds, sizes and digests of prompts, as plain JSON.
        flops: floating-point operations for one frame; ``None`` = unknown.
    """

    name: str
    revision: str
    licence: str
    provides: frozenset[Field]
    needs: frozenset[Field] = frozenset()
    max_batch: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    flops: Callable[[Load], float] | None = None

    def facts(self) -> dict[str, Any]:
        """Plain JSON of everything that changes its answers."""
        return {
            "model": self.name,
            "revision": self.revision,
            "licence": self.licence,
            "settings": dict(self.settings),
        }


@runtime_checkable
class FrameModel(Protocol):
    """Looks at each frame by itself: a grounder, an image segmenter, a describer."""

    @property
    def card(self) -> Card:
        """Who it is; known before its weights are read."""
        ...

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        """Labels of each frame.

        Args:
            frames: at most ``card.max_batch``, of any sizes.
            vocabulary: what to look for; may be of any length, and empty.
            prior: what is known of each frame already.

        Raises:
            ModelError: the weights are missing or damaged, or a server does not answer.
        """
        ...


@runtime_checkable
class ClipModel(Protocol):
    """Follows things through the frames of a clip: a video segmenter, a tracker."""

    @property
    def card(self) -> Card:
        """Who it is; known before its weights are read."""
        ...

    def open(self, clip: Clip, vocabulary: Words) -> Session:
        """Start on a clip.

        Raises:
            ModelError: the weights are missing or damaged.
        """
        ...


class Session(Protocol):
    """A clip being followed; memory does not grow with its length.

    ``track`` of its labels is unique within the clip.
    """

    def push(self, frame: Frame, prior: Labels | None) -> Iterator[Labels]:
        """Take the next frame; yields labels of frames that are ready, in order."""
        ...

    def flush(self) -> Iterator[Labels]:
        """Labels of the frames still held back."""
        ...


Model = FrameModel | ClipModel
