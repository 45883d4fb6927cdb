"""What every detector does alike: words to prompts, frames to batches, boxes to labels.

In: frames of any sizes and a vocabulary. Out: labels per frame, in the frames' order. Pictures of
one size share a batch, so that none is padded and no answer depends on its company.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scenekeeper.ground.candidates import CandidateConfig, Prompts, candidates
from scenekeeper.models.base import Card, Load, Words
from scenekeeper.models.checkpoint import load_part, load_weights, revision_of
from scenekeeper.models.device import Device, in_batches
from scenekeeper.models.known import licence_of
from scenekeeper.models.once import Once
from scenekeeper.models.source import Source
from scenekeeper.schema import Frame, Labels

Picture = NDArray[np.uint8]
Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a detector says of one picture.

    Attributes:
        box_xyxy: ``float32 [N, 4]`` pixels of the picture; may leave it.
        scores: ``float32 [N, T]`` per box and prompt, 0 to 1.
        signals: further scores by name, each ``float32 [N]``.
    """

    box_xyxy: Float
    scores: Float
    signals: Mapping[str, Float] = field(default_factory=dict)


Look = Callable[[Sequence[Picture], Sequence[str]], Sequence[Seen]]
"""A detector at work: pictures of one size and T prompts in, what it sees in each out."""


class Network(Protocol):
    """A detector's weights at work."""

    def look(self, pictures: Sequence[Picture], texts: Sequence[str]) -> Sequence[Seen]:
        """What it sees in pictures of one size, prompt by prompt."""
        ...


@dataclass(frozen=True, eq=False)
class Prompted:
    """A grounder that is told what to look for.

    Attributes:
        card: who it is.
        keep: which boxes are kept.
        network: its weights, once they are needed.
    """

    card: Card
    keep: CandidateConfig
    network: Once[Network]

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        """Boxes of each frame, with the score of every phrase."""

        def look(pictures: Sequence[Picture], texts: Sequence[str]) -> Sequence[Seen]:
            return self.network().look(pictures, texts)

        return detect(look, frames, vocabulary, self.card.max_batch, self.keep)


def prompted(
    source: Source,
    folder: Path,
    read: Callable[[float], Network],
    keep: CandidateConfig,
    max_batch: int,
    flops: Callable[[Load], float] | None,
) -> Prompted:
    """A grounder whose weights are read when it first looks.

    Args:
        source: its name.
        folder: of the checkpoint.
        read: reads the weights, given the score below which a box is not wanted.
        keep: which boxes are kept.
        max_batch: pictures looked at together.
        flops: what a frame costs.
    """
    card = Card(
        str(source),
        revision_of(folder),
        licence_of(str(source)),
        frozenset({"boxes"}),
        max_batch=max_batch,
        settings={"version": 1, **asdict(keep)},
        flops=flops,
    )
    return Prompted(card, keep, Once(lambda: read(keep.min_score)))


def read_parts(folder: Path, device: Device) -> tuple[Any, Any, Any]:
    """Image processor, tokenizer and weights of a zero-shot detector of transformers.

    Raises:
        ModelError: one of them is missing or damaged.
    """
    from transformers import AutoImageProcessor, AutoModelForZeroShotObjectDetection, AutoTokenizer

    processor, tokenizer = load_part(AutoImageProcessor, folder), load_part(AutoTokenizer, folder)
    model = load_weights(AutoModelForZeroShotObjectDetection, folder, device.name)
    return processor, tokenizer, model


def detect(
    look: Look,
    frames: Sequence[Frame],
    vocabulary: Words,
    at_most: int,
    config: CandidateConfig,
) -> list[Labels]:
    """Labels of frames.

    Args:
        look: the detector.
        frames: of any sizes, any number.
        vocabulary: what to look for; nothing is found where it is empty.
        at_most: pictures in a batch.
        config: which boxes are kept.
    """
    prompts = Prompts.of_words(vocabulary)
    if not prompts.texts:
        return [Labels.empty(frame) for frame in frames]
    labels: dict[int, Labels] = {}
    for rows in by_size(frames):
        seen = in_batches(
            lambda batch: look([frames[i].rgb for i in batch], prompts.texts), rows, at_most
        )
        for i, s in zip(rows, seen, strict=True):
            scores = prompts.fold(s.scores)
            labels[i] = candidates(
                frames[i], s.box_xyxy, scores, prompts.phrases, config, s.signals
            )
    return [labels[i] for i in range(len(frames))]


def by_size(frames: Sequence[Frame]) -> list[list[int]]:
    """Places of frames whose pictures are of one size, each list in order."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, frame in enumerate(frames):
        groups.setdefault(frame.rgb.shape, []).append(i)
    return list(groups.values())
