"""Grounding DINO: prompts, whose token is whose, and what is shared between prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.ground.spans import Marks, prompts_within
from scenekeeper.models import Device
from tests.checkpoints.pictures import frame
from tests.checkpoints.tokens import WORDS as NOUNS
from tests.ground.grounders import load

FAMILIES = ("grounding_dino", "mm_grounding_dino")
MARKS = Marks(start=101, end=102, dot=1012, others=(1029,))


def test_a_prompt_joins_phrases_by_dots_and_knows_whose_token_is_whose() -> None:
    [prompt] = prompts_within(256, [[7, 8], [9], [5, 6, 4]], MARKS)
    assert prompt.ids == (101, 7, 8, 1012, 9, 1012, 5, 6, 4, 1012, 102)
    assert prompt.spans == ((1, 3), (4, 5), (6, 9)) and prompt.first == 0


def test_marks_within_a_phrase_do_not_cut_it_in_two() -> None:
    [prompt] = prompts_within(256, [[7, 1012, 8], [1012], [], [9, 1029]], MARKS)
    assert prompt.ids == (101, 7, 8, 1012, 9, 1012, 102)
    assert prompt.spans == ((1, 3), (4, 4), (4, 4), (4, 5))


@pytest.mark.parametrize("limit", [6, 9, 16, 256])
def test_prompts_keep_within_the_limit_and_hold_every_phrase(limit: int) -> None:
    rng = np.random.default_rng(0)
    phrases = [rng.integers(200, 900, n).tolist() for n in rng.integers(1, 9, 60)]
    prompts = list(prompts_within(limit, phrases, MARKS))
    found = [p.ids[a:b] for p in prompts for a, b in p.spans]
    assert found == [tuple(phrase[: limit - 3]) for phrase in phrases]
    assert max(len(p.ids) for p in prompts) <= limit
    starts = [p.first for p in prompts]
    assert starts == np.cumsum([0, *(len(p.spans) for p in prompts)])[:-1].tolist()


def test_no_phrases_make_one_empty_prompt() -> None:
    [prompt] = prompts_within(256, [], MARKS)
    assert prompt.ids == (101, 102) and prompt.spans == ()


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, checkpoint: Callable[[str], Path]) -> Any:
    return load(request.param, checkpoint(request.param))


@pytest.mark.models
def test_the_prompt_is_what_the_tokenizer_makes_of_the_whole_sentence(model: Any) -> None:
    network = model.network()
    [prompt] = network.prompts(["Red mug", "dish towel", "a chair"])
    whole = network.tokenizer("red mug. dish towel. a chair.")["input_ids"]
    assert list(prompt.ids) == whole
    pieces = [network.tokenizer.decode(prompt.ids[a:b]) for a, b in prompt.spans]
    assert pieces == ["red mug", "dish towel", "a chair"]


@pytest.mark.models
def test_a_phrase_with_dots_keeps_its_other_tokens(model: Any) -> None:
    network = model.network()
    [prompt] = network.prompts(["Dr. Pepper", "mug"])
    (a, b), _ = prompt.spans
    assert network.tokenizer.decode(prompt.ids[a:b]).replace(" ", "") == "drpepper"
    assert prompt.ids.count(1012) == 2


@pytest.mark.models
def test_boxes_and_scores_are_those_of_the_library(model: Any) -> None:
    """The library prepares and draws boxes; of its scores, the probability of each token."""
    import torch
    from transformers import GroundingDinoProcessor

    network, picture = model.network(), frame(321, 241)
    processor = GroundingDinoProcessor(network.processor, network.tokenizer)
    phrases = ["red mug", "dish towel", "chair"]
    inputs = processor(images=picture.rgb.copy(), text=[phrases], return_tensors="pt")
    with torch.inference_mode():
        told = network.model(**inputs)
    [stock] = processor.post_process_grounded_object_detection(
        told, threshold=0.0, text_threshold=0.5, target_sizes=[(241, 321)]
    )
    tokens = told.logits[0].sigmoid()
    shares = [tokens[:, 1:3].mean(1), tokens[:, 4:6].mean(1), tokens[:, 7]]
    scores = torch.stack(shares, 1).numpy()

    [seen] = network.look([picture.rgb], phrases)
    rows = scores.max(1) >= network.min_score
    np.testing.assert_allclose(seen.scores, scores[rows], atol=1e-5)
    np.testing.assert_allclose(seen.box_xyxy, stock["boxes"].numpy()[rows], atol=1e-2)


@pytest.mark.models
def test_prompts_share_one_look_at_the_picture_and_answer_as_if_they_did_not(model: Any) -> None:
    import torch

    from scenekeeper.ground.tensors import prepare

    network = model.network()
    texts = [f"{color} {noun}" for color in ("red", "blue", "green") for noun in NOUNS[:40]]
    prompts = list(network.prompts(texts))
    assert len(prompts) == 2
    x = prepare(network.processor, [frame().rgb], Device())
    with torch.inference_mode():
        apart = [network._ask(x, prompt) for prompt in prompts]

    looks, answers = [], []
    backbone = network.model.model.backbone.conv_encoder
    watching = [
        backbone.register_forward_hook(lambda *_: looks.append(1)),
        network.model.register_forward_hook(lambda m, given, told: answers.append(told)),
    ]
    network.look([frame().rgb], texts)
    for hook in watching:
        hook.remove()
    assert len(looks) == 1
    for one, shared in zip(apart, answers, strict=True):
        assert torch.equal(one.logits, shared.logits)
        assert torch.equal(one.pred_boxes, shared.pred_boxes)


@pytest.mark.models
@pytest.mark.parametrize("family", FAMILIES)
def test_boxes_keep_full_precision_in_half_precision(
    family: str, checkpoint: Callable[[str], Path]
) -> None:
    """A share of the width in bfloat16 has eight bits: 7.5 pixels apart at the right of 1920."""
    network = load(family, checkpoint(family), Device("cpu", half=True)).network()
    told = []
    network.model.register_forward_hook(lambda m, given, out: told.append(out))
    network.look([frame().rgb], ["mug"])
    for exact in (told[0].pred_boxes, told[0].logits[..., 1]):
        assert (exact.bfloat16() != exact).float().mean() > 0.9
