"""OmDet-Turbo: as many phrases a task as it can read; pictures seen, texts embedded once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checkpoints.pictures import frame
from tests.checkpoints.tokens import WORDS as NOUNS
from tests.ground.grounders import load

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def network(checkpoint: Callable[[str], Path]) -> Any:
    return load("omdet_turbo", checkpoint("omdet_turbo")).network()


def test_one_task_is_answered_as_the_library_does(network: Any) -> None:
    import torch
    from transformers import OmDetTurboProcessor

    processor = OmDetTurboProcessor(network.processor, network.tokenizer)
    picture, texts = frame(321, 241), ["red mug", "dish towel", "chair"]
    with torch.inference_mode():
        told = network.model(
            **processor(images=picture.rgb.copy(), text=[texts], return_tensors="pt")
        )
    scores = told.decoder_class_logits[0].sigmoid().numpy()
    x, y, w, h = told.decoder_coord_logits[0].unbind(-1)
    edges = torch.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), -1)
    boxes = (edges * torch.tensor([321.0, 241, 321, 241])).numpy()
    network.look([picture.rgb], texts)
    [seen] = network.look([picture.rgb], texts)
    rows = scores.max(1) >= network.min_score
    assert rows.sum() > 20
    np.testing.assert_allclose(seen.scores, scores[rows], atol=1e-4)
    np.testing.assert_allclose(seen.box_xyxy, boxes[rows], atol=1e-2)


def test_a_task_names_as_many_phrases_as_it_can_read(network: Any) -> None:
    texts = tuple(f"{color} {noun}" for color in ("red", "blue") for noun in NOUNS[:30])
    parts = network.parts(texts)
    assert [*chain(*parts)] == list(texts) and len(parts) > 2
    lengths = [len(network.tokenizer(f"Detect {', '.join(part)}.")["input_ids"]) for part in parts]
    assert max(lengths) <= 77 and min(lengths[:-1]) > 60


def test_a_picture_is_seen_once_and_a_text_embedded_once(network: Any) -> None:
    looks: list[int] = []
    texts: list[int] = []
    watching = [
        network.model.vision_backbone.register_forward_hook(lambda *_: looks.append(1)),
        network.model.language_backbone.register_forward_hook(
            lambda m, given, told: texts.append(len(given[0]))
        ),
    ]
    words = [f"green {noun}" for noun in NOUNS[:40]]
    for _ in range(3):
        network.look([frame().rgb], words)
    for hook in watching:
        hook.remove()
    parts = network.parts(tuple(words))
    assert len(looks) == 3 and len(parts) > 1
    assert sorted(texts) == sorted([*(len(part) for part in parts), *[1] * len(parts)])
