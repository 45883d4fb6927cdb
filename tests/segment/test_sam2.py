"""SAM 2 and EdgeTAM as models of the house: boxes in, masks and tracks out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper import masks
from scenekeeper.errors import ModelError
from scenekeeper.models.base import ClipModel, FrameModel, Load
from scenekeeper.models.device import Device
from scenekeeper.models.source import Source
from scenekeeper.schema import Clip, Frame, Labels
from scenekeeper.segment import sam2
from scenekeeper.segment.admit import AdmitConfig
from tests.checkpoints.pictures import clip, frame

pytestmark = pytest.mark.models
BOXES = [[50, 110, 86, 168], [150, 94, 196, 172], [250, 110, 284, 172]]
WORDS = ["mug", "box", "plant"]


@pytest.fixture(scope="module", params=["sam2", "edgetam"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tracker(family: str, checkpoint: Callable[[str], Path]) -> sam2.BoxTracks:
    model = sam2.load(Source(family, str(checkpoint(family))), Device())
    assert isinstance(model, sam2.BoxTracks) and isinstance(model, ClipModel)
    return model


@pytest.fixture(scope="module")
def only_sam2(checkpoint: Callable[[str], Path]) -> sam2.BoxTracks:
    model = sam2.load(Source("sam2", str(checkpoint("sam2"))), Device())
    assert isinstance(model, sam2.BoxTracks)
    return model


def found(f: Frame, boxes: Sequence[Sequence[float]] = BOXES, first: float = 0.9) -> Labels:
    n, scale = len(boxes), f.camera.width / 320
    return Labels(
        f.frame_id,
        f.t_ns,
        (f.camera.height, f.camera.width),
        np.array(boxes, np.float32).reshape(-1, 4) * scale,
        phrase=tuple(WORDS[k % 3] for k in range(n)),
        score=np.linspace(first, 0.6, n, dtype=np.float32),
        signals={"margin": np.linspace(0.3, 0.1, n, dtype=np.float32)},
        names=tuple({WORDS[k % 3]: 0.9, "thing": 0.1} for k in range(n)),
    )


def follow(
    model: sam2.BoxTracks, frames: Sequence[Frame], prior: Sequence[Labels | None]
) -> list[Labels]:
    session = model.open(Clip("made", 0, 0, len(frames)), {})
    out = [
        labels
        for f, labels in zip(frames, prior, strict=True)
        for labels in session.push(f, labels)
    ]
    return out + list(session.flush())


def test_things_are_followed_from_the_frame_they_are_found_in(tracker: sam2.BoxTracks) -> None:
    frames = clip(5)
    out = follow(tracker, frames, [None, found(frames[1]), None, None, found(frames[4], [])])
    assert [labels.frame_id for labels in out] == [0, 1, 2, 3, 4] and not len(out[0])
    for labels in out[1:]:
        assert labels.track.tolist() == [0, 1, 2] and labels.phrase == tuple(WORDS)
        assert labels.score.tolist() == pytest.approx([0.9, 0.75, 0.6])
        assert labels.names[0] == {"mug": 0.9, "thing": 0.1}
        for mask, box in zip(labels.mask, labels.box_xyxy, strict=True):
            assert mask is not None and masks.box(mask, (240, 320)) == tuple(box)
        for name in ("mask_iou", "objectness", "stability"):
            value = labels.signals[name]
            assert ((value >= 0) & (value <= 1)).all()
        assert labels.signals["margin"].tolist() == pytest.approx([0.3, 0.2, 0.1])
    assert "detector_iou" in out[1].signals and "detector_iou" not in out[2].signals
    assert out[4].signals["detector_iou"].tolist() == [0, 0, 0]


def test_masks_of_a_frame_do_not_overlap(only_sam2: sam2.BoxTracks) -> None:
    frames = clip(3)
    boxes = [[x, 40, x + 150, 200] for x in (10, 40, 70, 100)]
    config = AdmitConfig(overlap=0.95)
    model = sam2.BoxTracks(only_sam2.card, only_sam2.weights, config)
    for labels in follow(model, frames, [found(frames[0], boxes), None, None]):
        dense = [masks.decode(m, (240, 320)) for m in labels.mask if m is not None]
        assert len(dense) == 4 and np.sum(dense, 0).max() == 1


def test_what_turns_up_later_gets_a_number_of_its_own(tracker: sam2.BoxTracks) -> None:
    frames = clip(5)
    prior = [
        found(frames[0], BOXES[:1]),
        None,
        found(frames[2], [*BOXES[:1], BOXES[2]]),
        None,
        None,
    ]
    config = AdmitConfig(overlap=0.01, fill=2)
    model = sam2.BoxTracks(tracker.card, tracker.weights, config)
    out = follow(model, frames, prior)
    assert all(0 in labels.track for labels in out)
    new = [set(labels.track.tolist()) - {0} for labels in out]
    assert new[0] == new[1] == set() and new[2:] == [new[2]] * 3


def test_a_detection_that_a_mask_covers_adds_nothing_but_may_name_it(
    only_sam2: sam2.BoxTracks,
) -> None:
    frames = clip(2)
    first = follow(only_sam2, frames[:1], [found(frames[0], BOXES[:1])])[0]
    surer = replace(
        found(frames[1], first.box_xyxy.tolist(), 0.95),
        phrase=("kettle",),
        names=({"kettle": 0.95},),
    )
    out = follow(only_sam2, frames, [found(frames[0], BOXES[:1]), surer])
    assert out[1].track.tolist() == [0] and out[1].signals["detector_iou"][0] > 0.5
    assert out[1].phrase == ("kettle",) and out[1].score.tolist() == pytest.approx([0.95])


def test_what_is_long_unseen_is_followed_no_more(
    only_sam2: sam2.BoxTracks, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = clip(6)
    sam = only_sam2.weights()
    session = sam2.Following(sam, AdmitConfig(patience=2))
    list(session.push(frames[0], found(frames[0])))
    with monkeypatch.context() as patch:
        head = sam.model.mask_decoder.pred_obj_score_head
        patch.setattr(head, "forward", lambda x: x[..., :1] * 0 - 5)
        for k in (1, 2):
            assert len(next(session.push(frames[k], None))) == 0
        assert sorted(session.known) == [0, 1, 2]
        next(session.push(frames[3], None))
    assert not session.known and session.session.get_obj_num() == 0
    again = next(session.push(frames[4], found(frames[4], BOXES[:1])))
    assert again.track.tolist() == [3], "numbers are not used again"


@pytest.mark.parametrize(("width", "height"), [(323, 241), (97, 160)])
def test_masks_have_the_size_of_the_picture(
    only_sam2: sam2.BoxTracks, width: int, height: int
) -> None:
    pictures = [frame(width, height, k) for k in range(2)]
    box = np.array([[0.2, 0.3, 0.5, 0.8]]) * [width, height, width, height] * 320 / width
    for labels in follow(only_sam2, pictures, [found(pictures[0], box.tolist()), None]):
        assert labels.size == (height, width)
        dense = masks.decode(labels.mask[0] or b"", (height, width))
        assert dense.any() and (labels.box_xyxy <= [width, height, width, height]).all()


def test_half_precision_stays_finite(family: str, checkpoint: Callable[[str], Path]) -> None:
    model = sam2.load(Source(family, str(checkpoint(family))), Device("cpu", half=True))
    assert isinstance(model, sam2.BoxTracks)
    frames = clip(3)
    out = follow(model, frames, [found(frames[0]), None, None])
    assert all(len(labels) == 3 for labels in out)
    for labels in out:
        own = ("mask_iou", "objectness", "stability")
        assert np.isfinite([labels.signals[name] for name in own]).all()


def images(family: str, folder: Path) -> sam2.BoxMasks:
    model = sam2.load(Source(family, str(folder), part="image"), Device())
    assert isinstance(model, sam2.BoxMasks) and isinstance(model, FrameModel)
    return model


def test_a_batch_of_pictures_is_as_one_by_one(
    family: str, checkpoint: Callable[[str], Path]
) -> None:
    model = images(family, checkpoint(family))
    frames = [frame(320, 240, 0), frame(161, 120, 1), frame(320, 240, 2), frame(320, 240, 3)]
    prior = [found(frames[0]), found(frames[1], BOXES[:1]), None, found(frames[3], [])]
    together = model.run(frames, {}, prior)
    alone = [model.run([f], {}, [p])[0] for f, p in zip(frames, prior, strict=True)]
    assert [len(labels) for labels in together] == [3, 1, 0, 0]
    for a, b in zip(together, alone, strict=True):
        assert a.mask == b.mask and a.phrase == b.phrase
        for name in a.signals:
            assert a.signals[name] == pytest.approx(b.signals[name], abs=1e-5)


def test_a_picture_is_seen_as_the_image_model_sees_it(checkpoint: Callable[[str], Path]) -> None:
    """``Sam2Model`` on the same weights."""
    import torch
    from transformers import Sam2Model, Sam2Processor

    folder = checkpoint("sam2")
    theirs, processor = Sam2Model.from_pretrained(folder), Sam2Processor.from_pretrained(folder)
    f = frame()
    x = processor(images=f.rgb.copy(), input_boxes=[BOXES], return_tensors="pt")
    sizes = x.pop("original_sizes")
    with torch.inference_mode():
        said = theirs(**x, multimask_output=False)
    dense = processor.post_process_masks(said.pred_masks, sizes)[0][:, 0].numpy()
    ours = images("sam2", folder).run([f], {}, [found(f)])[0]
    assert ours.signals["mask_iou"] == pytest.approx(said.iou_scores.flatten().numpy(), abs=1e-5)
    assert [masks.encode(d) for d in dense] == list(ours.mask)


def test_a_card_is_complete_without_weights(
    family: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copy(checkpoint(family) / "config.json", tmp_path)
    model = sam2.load(Source(family, str(tmp_path)), Device())
    card = model.card
    assert card.name == f"{family}:{tmp_path}" and card.licence == "Apache-2.0"
    assert card.provides == {"masks", "tracks"} and card.needs == {"boxes"}
    assert card.revision and json.dumps(card.facts())
    with pytest.raises(ModelError, match="cannot be loaded"):
        model.weights()


def test_the_cost_of_a_frame_grows_with_what_is_followed(tmp_path: Path) -> None:
    large = {"model_type": "sam2_video", "vision_config": {"backbone_config": {"hidden_size": 144}}}
    (tmp_path / "config.json").write_text(json.dumps(large))
    flops = sam2.load(Source("sam2", str(tmp_path)), Device()).card.flops
    assert flops is not None and flops(Load(1, 1, objects=10)) == pytest.approx(8e12, rel=0.01)


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda folder: (folder / "processor_config.json").unlink(), "lacks what prepares"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 64), "cannot be loaded"),
    ],
    ids=["processor", "weights"],
)
def test_what_is_missing_or_damaged_is_named(
    checkpoint: Callable[[str], Path], tmp_path: Path, harm: Any, problem: str
) -> None:
    folder = shutil.copytree(checkpoint("sam2"), tmp_path / "sam2")
    harm(folder)
    with pytest.raises(ModelError, match=problem):
        sam2.load(Source("sam2", str(folder)), Device()).weights()


def test_a_checkpoint_of_another_family_is_refused(checkpoint: Callable[[str], Path]) -> None:
    folder = str(checkpoint("sam2"))
    with pytest.raises(ModelError, match="not of edgetam_video"):
        sam2.load(Source("edgetam", folder), Device())
    with pytest.raises(ModelError, match="no part 'boxes'"):
        sam2.load(Source("sam2", folder, part="boxes"), Device())
