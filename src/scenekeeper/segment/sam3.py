"""SAM 3: a vocabulary in; boxes, masks and tracks out.

``sam3:CHECKPOINT`` looks for the phrases of the vocabulary, not for their synonyms: each noun costs
a pass of the detector in every frame, and things of different nouns are different things.
``sam3:CHECKPOINT#boxes`` is its tracker alone, told boxes, as SAM 2 is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scenekeeper.errors import ModelError
from scenekeeper.models.base import Card, Load, Session, Words
from scenekeeper.models.checkpoint import (
    expect_type,
    find_checkpoint,
    load_part,
    load_weights,
    revision_of,
)
from scenekeeper.models.device import Device
from scenekeeper.models.known import licence_of
from scenekeeper.models.once import Once
from scenekeeper.models.source import Source
from scenekeeper.schema import Clip
from scenekeeper.segment.sam2 import BoxTracks, track_boxes
from scenekeeper.segment.sam_weights import Sam, read_sam

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
        weights = Once(lambda: read_sam(folder, "sam3_tracker_video", device))
        return track_boxes(source, folder, weights, _box_flops)
    expect_type(folder, "sam3_video")
    return ConceptTracks(_card(source, folder), Once(lambda: read_concepts(folder, device)))


def _box_flops(load: Load) -> float:
    return ENCODER_FLOPS + OBJECT_FLOPS * load.objects


def _flops(load: Load) -> float:
    return ENCODER_FLOPS + NOUN_FLOPS * load.phrases + OBJECT_FLOPS * load.objects


def _card(source: Source, folder: Path) -> Card:
    return Card(
        name=str(source),
        revision=revision_of(folder),
        licence=licence_of(str(source)),
        provides=frozenset({"boxes", "masks", "tracks"}),
        settings={"most": MOST, "patience": PATIENCE, "synonyms": False},
        flops=_flops,
    )


def read_concepts(folder: Path, device: Device) -> Sam:
    """SAM 3 on a device.

    Raises:
        ModelError: weights or processor are missing or damaged.
    """
    from transformers import Sam3VideoProcessor

    from scenekeeper.segment.sam3_model import ConceptModel

    model = load_weights(ConceptModel, folder, device.name)
    model.max_num_objects = min(model.max_num_objects, MOST)
    return Sam(model, load_part(Sam3VideoProcessor, folder), device)


@dataclass(frozen=True, eq=False)
class ConceptTracks:
    """Finds and follows what a vocabulary names."""

    card: Card
    weights: Once[Sam]

    def open(self, clip: Clip, vocabulary: Words) -> Session:
        """Start on a clip; its labels come some frames late.

        Raises:
            ModelError: the weights are missing or damaged.
        """
        sam = self.weights()
        from scenekeeper.segment.sam3_clip import Watching

        return Watching(sam, list(vocabulary), len(clip), PATIENCE)
