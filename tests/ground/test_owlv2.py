"""OWLv2: texts embedded once, boxes in a square that the picture does not fill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checkpoints.pictures import frame
from tests.ground.grounders import load

pytestmark = pytest.mark.models
TEXTS = ["red mug", "dish towel", "chair", "a very long phrase " * 6]


@pytest.fixture(scope="module")
def network(checkpoint: Callable[[str], Path]) -> Any:
    return load("owlv2", checkpoint("owlv2")).network()


@pytest.mark.parametrize("size", [(321, 241), (120, 200)], ids=str)
def test_kept_texts_answer_as_the_library_does(network: Any, size: tuple[int, int]) -> None:
    import torch
    from transformers import Owlv2Processor

    processor = Owlv2Processor(network.processor, network.tokenizer)
    picture = frame(*size)
    inputs = processor(
        text=[TEXTS], images=picture.rgb.copy(), return_tensors="pt", truncation=True, max_length=16
    )
    with torch.inference_mode():
        told = network.model(**inputs)
    [stock] = processor.post_process_grounded_object_detection(
        told, threshold=0.0, target_sizes=[size[::-1]]
    )
    scores = told.logits[0].sigmoid().numpy()
    things = told.objectness_logits[0].sigmoid().numpy()
    network.look([picture.rgb], TEXTS)
    [seen] = network.look([picture.rgb], TEXTS)
    rows = scores.max(1) >= network.min_score
    assert rows.sum() > 20
    np.testing.assert_allclose(seen.scores, scores[rows], atol=1e-4)
    np.testing.assert_allclose(seen.signals["objectness"], things[rows], atol=1e-4)
    np.testing.assert_allclose(seen.box_xyxy, stock["boxes"].numpy()[rows], atol=1e-2)


def test_a_text_is_embedded_once(network: Any) -> None:
    texts: list[int] = []
    tower = network.model.owlv2.text_model
    watch = tower.register_forward_hook(lambda m, given, told: texts.append(len(told[0])))
    for words in (["kettle", "spoon"], ["spoon", "kettle"], ["kettle", "fork", "spoon", "fork"]):
        network.look([frame().rgb], words)
    watch.remove()
    assert texts == [2, 1]


def test_a_text_means_the_same_beside_any_others(network: Any) -> None:
    import torch

    with torch.inference_mode():
        apart = torch.cat([network.embed([text]) for text in TEXTS])
        together = network.embed(TEXTS)
    assert torch.allclose(apart, together, atol=1e-5)
    assert torch.allclose(together.norm(dim=-1), torch.ones(len(TEXTS)), atol=1e-4)
