"""A model in this process: its answers keep to the schema and come with probabilities."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.describe.describer import Describer
from scenekeeper.describe.local import load
from scenekeeper.describe.odds import Spelling
from scenekeeper.describe.propose_words import propose_words
from scenekeeper.describe.questions import Bounds, describe_ask, ground_ask
from scenekeeper.describe.salvage import find_json
from scenekeeper.describe.sight import sight_of
from scenekeeper.describe.vlm_flops import flops_of
from scenekeeper.errors import ModelError
from scenekeeper.models import Ask, Device, FrameModel, Load, Source
from scenekeeper.schema import Labels
from tests.checkpoints.pictures import frame

pytestmark = pytest.mark.models

Checkpoint = Callable[[str], Path]
FAMILIES = ("qwen2_5_vl", "qwen3_vl")
WORDS = {"mug": ("cup",), "table": ()}
SHORT = Bounds(boxes=3, caption=20, text=12, relations=1)


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest, checkpoint: Checkpoint) -> Describer:
    folder = checkpoint(request.param)
    return replace(load(Source("local", str(folder)), Device()), bounds=SHORT)


def known(tracks: tuple[int, ...] = (7, 8)) -> Labels:
    boxes = np.array([[50, 110, 86, 168], [0, 156, 320, 240]], np.float32)
    return Labels(0, 0, (240, 320), boxes, phrase=("mug", "table"), track=np.array(tracks))


def conforms(value: Any, schema: Any) -> bool:
    """Whether JSON fits a schema, of the kinds of schemas that are asked for."""
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema["type"]
    if kind == "object":
        fields = schema["properties"]
        return set(value) == set(fields) and all(conforms(value[k], fields[k]) for k in fields)
    if kind == "array":
        bounds = schema.get("minItems", 0) <= len(value) <= schema["maxItems"]
        return bounds and all(conforms(v, schema["items"]) for v in value)
    if kind == "integer":
        return isinstance(value, int) and schema["minimum"] <= value <= schema["maximum"]
    return isinstance(value, str) and len(value) <= schema["maxLength"]


def test_answers_keep_to_the_schema(model: Describer) -> None:
    image = model.sight.see(frame().rgb)
    asks = [
        replace(describe_ask(image, ["mug", "table"], SHORT, {"mug": 1}), max_tokens=400),
        replace(ground_ask(image, WORDS, SHORT, model.sight), max_tokens=400),
    ]
    for ask, reply in zip(asks, asyncio.run(model.chat.ask(asks)), strict=True):
        assert reply.finish == "stop" and ask.schema is not None
        assert conforms(find_json(reply.text).value, ask.schema)


def test_every_token_has_its_probability(model: Describer) -> None:
    image = model.sight.see(frame().rgb)
    ask = describe_ask(image, ["mug", "table"], SHORT, {"mug": 1})
    (reply,) = asyncio.run(model.chat.ask([ask]))
    assert "".join(token.text for token in reply.tokens) == reply.text
    for token in reply.tokens:
        assert len(token.others) == 20 and token.logprob <= max(token.others.values()) <= 0
        assert sum(math.exp(v) for v in token.others.values()) <= 1 + 1e-5
    spans = find_json(reply.text).spans
    odds = Spelling.of(reply).odds(spans["counts", "mug"])  # type: ignore[union-attr]
    assert odds is not None and 0 < odds.p <= odds.least <= odds.mean < 1 and odds.entropy > 0


def test_a_greedy_free_answer_takes_the_likeliest_tokens(model: Describer) -> None:
    image = model.sight.see(frame().rgb)
    (reply,) = asyncio.run(model.chat.ask([Ask((image,), "Say something.", max_tokens=8)]))
    assert len(reply.tokens) == 8 and reply.finish == "length"
    for token in reply.tokens:
        assert token.logprob == pytest.approx(max(token.others.values()), abs=1e-5)


def test_frames_are_described_alike_together_and_alone(model: Describer) -> None:
    frames = [frame(), frame(333, 211, 1)]
    prior = [known(), None]
    together = model.run(frames, WORDS, prior)
    for each, f, p in zip(together, frames, prior, strict=True):
        (alone,) = model.run([f], WORDS, [p])
        assert (each.text, each.caption, each.relations) == (
            alone.text,
            alone.caption,
            alone.relations,
        )
        np.testing.assert_array_equal(each.box_xyxy, alone.box_xyxy)
    assert together[0].track.tolist() == [7, 8]  # type: ignore[union-attr]
    assert {"text_p", "text_p_min", "text_entropy", "count_gap"} <= set(together[0].signals)


def test_the_processor_has_nothing_left_to_resize(model: Describer) -> None:
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    sight = model.sight
    for width, height in ((1920, 1080), (640, 480), (319, 241), (64, 2000), (20, 20)):
        w, h = sight.size(width, height)
        again = smart_resize(
            h, w, sight.factor, min_pixels=sight.min_pixels, max_pixels=sight.max_pixels
        )
        assert tuple(again) == (h, w)
    inputs = model.chat._inputs(Ask((sight.see(frame(319, 241).rgb),), "x"))  # type: ignore[attr-defined]
    grid = inputs["image_grid_thw"][0].tolist()
    patch = sight.factor // 2
    assert (grid[2] * patch, grid[1] * patch) == sight.size(319, 241)


def test_a_picture_of_any_size_is_taken(model: Describer) -> None:
    ask = Ask((frame(319, 241).rgb, frame(64, 200).rgb), "Say something.", max_tokens=2)
    (reply,) = asyncio.run(model.chat.ask([ask]))
    assert reply.text
    words = propose_words(model.chat, [frame(319, 241)], bounds=Bounds(words=2))
    assert len(words) <= 2 and all(words)


def test_half_precision_is_finite(checkpoint: Checkpoint) -> None:
    model = load(Source("local", str(checkpoint("qwen3_vl"))), Device("cpu", half=True))
    image = model.sight.see(frame().rgb)
    (reply,) = asyncio.run(model.chat.ask([Ask((image,), "Say something.", max_tokens=4)]))
    assert all(math.isfinite(token.logprob) for token in reply.tokens)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_card_is_there_before_the_weights(
    family: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint(family), folder)
    for weights in folder.glob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:1000])
    model = load(Source("local", str(folder)), Device())
    assert isinstance(model, FrameModel)
    assert model.card.settings["sight"]["factor"] == (28 if family == "qwen2_5_vl" else 32)
    assert model.card.settings["sight"]["relative"] == (family == "qwen3_vl")
    with pytest.raises(ModelError, match="cannot be loaded"):
        model.run([frame()], WORDS, [known()])


def test_another_kind_of_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam2"}))
    with pytest.raises(ModelError, match="sam2"):
        load(Source("local", str(tmp_path)), Device())


def test_a_checkpoint_without_its_processor_is_refused(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors", "generation_config.json"):
        shutil.copy(checkpoint("qwen2_5_vl") / name, tmp_path / name)
    with pytest.raises(ModelError, match="prepares its input"):
        load(Source("local", str(tmp_path)), Device()).run([frame()], WORDS, [known()])


def test_flops_are_those_that_torch_counts(model: Describer) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    chat: Any = model.chat
    image = model.sight.see(frame(640, 480).rgb)
    inputs = chat._inputs(Ask((image,), "a " * 140))  # as long as a question usually is
    ready = chat._ready
    ready.model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        ready.model(**inputs, logits_to_keep=1)
    assert model.flops is not None
    one, two = (model.flops(Load(640, 480, objects=0, tokens=n)) for n in (1, 2))
    assert one - (two - one) == pytest.approx(counter.get_total_flops(), rel=0.03)


QWEN25_7B = {
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "vision_config": {
        "hidden_size": 1280,
        "depth": 32,
        "intermediate_size": 3420,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
}


def test_a_real_model_costs_what_was_reckoned_by_hand() -> None:
    cost = flops_of(QWEN25_7B, sight_of("qwen2.5-vl"))
    assert cost is not None
    # 28.0 for 1222 tokens of picture, 150 of text and 200 of answer; half an attention apart.
    assert cost(Load(1920, 1080, objects=0, tokens=200)) / 1e12 == pytest.approx(28.0, rel=0.05)
    assert flops_of({}, sight_of("qwen2.5-vl")) is None
