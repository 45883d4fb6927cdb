"""SAM 3: a vocabulary in; boxes, masks and tracks out.

``sam3:CHECKPOINT`` looks for the phrases of the vocabulary, not for their synonyms: each noun costs
a pass of the detector in every frame, and things of different nouns are different things.
``sam3:CHECKPOINT#boxes`` is its tracker alone, told boxes, as SAM 2 is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenekeeper.errors import ModelError
from scenekeeper.models.base import Card, Load, Session, Words
from scenekeeper.models.checkpoint import (
    expect_type,
    find_checkpoint,
    load_weights,
    revision_of,
)
from scenekeeper.models.device import Device
from scenekeeper.models.known import licence_of
from scenekeeper.models.source import Source
from scenekeeper.schema import Clip
from scenekeeper.segment.sam2 import BoxTracks, track_boxes
from scenekeeper.segment.sam_weights import Sam, Weights, read_processor

ENCODER_FLOPS, NOUN_FLOPS, OBJECT_FLOPS = 5.61e12, 0.42e12, 0.95e12
"""Of one picture at 1008 pixels, of a noun looked for and of a thing followed in it."""
MOST, PATIENCE = 64, 100
"""Things followed at once, and frames that one may be unseen before it is followed no more."""


def load(source: Source, device: Device) -> ConceptTracks | BoxTracks:
    """The model of a name; its weights are read when a clip is opened.

    Raises:
        ModelError: there is no such checkpoint, it is of another kind, or the name's part is not
            ``boxes``.
    """
    if source.part not in (None, "boxes"):
        raise ModelError(f"'sam3' has no part {source.part!r}", remedy="Write #boxes or nothing.")
    folder = find_checkpoint(source)
    if source.part == "boxes":
        expect_type(folder, "sam3_video", "sam3_tracker_video")
        weights = Weights(folder, "sam3_tracker_video", device)
        return track_boxes(source, folder, weights, _box_flops)
    config = expect_type(folder, "sam3_video")
    return ConceptTracks(_card(source, folder, config), Concepts(folder, device))


def _box_flops(load: Load) -> float:
    return ENCODER_FLOPS + OBJECT_FLOPS * load.objects


def _flops(load: Load) -> float:
    return ENCODER_FLOPS + NOUN_FLOPS * load.phrases + OBJECT_FLOPS * load.objects


def _card(source: Source, folder: Path, config: Mapping[str, Any]) -> Card:
    return Card(
        name=str(source),
        revision=revision_of(folder),
        licence=licence_of(str(source)),
        provides=frozenset({"boxes", "masks", "tracks"}),
        settings={"most": MOST, "patience": PATIENCE, "synonyms": False},
        flops=_flops,
    )


@dataclass(frozen=True, eq=False)
class Concepts:
    """Where the weights of SAM 3 are."""

    folder: Path
    device: Device
    _read: list[Sam] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self) -> Sam:
        """The model; read at the first call.

        Raises:
            ModelError: weights or processor are missing or damaged.
        """
        with self._lock:
            if not self._read:
                self._read.append(self._open())
            return self._read[0]

    def _open(self) -> Sam:
        from transformers import Sam3VideoProcessor

        from scenekeeper.segment.sam3_model import ConceptModel

        model = load_weights(ConceptModel, self.folder, self.device.name)
        model.max_num_objects = min(model.max_num_objects, MOST)
        return Sam(model, read_processor(Sam3VideoProcessor, self.folder), self.device)


@dataclass(frozen=True, eq=False)
class ConceptTracks:
    """Finds and follows what a vocabulary names."""

    card: Card
    weights: Concepts

    def open(self, clip: Clip, vocabulary: Words) -> Session:
        """Start on a clip; its labels come some frames late.

        Raises:
            ModelError: the weights are missing or damaged.
        """
        sam = self.weights.get()
        from scenekeeper.segment.sam3_clip import Watching

        return Watching(sam, list(vocabulary), len(clip), PATIENCE)
