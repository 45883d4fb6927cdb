"""SAM 2 and EdgeTAM: boxes in, masks and tracks out; things that turn up later are followed too.

``sam2:CHECKPOINT`` follows things through a clip, ``sam2:CHECKPOINT#image`` masks the boxes of
each frame by itself. ``edgetam:CHECKPOINT`` is the same with a smaller model.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ModelError
from scenekeeper.models.base import Card, Load, Session, Words
from scenekeeper.models.checkpoint import expect_type, find_checkpoint, revision_of
from scenekeeper.models.device import Device
from scenekeeper.models.known import licence_of
from scenekeeper.models.once import Once
from scenekeeper.models.source import Source
from scenekeeper.schema import Clip, Frame, Labels
from scenekeeper.segment.admit import AdmitConfig, admit, agreement
from scenekeeper.segment.cutout import Cutouts, cut_out, enlarge, stability, without_overlap
from scenekeeper.segment.sam2_image import BoxMasks
from scenekeeper.segment.sam_memory import Reach, forget, prune
from scenekeeper.segment.sam_weights import Sam, read_sam

TYPES = {"sam2": ("sam2_video",), "edgetam": ("edgetam_video",)}
ENCODER_FLOPS: Mapping[int, float] = {96: 0.29e12, 112: 0.65e12, 144: 1.83e12}
"""Of one picture at 1024 pixels, by the width of the Hiera: tiny, base plus, large."""
OBJECT_FLOPS = 0.62e12
"""Of one thing followed through one frame."""


def load(source: Source, device: Device) -> BoxTracks | BoxMasks:
    """The model of a name; its weights are read when it first looks at a frame.

    Raises:
        ModelError: there is no such checkpoint, it is of another kind, or the name's part is not
            ``image``.
    """
    if source.part not in (None, "image"):
        raise ModelError(
            f"{source.family!r} has no part {source.part!r}", remedy="Write #image or nothing."
        )
    folder = find_checkpoint(source)
    config = expect_type(folder, *TYPES[source.family])
    weights = Once(lambda: read_sam(folder, config["model_type"], device))
    flops = _flops(config)
    if source.part == "image":
        return BoxMasks(card(source, folder, frozenset({"masks"}), {}, 8, flops), weights)
    return track_boxes(source, folder, weights, flops)


def track_boxes(
    source: Source,
    folder: Path,
    weights: Once[Sam],
    flops: Callable[[Load], float] | None = None,
    config: AdmitConfig | None = None,
) -> BoxTracks:
    """A tracker of boxes over any model with the memory of SAM 2."""
    config = config or AdmitConfig()
    told = {"admit": asdict(config), "overlap": False}
    made = card(source, folder, frozenset({"masks", "tracks"}), told, 1, flops)
    return BoxTracks(made, weights, config)


def card(
    source: Source,
    folder: Path,
    provides: frozenset[Any],
    settings: Mapping[str, Any],
    max_batch: int,
    flops: Callable[[Load], float] | None,
) -> Card:
    """The card of a model that is told boxes."""
    return Card(
        name=str(source),
        revision=revision_of(folder),
        licence=licence_of(str(source)),
        provides=provides,
        needs=frozenset({"boxes"}),
        max_batch=max_batch,
        settings=settings,
        flops=flops,
    )


def _flops(config: Mapping[str, Any]) -> Callable[[Load], float] | None:
    backbone = config.get("vision_config", {}).get("backbone_config", {})
    encoder = ENCODER_FLOPS.get(backbone.get("hidden_size", 0))
    if encoder is None:
        return None
    return lambda load: encoder + OBJECT_FLOPS * load.objects


@dataclass(frozen=True, eq=False)
class BoxTracks:
    """Follows things from the boxes they are first seen in."""

    card: Card
    weights: Once[Sam]
    config: AdmitConfig = field(default_factory=AdmitConfig)

    def open(self, clip: Clip, vocabulary: Words) -> Session:
        """Start on a clip; the words come with the boxes.

        Raises:
            ModelError: the weights are missing or damaged.
        """
        return Following(self.weights(), self.config)


@dataclass(frozen=True, eq=False)
class Followed:
    """A thing that is followed.

    Attributes:
        words: the surest detection of it so far, as labels of one row.
        unseen: frames since it was last seen.
    """

    words: Labels
    unseen: int = 0


@dataclass
class Following:
    """One camera's pictures, and what is followed through them.

    Attributes:
        sam: the model.
        config: which detections are followed, and for how long.
    """

    sam: Sam
    config: AdmitConfig
    numbers: Iterator[int] = field(default_factory=itertools.count)
    known: dict[int, Followed] = field(default_factory=dict)
    session: Any = None
    index: int = -1

    def push(self, frame: Frame, prior: Labels | None) -> Iterator[Labels]:
        """Follow what is known into the next frame, and take up what is new in it."""
        import torch

        with torch.inference_mode(), self.sam.device.autocast():
            return iter([self._look(frame, prior)])

    def flush(self) -> Iterator[Labels]:
        """Nothing is held back."""
        return iter(())

    def _look(self, frame: Frame, prior: Labels | None) -> Labels:
        self.index += 1
        size = (frame.rgb.shape[0], frame.rgb.shape[1])
        nothing = Labels.empty(frame)
        found = prior if prior is not None else nothing
        if not self.known and not len(found):
            return nothing
        if self.session is None:
            self.session = self.sam.session()
        self.session.add_new_frame(self.sam.pixels([frame])[0], self.index)
        seen = self._follow(size)
        if new := self._take_up(found, seen, size):
            seen = _joined(seen, self._prompted(new, size), size)
        out = self._labels(frame, found, seen, prior is not None)
        self._retire(seen)
        prune(self.session, self.index, Reach.of(self.sam.model))
        return out

    def _follow(self, size: tuple[int, int]) -> Seen:
        from scenekeeper.segment.sam_batched import step

        if not self.known:
            return Seen.nothing(size)
        said = step(self.sam.model, self.session, self.index, list(self.known))
        return Seen.of(said, size)

    def _take_up(self, found: Labels, seen: Seen, size: tuple[int, int]) -> dict[int, Labels]:
        """Numbers for the detections that are new."""
        shown = np.flatnonzero(seen.cut.found)
        phrases = [self.known[seen.tracks[k]].words.phrase[0] for k in shown]
        rows = admit(
            found,
            seen.cut.box_xyxy[shown],
            phrases,
            lambda k, box: seen.cut.filled(int(shown[k]), box),
            len(self.known),
            self.config,
        )
        return {next(self.numbers): found[int(row)] for row in rows}

    def _prompted(self, new: Mapping[int, Labels], size: tuple[int, int]) -> Seen:
        from scenekeeper.segment.sam_batched import step

        self.sam.processor.add_inputs_to_inference_session(
            self.session,
            self.index,
            obj_ids=list(new),  # a list of its own: the session empties it
            input_boxes=[[words.box_xyxy[0].tolist() for words in new.values()]],
            original_size=size,
        )
        self.known |= {track: Followed(words) for track, words in new.items()}
        return Seen.of(step(self.sam.model, self.session, self.index, list(new)), size)

    def _labels(self, frame: Frame, found: Labels, seen: Seen, looked: bool) -> Labels:
        """What is seen, called as the surest detection of it so far calls it."""
        shown = np.flatnonzero(seen.cut.found)
        best, own = agreement(found, seen.cut.box_xyxy[shown], self.config.overlap)
        for k, row in zip(shown, own, strict=True):
            known = self.known[seen.tracks[k]]
            if row >= 0 and found.score[row] > known.words.score[0]:
                self.known[seen.tracks[k]] = replace(known, words=found[int(row)])
        words = [self.known[seen.tracks[k]].words for k in shown]
        signals = {name: value[shown] for name, value in seen.signals.items()}
        if looked:
            signals["detector_iou"] = best
        return Labels(
            frame.frame_id,
            frame.t_ns,
            seen.cut.size,
            seen.cut.box_xyxy[shown],
            mask=tuple(seen.cut.counts(int(k)) for k in shown),
            phrase=tuple(w.phrase[0] for w in words),
            score=np.array([w.score[0] for w in words], np.float32),
            signals=_carried(words) | signals,
            track=np.array([seen.tracks[k] for k in shown], np.int64),
            names=tuple(w.names[0] for w in words),
            text=tuple(w.text[0] for w in words),
        )

    def _retire(self, seen: Seen) -> None:
        """Count the frames that a thing is unseen, and let go of what has long been."""
        for track, found in zip(seen.tracks, seen.cut.found, strict=True):
            known = self.known[track]
            self.known[track] = replace(known, unseen=0 if found else known.unseen + 1)
        gone = [t for t, known in self.known.items() if known.unseen > self.config.patience]
        if gone:
            forget(self.session, gone)
        for track in gone:
            del self.known[track]


@dataclass(frozen=True, eq=False)
class Seen:
    """What shows of N things in a frame.

    Attributes:
        tracks: their numbers.
        logits: ``[N, 1, h, w]`` on the device.
        cut: their masks; no two share a pixel.
        signals: by name, each ``[N]``.
    """

    tracks: tuple[int, ...]
    logits: Any
    cut: Cutouts
    signals: Mapping[str, NDArray[np.float32]]

    @classmethod
    def of(cls, said: Any, size: tuple[int, int]) -> Seen:
        """From a step of the model."""
        signals = {
            "mask_iou": said.iou.cpu().numpy(),
            "objectness": said.objectness[:, 0].float().sigmoid().cpu().numpy(),
            "stability": stability(said.logits).cpu().numpy(),
        }
        cut = cut_out(without_overlap(enlarge(said.logits, size)))
        return cls(said.ids, said.logits, cut, signals)

    @classmethod
    def nothing(cls, size: tuple[int, int]) -> Seen:
        """Of no things."""
        bits = np.zeros((0, size[0], -(-size[1] // 8)), np.uint8)
        return cls((), None, Cutouts(bits, size, np.zeros((0, 4), np.float32)), {})


def _joined(a: Seen, b: Seen, size: tuple[int, int]) -> Seen:
    """Both; where they overlap, a pixel is the one's that claims it most."""
    import torch

    if not a.tracks:
        return b
    logits = torch.cat([a.logits, b.logits])
    cut = cut_out(without_overlap(enlarge(logits, size)))
    signals = {name: np.concatenate([v, b.signals[name]]) for name, v in a.signals.items()}
    return Seen((*a.tracks, *b.tracks), logits, cut, signals)


def _carried(words: Sequence[Labels]) -> dict[str, NDArray[np.float32]]:
    """Signals of the detections that things are known by; NaN where one has none."""
    names = sorted({name for w in words for name in w.signals})
    return {
        name: np.array([w.signals[name][0] if name in w.signals else np.nan for w in words])
        for name in names
    }
