"""SAM 3 as a model of the house: a vocabulary in; boxes, masks and tracks out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from scenekeeper import masks
from scenekeeper.errors import ModelError
from scenekeeper.models.base import ClipModel, Load
from scenekeeper.models.device import Device
from scenekeeper.models.source import Source
from scenekeeper.schema import Clip, Frame, Labels
from scenekeeper.segment import sam2, sam3
from scenekeeper.segment.sam_memory import READ
from tests.checkpoints.pictures import clip, frame

pytestmark = pytest.mark.models
torch = pytest.importorskip("torch")
FRAMES = 11
NOUNS = ("red mug", "box")
VOCABULARY: dict[str, tuple[str, ...]] = {noun: () for noun in NOUNS}


@pytest.fixture(scope="module")
def folder(checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint("sam3")


@pytest.fixture(scope="module")
def model(folder: Path) -> sam3.ConceptTracks:
    made = sam3.load(Source("sam3", str(folder)), Device())
    assert isinstance(made, sam3.ConceptTracks) and isinstance(made, ClipModel)
    return made


def watching(model: sam3.ConceptTracks, words: Sequence[str] = NOUNS, patience: int = 99) -> Any:
    from scenekeeper.segment.sam3_clip import Watching

    return Watching(model.weights(), words, FRAMES, patience)


def run(session: Any, frames: Sequence[Frame]) -> list[Labels]:
    out = [labels for f in frames for labels in session.push(f, None)]
    return out + list(session.flush())


# --- the stock model on the whole clip ------------------------------------------------------------


def patches(mask: Any) -> tuple[Any, Any]:
    """What the kernel for connected components gives, by SciPy."""
    labels, counts = np.zeros(mask.shape, int), np.zeros(mask.shape, int)
    for k, one in enumerate(mask[:, 0].numpy()):
        labels[k, 0], _ = ndimage.label(one, np.ones((3, 3)))
        counts[k, 0] = np.bincount(labels[k, 0].ravel())[labels[k, 0]]
    return torch.from_numpy(labels), torch.from_numpy(counts)


def without_doubles(pred_probs: Any, pred_masks: Any, prob_threshold: float, iou_threshold: float):
    """What the kernel for non-maximum suppression gives, in a plain loop."""
    keep = torch.zeros(len(pred_probs), dtype=torch.bool)
    flat = (pred_masks > 0).flatten(1)
    for k in pred_probs.argsort(descending=True).tolist():
        others = flat[keep]
        union = (flat[k] | others).sum(1).clamp(min=1)
        alike = (flat[k] & others).sum(1) / union > iou_threshold
        keep[k] = bool(pred_probs[k] > prob_threshold) and not bool(alike.any())
    return keep


@pytest.fixture(scope="module")
def stock(folder: Path) -> list[dict[str, Any]]:
    """Per frame what transformers says of the whole clip, with kernels of our own for the hub's."""
    from transformers import Sam3VideoModel, Sam3VideoProcessor
    from transformers.models.sam3_video import modeling_sam3_video as module

    theirs = Sam3VideoModel.from_pretrained(folder).eval()
    processor = Sam3VideoProcessor.from_pretrained(folder)
    frames = clip(FRAMES)
    size = [list(frames[0].rgb.shape[:2])]
    pixels = [torch.tensor(f.rgb).permute(2, 0, 1) for f in frames]
    pixels = processor.image_processor(images=pixels, return_tensors="pt")["pixel_values"]
    session = processor.init_video_session(inference_device="cpu")
    for k in range(FRAMES):
        session.add_new_frame(pixels[k], k)
    processor.add_text_prompt(session, list(NOUNS))
    out, before = [], list[int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "nms_masks", without_doubles)
        patch.setattr(module, "_get_connected_components_with_padding", patches)
        for said in theirs.propagate_in_video_iterator(session):
            done = processor.postprocess_outputs(session, said, size)
            stays = [i in said.object_ids for i in before]
            done["mixed_up"] = stays != sorted(stays, reverse=True)
            out.append(done)
            before = said.object_ids
    return out


def ids(session: Any, labels: Labels) -> list[int]:
    """What the model calls the things."""
    names = {number: thing for thing, number in session.tracks.items()}
    assert labels.track is not None
    return [names[t] for t in labels.track.tolist()]


@pytest.mark.parametrize("batched", [False, True])
def test_a_clip_frame_by_frame_is_the_whole_clip_of_the_stock_model(
    model: sam3.ConceptTracks,
    stock: list[dict[str, Any]],
    batched: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without batches to the pixel. Where transformers mixes masks up, only who is there counts.

    It does so in a frame in which a thing is removed that is not the last.
    """
    theirs = model.weights().model
    monkeypatch.setattr(theirs, "batched", batched, raising=False)
    monkeypatch.setattr(theirs, "nouns_at_once", 16 if batched else 1, raising=False)
    session = watching(model)
    ours = run(session, clip(FRAMES))
    sure = 0
    for labels, said in zip(ours, stock, strict=True):
        there = said["masks"].any((1, 2))
        assert ids(session, labels) == said["object_ids"][there].tolist()
        assert labels.score == pytest.approx(said["scores"][there].numpy())
        if said["mixed_up"]:
            continue
        sure += 1
        dense = said["masks"][there].numpy()
        for mask, expected in zip(labels.mask, dense, strict=True):
            differ = int((masks.decode(mask or b"", labels.size) != expected).sum())
            assert differ <= (8 if batched else 0)
    assert sure >= FRAMES - 3
    assert sum(len(labels) for labels in ours) > FRAMES, "or this says little"
    assert session.session.hotstart_removed_obj_ids, "some must have been taken back"


def test_its_memory_does_not_grow(model: sam3.ConceptTracks) -> None:
    """Six memories of late and four of prompts a thing, whatever the length of the clip."""
    session, most = watching(model), 0
    for f in clip(FRAMES):
        list(session.push(f, None))
        s = session.session
        assert not s.processed_frames and len(session.held) <= 4
        lists = [*s.unmatched_frame_inds.values(), *s.overlap_pair_to_frame_inds.values()]
        assert all(len(frames) <= 2 for frames in lists)
        assert set(s.obj_first_frame_idx) <= set(s.obj_ids)
        assert len(s.obj_id_to_tracker_score_frame_wise) <= 1 and len(s.suppressed_obj_ids) <= 1
        for kinds in s.output_dict_per_obj.values():
            outs = [out for frames in kinds.values() for out in frames.values()]
            whole = sum("maskmem_features" in out for out in outs)
            assert whole <= 10 and all(set(out) <= set(READ) for out in outs)
            most = max(most, whole)
        assert not any(s.mask_inputs_per_obj.values())
    assert most >= 8, "or this says little"


def test_labels_come_late_in_order_and_whole(model: sam3.ConceptTracks) -> None:
    frames = clip(6)
    session = model.open(Clip("made", 0, 0, 6), VOCABULARY)
    early = [[labels.frame_id for labels in session.push(f, None)] for f in frames]
    late = list(session.flush())
    assert early == [[], [], [], [0], [1], [2]]
    assert [labels.frame_id for labels in late] == [3, 4, 5]
    for labels in late:
        assert len(labels) and set(labels.phrase) <= set(NOUNS) and labels.size == (240, 320)
        assert all(list(names) == [p] for names, p in zip(labels.names, labels.phrase, strict=True))
        assert len(set(labels.track.tolist())) == len(labels)
        for mask, box in zip(labels.mask, labels.box_xyxy, strict=True):
            assert mask is not None and masks.box(mask, labels.size) == tuple(box)
        for name in ("objectness", "stability", "detector_iou"):
            value = labels.signals[name]
            assert ((value >= 0) & (value <= 1)).all(), name
    assert np.isfinite(late[0].signals["mask_iou"]).any()


def test_things_of_one_noun_do_not_overlap(model: sam3.ConceptTracks) -> None:
    for labels in run(watching(model), clip(6)):
        for noun in NOUNS:
            dense = [
                masks.decode(m or b"", labels.size)
                for m, phrase in zip(labels.mask, labels.phrase, strict=True)
                if phrase == noun
            ]
            assert np.sum(dense, 0).max(initial=0) <= 1


def test_nouns_in_batches_are_as_all_at_once(model: sam3.ConceptTracks) -> None:
    from scenekeeper.segment.sam3_clip import watch

    sam, words = model.weights(), ["red mug", "box", "cup", "the blue chair", "sink"]
    with torch.inference_mode():
        seen = sam.model.detector_model.get_vision_features(pixel_values=sam.pixels(clip(1)))
        found = []
        for at_once in (1, 2, 16):
            sam.model.nouns_at_once = at_once
            found.append(sam.model.run_detection(watch(sam, words, 1), seen))
    del sam.model.nouns_at_once
    assert sum(len(f["scores"]) for f in found[0].values()) > 3
    for other in found[1:]:
        for k, one in found[0].items():
            for name in ("bbox", "mask", "scores"):
                assert torch.allclose(one[name], other[k][name], atol=1e-4)


def test_an_empty_vocabulary_finds_nothing_at_once(model: sam3.ConceptTracks) -> None:
    session = model.open(Clip("made", 0, 0, 1), {})
    out = list(session.push(frame(), None))
    assert [len(labels) for labels in out] == [0] and not list(session.flush())


def test_a_long_phrase_is_cut_where_the_text_encoder_ends(model: sam3.ConceptTracks) -> None:
    out = run(watching(model, ["the " + "very " * 60 + "red mug"]), clip(1))
    assert len(out) == 1


def test_what_is_long_unseen_is_followed_no_more(
    model: sam3.ConceptTracks, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, tracker = watching(model, patience=1), model.weights().model.tracker_model
    frames = clip(6)
    list(session.push(frames[0], None))
    assert session.session.obj_ids
    first = set(session.session.obj_ids)
    head = tracker.mask_decoder.pred_obj_score_head
    monkeypatch.setattr(head, "forward", lambda x: x[..., :1] * 0 - 5)
    for f in frames[1:4]:
        list(session.push(f, None))
    assert not first & set(session.session.obj_ids)
    assert session.session.get_obj_num() == len(session.session.obj_ids)


@pytest.mark.parametrize(("width", "height"), [(323, 241), (97, 160)])
def test_masks_have_the_size_of_the_picture(
    model: sam3.ConceptTracks, width: int, height: int
) -> None:
    out = run(watching(model), [frame(width, height, k) for k in range(2)])
    assert sum(len(labels) for labels in out)
    for labels in out:
        assert labels.size == (height, width)
        assert (labels.box_xyxy <= [width, height, width, height]).all()


def test_half_precision_stays_finite(folder: Path) -> None:
    model = sam3.load(Source("sam3", str(folder)), Device("cpu", half=True))
    assert isinstance(model, sam3.ConceptTracks)
    out = run(watching(model), clip(3))
    assert sum(len(labels) for labels in out)
    for labels in out:
        own = ("objectness", "stability", "detector_iou")
        assert np.isfinite([labels.signals[k] for k in own if len(labels)]).all()
        assert np.isfinite(labels.score).all()


def test_its_tracker_alone_follows_boxes(folder: Path) -> None:
    model = sam3.load(Source("sam3", str(folder), part="boxes"), Device())
    assert isinstance(model, sam2.BoxTracks) and model.card.needs == {"boxes"}
    frames = clip(3)
    box = np.array([[50, 110, 86, 168], [150, 94, 196, 172]], np.float32)
    prior = Labels(0, 0, (240, 320), box, phrase=("mug", "box"))
    session = model.open(Clip("made", 0, 0, 3), {})
    out = [labels for k, f in enumerate(frames) for labels in session.push(f, None if k else prior)]
    assert [labels.track.tolist() for labels in out] == [[0, 1]] * 3
    assert out[2].phrase == ("mug", "box")


def test_a_card_is_complete_without_weights(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "config.json", tmp_path)
    model = sam3.load(Source("sam3", str(tmp_path)), Device())
    card = model.card
    assert card.provides == {"boxes", "masks", "tracks"} and not card.needs
    assert card.licence == "LicenseRef-SAM" and json.dumps(card.facts()) and card.flops
    assert card.flops(Load(1, 1, phrases=10, objects=20)) == pytest.approx(28.8e12, rel=0.01)
    with pytest.raises(ModelError, match="cannot be loaded"):
        model.weights()


def test_another_kind_of_checkpoint_is_refused(
    checkpoint: Callable[[str], Path], folder: Path
) -> None:
    with pytest.raises(ModelError, match="not of sam3_video"):
        sam3.load(Source("sam3", str(checkpoint("sam2"))), Device())
    with pytest.raises(ModelError, match="no part 'image'"):
        sam3.load(Source("sam3", str(folder), part="image"), Device())


def test_its_labels_become_masklets(model: sam3.ConceptTracks) -> None:
    """Through the stage that the engine runs."""
    from scenekeeper.models.tables import by_frame, labels_of
    from scenekeeper.segment.follow import FollowJob

    frames = clip(6)
    job = FollowJob(Clip("made", 0, 0, 6), model, VOCABULARY, {})
    for f in frames:
        for item in job.push(f):
            job.collect(job.encode(item))
    for item in job.flush():
        job.collect(job.encode(item))
    table = job.finish()["masklets"]
    back = {k: labels_of(rows) for k, rows in by_frame(table).items()}
    said = run(model.open(Clip("made", 0, 0, 6), VOCABULARY), frames)
    direct = {labels.frame_id: labels for labels in said}
    assert set(back) == {k for k, labels in direct.items() if len(labels)}
    for k, labels in back.items():
        assert labels.mask == direct[k].mask and labels.phrase == direct[k].phrase
        assert labels.track.tolist() == direct[k].track.tolist()
        assert set(labels.signals) >= {"objectness", "stability", "detector_iou"}
