"""Florence-2: reading its answers, and asking as its library does but once per picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.ground.locations import Marks, marks_of, read_boxes
from scenekeeper.schema import Labels
from tests.checkpoints.pictures import frame
from tests.ground.grounders import load

LETTERS = "abcdefghijklmnopqrstuvwxyz é杯"
OPEN, CLOSE, APART, END = 2000, 2001, 2002, 2
MARKS = Marks({1000 + k: k for k in range(1000)}, {OPEN, CLOSE, APART}, {0, 1, END})


def spoken(*parts: str | list[int]) -> list[tuple[int, float]]:
    """Tokens of words and marks; each letter a token, half likely, each mark a quarter."""
    out = []
    for part in parts:
        for piece in part:
            word = isinstance(piece, str)
            token = 3000 + LETTERS.index(piece) if word else piece
            out.append((token, log(0.5 if word else 0.25)))
    return out


def places(*bins: int) -> list[int]:
    return [1000 + k for k in bins]


def read(*parts: str | list[int]) -> list[Any]:
    decode = lambda ids: "".join(LETTERS[i - 3000] for i in ids)  # noqa: E731
    return list(read_boxes(spoken(*parts), MARKS, decode))


def test_boxes_share_the_words_before_them() -> None:
    found = read([0], "mug", places(100, 200, 400, 600, 0, 0, 999, 999), "cup", places(1, 2, 3, 4))
    assert [f.words for f in found] == ["mug", "mug", "cup"]
    assert found[0].box == (0.1005, 0.2005, 0.4005, 0.6005)
    assert found[1].box == (0.0005, 0.0005, 0.9995, 0.9995)


def test_a_score_is_the_geometric_mean_of_its_tokens() -> None:
    [found] = read("mug", places(100, 200, 400, 600))
    assert found.named == pytest.approx(0.5) and found.placed == pytest.approx(0.25)
    assert found.score == pytest.approx((0.5**3 * 0.25**4) ** (1 / 7))


def test_words_are_kept_in_any_script() -> None:
    assert [f.words for f in read(" é杯 ", places(1, 2, 30, 40))] == ["é杯"]


def test_boxes_without_words_are_read() -> None:
    [found] = read(places(1, 2, 30, 40))
    assert found.words == "" and found.named == 1


@pytest.mark.parametrize("kept", range(13))
def test_an_answer_that_was_cut_off_keeps_its_whole_boxes(kept: int) -> None:
    whole = spoken("mug", places(100, 200, 400, 600, 10, 20, 40, 60), [END])
    found = list(read_boxes(whole[:kept], MARKS, lambda ids: "mug"))
    assert len(found) == max(0, min(kept - 3, 8)) // 4


def test_marks_that_are_too_few_are_no_box() -> None:
    found = read("mug", places(100, 200, 400), "cup", places(1, 2, 30, 40))
    assert [f.words for f in found] == ["cup"]


def test_a_box_without_extent_or_turned_about_is_none() -> None:
    assert read("mug", places(100, 200, 100, 600)) == []
    [turned] = read("mug", places(400, 600, 100, 200))
    assert turned.box == (0.1005, 0.2005, 0.4005, 0.6005)


def test_an_outline_is_the_box_around_it_unless_cut_off() -> None:
    outline = places(100, 500, 300, 200, 400, 600)
    [found] = read("mug", [OPEN], outline, [CLOSE], [END])
    assert found.box == (0.1005, 0.2005, 0.4005, 0.6005)
    assert read("mug", [OPEN], outline) == []
    assert len(read("mug", [OPEN], outline, [APART], outline, [CLOSE])) == 2


@pytest.mark.parametrize("size", [(321, 241), (1920, 1080), (7, 5)], ids=str)
def test_a_box_of_pixels_comes_back_from_its_marks(size: tuple[int, int]) -> None:
    width, height = size
    box = np.array([0.1 * width, 0.25 * height, 0.5 * width, height])
    numbers = marks_of(box, width, height)
    back = (np.array(numbers) + 0.5) / 1000 * [width, height, width, height]
    assert np.abs(back - box).max() <= max(size) / 1000
    assert max(marks_of([-9, -9, 9 * width, 9 * height], *size)) == 999


# --- with a tiny checkpoint -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(checkpoint: Callable[[str], Path]) -> Any:
    return load("florence2", checkpoint("florence2"))


@pytest.mark.models
@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("<OD>", ""),
        ("<DETAILED_CAPTION>", ""),
        ("<OPEN_VOCABULARY_DETECTION>", "red mug"),
        ("<REGION_TO_DESCRIPTION>", "<loc_10><loc_20><loc_300><loc_400>"),
    ],
)
def test_it_asks_and_answers_as_the_library_does(model: Any, task: Any, text: str) -> None:
    import torch

    from scenekeeper.ground.florence2 import Question

    network, picture = model.network(), frame(321, 241)
    inputs = network.processor(images=picture.rgb.copy(), text=task + text, return_tensors="pt")
    with torch.inference_mode():
        stock = network.model.generate(
            **inputs,
            max_new_tokens=40,
            num_beams=1,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
        )
    views = network.look([picture], 1)
    mug = Question(0, "<OPEN_VOCABULARY_DETECTION>", "a longer phrase, so that ours is filled up")
    answer, _ = network.ask(views, [Question(0, task, text), mug], 40)
    chosen = stock.sequences[0, 1:]
    likely = torch.stack(stock.logits)[:, 0].log_softmax(-1).gather(-1, chosen[:, None])[:, 0]
    expected = [
        (int(i), float(p))
        for i, p in zip(chosen, likely, strict=True)
        if int(i) not in network.marks.silent
    ]
    assert [i for i, _ in answer.tokens] == [i for i, _ in expected] != []
    np.testing.assert_allclose([p for _, p in answer.tokens], [p for _, p in expected], atol=1e-4)


@pytest.mark.models
def test_boxes_lie_where_the_answer_says(model: Any) -> None:
    [labels] = model.run([frame(400, 200)], {"mug": ()}, [None])
    assert labels.phrase == ("mug",) * 3
    first = np.abs(labels.box_xyxy - [40.2, 40.1, 160.2, 120.1]).max(1)
    assert first.min() < 0.01
    assert labels.caption == "mugthéière"
    assert {"named", "placed"} <= labels.signals.keys()


@pytest.mark.models
def test_without_words_it_names_what_it_sees(model: Any) -> None:
    [labels] = model.run([frame()], {}, [None])
    assert sorted(labels.phrase) == ["mug", "mug", "théière"]


@pytest.mark.models
def test_known_things_are_described_and_not_sought(model: Any) -> None:
    known = Labels(0, 0, (240, 320), np.array([[10, 20, 90, 120], [100, 50, 300, 200]]))
    known = replace(known, track=np.array([4, 9]), signals={"margin": np.array([0.5, 0.25])})
    empty = known[:0]
    frames = [frame(), frame(step=1), frame(step=2)]
    told, none, found = model.run(frames, {"mug": ()}, [known, empty, None])
    assert told.text == ("mugthéière",) * 2 and told.caption == "mugthéière"
    assert told.track is not None and told.track.tolist() == [4, 9]
    np.testing.assert_array_equal(told.box_xyxy, known.box_xyxy)
    assert {"margin", "described"} == told.signals.keys()
    assert ((told.signals["described"] > 0) & (told.signals["described"] <= 1)).all()
    assert len(none) == 0 and none.caption
    assert len(found) == 3 and found.text == (None,) * 3


@pytest.mark.models
def test_a_limit_cuts_an_answer_off_between_boxes(model: Any) -> None:
    short = replace(model, config=replace(model.config, find_tokens=9))
    [labels] = short.run([frame()], {"mug": ()}, [None])
    assert len(labels) == 1


@pytest.mark.models
def test_a_picture_is_seen_once_however_much_is_asked(model: Any) -> None:
    looks: list[int] = []
    tower = model.network().model.model.vision_tower
    watch = tower.register_forward_hook(lambda m, given, told: looks.append(len(given[0])))
    model.run([frame(), frame(step=1)], {"mug": ("cup",), "chair": ()}, [None, None])
    watch.remove()
    assert looks == [2]
