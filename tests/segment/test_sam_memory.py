"""A pruned session says what the stock one says, and all things at once what one by one do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from scenekeeper.models.device import Device
from scenekeeper.segment.sam_memory import Reach, forget, prune
from scenekeeper.segment.sam_weights import Sam, read_sam
from tests.checkpoints.pictures import clip

pytestmark = pytest.mark.models
FRAMES = 17
BOXES = {0: [50, 110, 86, 168], 1: [150, 94, 196, 172]}
LATER = {3: [5, 5, 40, 40]}
AT = 9
"""The frame in which a further thing turns up."""


@pytest.fixture(scope="module", params=["sam2", "edgetam"])
def sam(request: pytest.FixtureRequest, checkpoint: Callable[[str], Path]) -> Sam:
    folder = checkpoint(request.param)
    return read_sam(folder, f"{request.param}_video", Device())


@pytest.fixture(scope="module")
def pixels(sam: Sam) -> Any:
    return sam.pixels(clip(FRAMES))


@pytest.fixture(scope="module")
def eyes(sam: Sam, pixels: Any) -> list[dict[str, Any]]:
    """What the encoder sees in each frame; it is not what is tested here."""
    import torch

    with torch.inference_mode():
        seen = [sam.model.get_image_features(pixels[k : k + 1]) for k in range(FRAMES)]
    return [
        {"vision_feats": s.fpn_hidden_states, "vision_pos_embeds": s.fpn_position_encoding}
        for s in seen
    ]


def show(session: Any, frame: int, eyes: list[dict[str, Any]]) -> Any:
    """Let a session see a frame; what it gets for a picture is not looked at."""
    session.cache.cache_vision_features(frame, eyes[frame])
    picture = eyes[frame]["vision_feats"][0][:1]
    session.add_new_frame(picture, frame)
    return picture


def stock(sam: Sam, session: Any, frame: int, eyes: list[dict[str, Any]]) -> Any:
    """What transformers' own loop says of a frame of a stream."""
    picture = show(session, frame, eyes)
    return sam.model(inference_session=session, frame=picture, frame_idx=frame)


def prompt(sam: Sam, session: Any, frame: int, boxes: Mapping[int, list[int]]) -> None:
    sam.processor.add_inputs_to_inference_session(
        session,
        frame,
        obj_ids=list(boxes),
        input_boxes=[[*boxes.values()]],
        original_size=(240, 320),
    )


def test_a_pruned_session_is_the_stock_one_to_the_bit(sam: Sam, eyes: list[Any]) -> None:
    import torch

    session, whole, reach = sam.session(), sam.session(), Reach.of(sam.model)
    for s in (session, whole):
        prompt(sam, s, 0, BOXES)
    for k in range(FRAMES):
        ours, theirs = (stock(sam, s, k, eyes) for s in (session, whole))
        assert torch.equal(ours.pred_masks, theirs.pred_masks)
        assert torch.equal(ours.object_score_logits, theirs.object_score_logits)
        prune(session, k, reach)
    assert not session.processed_frames
    stored = session.output_dict_per_obj[0]
    assert list(stored["cond_frame_outputs"]) == [0]
    assert len(stored["non_cond_frame_outputs"]) == reach.pointers == 15
    with_features = [o for o in stored["non_cond_frame_outputs"].values() if len(o) > 1]
    assert len(with_features) == reach.features == 6
    assert not session.frames_tracked_per_obj[0] and not session.point_inputs_per_obj[0]


def test_all_things_at_once_are_as_each_followed_alone(sam: Sam, eyes: list[Any]) -> None:
    """Each alone in a stock session of its own; one of them turns up later than the others.

    Both start each frame from the same memory: what comes from a prompt is remembered in black and
    white, so that over frames a pixel within rounding of zero would grow into a difference.
    """
    import torch

    from scenekeeper.segment.sam_batched import step

    session, alone, apart = sam.session(), {i: sam.session() for i in BOXES | LATER}, []
    for k in range(FRAMES):
        show(session, k, eyes)
        steps = [list(BOXES)] if k <= AT else [[*BOXES, *LATER]]
        new = {0: BOXES, AT: LATER}.get(k, {})
        for i, box in new.items():
            prompt(sam, alone[i], k, {i: box})
        if k == AT:
            steps.append(list(LATER))
        for ids in steps:
            if set(ids) == set(new):
                prompt(sam, session, k, new)
            with torch.inference_mode():
                said = step(sam.model, session, k, ids)
            for n, i in enumerate(ids):
                theirs = stock(sam, alone[i], k, eyes)
                assert (said.logits[n] - theirs.pred_masks[0]).abs().max() <= 1e-5
                score = theirs.object_score_logits.flatten()
                assert (said.objectness[n] - score).abs().max() <= 1e-5
                row = session.obj_id_to_idx(i)
                same_memory(session.output_dict_per_obj[row], alone[i].output_dict_per_obj[0], k)
                session.output_dict_per_obj[row] = {
                    kind: dict(frames) for kind, frames in alone[i].output_dict_per_obj[0].items()
                }
            assert ((said.iou >= 0) & (said.iou <= 1)).all()
            apart.append(float(said.logits.std(0).mean()) if len(ids) > 1 else 1.0)
        prune(session, k, Reach.of(sam.model))
    assert min(apart) > 3e-5, "the things must differ for this to say anything"


def same_memory(ours: Mapping[str, Any], theirs: Mapping[str, Any], k: int) -> None:
    """What is stored of a frame; of features few may differ, see above, by more than bfloat16."""
    for kind, frames in theirs.items():
        assert (k in ours[kind]) == (k in frames)
        if k in frames:
            a, b = ours[kind][k], frames[k]
            assert (a["object_pointer"] - b["object_pointer"]).abs().max() <= 1e-5
            assert (a["maskmem_pos_enc"] - b["maskmem_pos_enc"]).abs().max() <= 1e-5
            far = (a["maskmem_features"] - b["maskmem_features"]).abs() > 0.02
            assert far.float().mean() < 0.02


def test_it_takes_a_third_of_the_operations_at_sixteen_things(sam: Sam, pixels: Any) -> None:
    """In the third frame, where both loops have the least to do."""
    import torch

    from scenekeeper.segment.sam_batched import step

    if hasattr(sam.model, "spatial_perceiver"):
        pytest.skip("EdgeTAM encodes memories one by one")
    boxes = {i: [5 + 9 * i, 20 + 5 * i, 60 + 9 * i, 90 + 5 * i] for i in range(16)}
    ours, theirs = sam.session(), sam.session()
    for session in (ours, theirs):
        prompt(sam, session, 0, boxes)
        for k in (0, 1):
            sam.model(inference_session=session, frame=pixels[k], frame_idx=k)
    with torch.inference_mode():
        ours.add_new_frame(pixels[2], 2)
        few = operations(lambda: step(sam.model, ours, 2))
    many = operations(lambda: sam.model(inference_session=theirs, frame=pixels[2], frame_idx=2))
    assert 3 * few <= many


def operations(work: Callable[[], Any]) -> int:
    """ATen operations of some work."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        n = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            self.n += 1
            return func(*args, **(kwargs or {}))

    with Count() as count:
        work()
    return count.n


def test_what_is_forgotten_was_never_there(sam: Sam, pixels: Any) -> None:
    import torch

    from scenekeeper.segment.sam_batched import step

    session, fewer = sam.session(), sam.session()
    three = BOXES | {2: [250, 110, 284, 172]}
    prompt(sam, session, 0, three)
    prompt(sam, fewer, 0, {i: box for i, box in three.items() if i != 1})
    with torch.inference_mode():
        for k in range(4):
            for s in (session, fewer):
                s.add_new_frame(pixels[k], k)
                said = step(sam.model, s, k)
            if k == 1:
                forget(session, [1])
    assert session.obj_ids == fewer.obj_ids == [0, 2]
    with torch.inference_mode():
        again = step(sam.model, session, 3)
    assert again.ids == (0, 2) and (again.logits - said.logits).abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("times", "kept", "whole"),
    [
        (range(0, 100, 5), [0, *range(65, 100, 5)], [80, 85, 90, 95]),
        (range(93, 100), [*range(93, 100)], [94, 95, 96, 97, 98, 99]),
        ([0, 50, 60], [0, 50, 60], [0, 50, 60]),
    ],
)
def test_prompted_frames_are_bounded_by_rule(
    times: Sequence[int], kept: list[int], whole: list[int]
) -> None:
    """Its first and the latest; memory of those that are read, the summary of all."""
    from collections import OrderedDict
    from types import SimpleNamespace

    def out() -> dict[str, int]:
        return dict.fromkeys(("maskmem_features", "maskmem_pos_enc", "object_pointer", "x"), 0)

    prompted = {k: out() for k in times}
    session = SimpleNamespace(
        processed_frames={99: 0},
        output_dict_per_obj={0: {"cond_frame_outputs": prompted, "non_cond_frame_outputs": {}}},
        point_inputs_per_obj={},
        mask_inputs_per_obj={},
        frames_tracked_per_obj={},
        _obj_id_to_idx=OrderedDict({7: 0}),
    )
    prune(session, 99, Reach(6, 15, conditioning=4, prompts=8))
    assert list(prompted) == kept
    assert [k for k, v in prompted.items() if "maskmem_features" in v] == whole
    assert all("object_pointer" in v for v in prompted.values())
