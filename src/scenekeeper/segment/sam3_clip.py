"""A clip through SAM 3: exactly what the model says of the whole clip, with memory of a few frames.

What it comes to doubt in a thing's first frames it takes back, so labels come ``hotstart_delay``
frames late. Nothing else is kept of a frame.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from scenekeeper.schema import Frame, Labels
from scenekeeper.segment.cutout import cut_out, enlarge, stability
from scenekeeper.segment.mask_tidy import overlap
from scenekeeper.segment.sam3_model import ConceptSession
from scenekeeper.segment.sam_memory import Reach, forget, prune
from scenekeeper.segment.sam_weights import Sam

Tensor = Any
TOKENS = 32
"""Of a noun; the text encoder takes no more."""


@dataclass(frozen=True, eq=False)
class Held:
    """What was said of N things in a frame, until it is known which of them stay.

    Attributes:
        frame_id: of the frame.
        t_ns: its time.
        size: ``(H, W)`` of its picture.
        ids: N, as the session knows the things.
        words: N indices of nouns.
        masks: ``[N, h, w]`` logits.
        score: ``[N]`` of the detections that the things began with.
        signals: by name, each ``[N]``.
    """

    frame_id: int
    t_ns: int
    size: tuple[int, int]
    ids: tuple[int, ...]
    words: tuple[int, ...]
    masks: Tensor
    score: Tensor
    signals: dict[str, Tensor]


@dataclass
class Watching:
    """One camera's pictures, watched for some nouns.

    Attributes:
        sam: the model, a ``ConceptModel``.
        words: the nouns.
        length: frames of the clip.
        patience: frames that a thing may be unseen before it is followed no more.
    """

    sam: Sam
    words: Sequence[str]
    length: int
    patience: int
    numbers: Iterator[int] = field(default_factory=itertools.count)
    index: int = -1
    session: ConceptSession | None = None
    held: deque[Held] = field(default_factory=deque)
    tracks: dict[int, int] = field(default_factory=dict)
    unseen: dict[int, int] = field(default_factory=dict)

    def push(self, frame: Frame, prior: Labels | None) -> Iterator[Labels]:
        """Look at the next frame; labels of one that is long enough ago."""
        self.index += 1
        if not self.words:
            return iter([_empty(frame.frame_id, frame.t_ns, frame.rgb.shape)])
        with torch.inference_mode(), self.sam.device.autocast():
            self.held.append(self._look(frame))
            late = len(self.held) >= max(1, self.sam.model.hotstart_delay)
            return iter([self._labels(self.held.popleft())] if late else [])

    def flush(self) -> Iterator[Labels]:
        """Labels of the frames still held back."""
        with torch.inference_mode(), self.sam.device.autocast():
            out = [self._labels(held) for held in self.held]
        self.held.clear()
        return iter(out)

    def _look(self, frame: Frame) -> Held:
        if self.session is None:
            self.session = watch(self.sam, self.words, self.length)
        s, model = self.session, self.sam.model
        s.add_new_frame(self.sam.pixels([frame])[0], self.index)
        before = dict(s.obj_id_to_prompt_id)
        said = model(inference_session=s, frame_idx=self.index)
        held = hold(frame, s, said, before | s.obj_id_to_prompt_id)
        s.hotstart_removed_obj_ids |= said.removed_obj_ids
        self._retire(held)
        prune(s, self.index, Reach.of(model.tracker_model))
        prune_notes(s, self.index, model)
        return held

    def _labels(self, held: Held) -> Labels:
        """What is left of what was said, at the size of the picture."""
        assert self.session is not None
        removed = self.session.hotstart_removed_obj_ids
        rows = [k for k, i in enumerate(held.ids) if i not in removed]
        if not rows:
            return _empty(held.frame_id, held.t_ns, held.size)
        found = enlarge(held.masks[rows][:, None], held.size) > 0
        words = [held.words[k] for k in rows]
        cut = cut_out(claimed(found, held.signals["objectness"][rows], words))
        shown = np.flatnonzero(cut.found)
        signals = {k: v[rows].float().cpu().numpy()[shown] for k, v in held.signals.items()}
        score = held.score[rows].cpu().numpy()[shown]
        phrases = [self.words[words[k]] for k in shown]
        return Labels(
            held.frame_id,
            held.t_ns,
            held.size,
            cut.box_xyxy[shown],
            mask=tuple(cut.counts(int(k)) for k in shown),
            phrase=tuple(phrases),
            score=score,
            signals=signals,
            track=np.array([self._track(held.ids[rows[k]]) for k in shown], np.int64),
            names=tuple({p: float(s)} for p, s in zip(phrases, score, strict=True)),
        )

    def _track(self, thing: int) -> int:
        if thing not in self.tracks:
            self.tracks[thing] = next(self.numbers)
        return self.tracks[thing]

    def _retire(self, held: Held) -> None:
        """Let go of what has long been unseen."""
        assert self.session is not None
        seen = (held.masks > 0).flatten(1).any(1).tolist()
        there = {i for i, found in zip(held.ids, seen, strict=True) if found}
        self.unseen = {
            i: 0 if i in there else self.unseen.get(i, 0) + 1 for i in self.session.obj_ids
        }
        gone = [i for i, frames in self.unseen.items() if frames > self.patience]
        if gone:
            forget(self.session, gone)
        for i in gone:
            self.session.obj_id_to_prompt_id.pop(i, None)
            self.session.obj_id_to_last_occluded.pop(i, None)


def watch(sam: Sam, words: Sequence[str], length: int) -> ConceptSession:
    """A session that looks for some nouns."""
    session = ConceptSession(length, sam.device.name)
    told = sam.processor.tokenizer(
        list(words),
        return_tensors="pt",
        padding="max_length",
        max_length=TOKENS,
        truncation=True,
    ).to(sam.device.name)
    for k, word in enumerate(words):
        session.prompts[k] = word
        session.prompt_input_ids[k] = told["input_ids"][k : k + 1]
        session.prompt_attention_masks[k] = told["attention_mask"][k : k + 1]
    return session


def hold(frame: Frame, session: ConceptSession, said: Any, words: dict[int, int]) -> Held:
    """What is needed of what the model says of a frame; nothing leaves the device."""
    ids = tuple(sorted(i for i in said.obj_id_to_mask if i not in said.suppressed_obj_ids))
    size = (frame.rgb.shape[0], frame.rgb.shape[1])
    device = session.inference_device
    if not ids:
        none = torch.zeros(0, 1, 1, device=device)
        flat = none[:, 0, 0]
        signals = dict.fromkeys(("mask_iou", "objectness", "stability", "detector_iou"), flat)
        return Held(frame.frame_id, frame.t_ns, size, (), (), none, flat, signals)
    masks = torch.cat([said.obj_id_to_mask[i] for i in ids])
    score = torch.tensor([said.obj_id_to_score[i] for i in ids], device=device)
    fits = [_fit(session, words[i], mask) for i, mask in zip(ids, masks, strict=True)]
    iou, there = _tracked(session, ids)
    signals = {
        "mask_iou": iou,
        # The tracker knows nothing yet of what is new; the detector's word stands in.
        "objectness": torch.where(there.isnan(), score, there),
        "stability": stability(masks),
        "detector_iou": torch.stack(fits),
    }
    kinds = tuple(words[i] for i in ids)
    return Held(frame.frame_id, frame.t_ns, size, ids, kinds, masks, score, signals)


def _fit(session: ConceptSession, word: int, mask: Tensor) -> Tensor:
    """IoU of a mask ``[h, w]`` with the detection of its noun that it fits best; or 0."""
    best = overlap(mask[None] > 0, session.detections[word]["mask"] > 0)
    return best.max() if best.numel() else torch.zeros((), device=mask.device)


def _tracked(session: ConceptSession, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The tracker's IoU and objectness of things, each ``[N]``; NaN of those that are new."""
    unknown = torch.full((len(ids),), torch.nan, device=session.inference_device)
    if session.said is None:
        return unknown, unknown
    place = {i: k for k, i in enumerate(session.said.ids)}
    at = torch.tensor([place.get(i, -1) for i in ids], device=unknown.device)
    iou = torch.where(at >= 0, session.said.iou[at], unknown)
    there = session.said.objectness[:, 0].float().sigmoid()
    return iou, torch.where(at >= 0, there[at], unknown)


def claimed(found: Tensor, scores: Tensor, words: Sequence[int]) -> Tensor:
    """Bitmaps ``bool [N, H, W]`` of which no two of the same noun share a pixel.

    The model's own rule: it belongs to the thing that the tracker is surest of; of equals, to the
    first. Things of different nouns may overlap, as a handle and its drawer do.
    """
    out = found.clone()
    groups = torch.tensor(words, device=found.device)
    for word in set(words):
        rows = torch.nonzero(groups == word)[:, 0]
        claim = torch.where(found[rows], scores[rows, None, None].float(), 0.0)
        out[rows] &= claim.argmax(0) == torch.arange(len(rows), device=found.device)[:, None, None]
    return out


def prune_notes(session: ConceptSession, frame: int, model: Any) -> None:
    """Shorten what the model writes down of things, beyond what it counts or looks up again.

    It counts the frames in which a thing was unmatched or a double, up to a threshold.
    """
    s, known = session, set(session.obj_ids)
    for notes in (s.suppressed_obj_ids, s.obj_id_to_tracker_score_frame_wise):
        for k in [k for k in notes if k < frame]:
            del notes[k]
    for pair in [p for p in s.overlap_pair_to_frame_inds if not known.issuperset(p)]:
        del s.overlap_pair_to_frame_inds[pair]
    for by_thing in (
        s.unmatched_frame_inds,
        s.trk_keep_alive,
        s.obj_first_frame_idx,
        s.obj_id_to_score,
    ):
        for i in [i for i in by_thing if i not in known]:
            del by_thing[i]
    for seen in s.unmatched_frame_inds.values():
        del seen[model.hotstart_unmatch_thresh :]
    for seen in s.overlap_pair_to_frame_inds.values():
        del seen[model.hotstart_dup_thresh :]


def _empty(frame_id: int, t_ns: int, shape: Sequence[int]) -> Labels:
    return Labels(frame_id, t_ns, (shape[0], shape[1]), np.zeros((0, 4), np.float32))
