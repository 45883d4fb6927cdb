"""A describer adds words to what is known, and finds boxes where nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scenekeeper.describe.describer import UNTOLD, Describer
from scenekeeper.describe.grounding import read_boxes
from scenekeeper.describe.questions import PREDICATES, Bounds, describe_ask, ground_ask
from scenekeeper.describe.sight import Sight, sight_of
from scenekeeper.errors import ModelError
from scenekeeper.models import Ask, FrameModel, Reply
from scenekeeper.schema import Labels, Relation
from tests.checkpoints.pictures import frame
from tests.describe.scripted import ScriptedChat, is_grounding, says, spelt

WORDS = {"mug": ("cup",), "block": (), "table": ()}
BOXES = np.array([[50, 110, 86, 168], [150, 94, 196, 173], [0, 156, 320, 240]], np.float32)
SAID: Mapping[str, Any] = {
    "caption": "A mug and a block\n on a table.",
    "counts": {"mug": 1, "block": 3, "table": 1},
    "objects": {"2": "a blue block", "1": "a red mug", "3": "a brown table", "4": "a ghost"},
    "relations": [
        {"subject": 1, "predicate": "on", "object": 3},
        {"subject": 1, "predicate": "left of", "object": 2},
    ],
}


def known(**columns: Any) -> Labels:
    columns = {"track": np.array([7, 8, 9]), "phrase": ("mug", "block", "table"), **columns}
    return Labels(0, 0, (240, 320), BOXES, **columns)


def describer(answer: Reply | Any, bounds: Bounds | None = None, sight: Sight | None = None) -> Any:
    chat = ScriptedChat(answer if callable(answer) else lambda ask: answer)
    return Describer(chat, "scripted", "1", sight or Sight(), bounds or Bounds())


def described(reply: Reply, prior: Labels | None = None, **more: Any) -> Labels:
    return describer(reply, **more).run([frame()], WORDS, [prior or known()])[0]


def test_what_is_known_stays_and_gets_words() -> None:
    prior = known(score=np.array([0.5, 0.6, 0.7], np.float32), signals={"entropy": np.ones(3)})
    out = described(says(SAID), prior)
    assert out.text == ("a red mug", "a blue block", "a brown table")
    assert out.caption == "A mug and a block on a table."
    assert out.relations == (
        Relation(7, "on", 9, UNTOLD, "vlm"),
        Relation(7, "left of", 8, UNTOLD, "vlm", "view made/0"),
    )
    for name in ("box_xyxy", "score", "track"):
        np.testing.assert_array_equal(getattr(out, name), getattr(prior, name))
    assert out.phrase == prior.phrase and "entropy" in out.signals
    np.testing.assert_array_equal(out.signals["count_gap"], [0, 2, 0])
    np.testing.assert_array_equal(out.signals["truncated"], 0)
    np.testing.assert_array_equal(out.signals["failed"], 0)
    assert "text_p" not in out.signals


def test_a_list_of_things_is_understood_too() -> None:
    listed = [{"id": 3, "caption": "a table"}, {"id": 1, "caption": "a mug"}, {"id": 1}]
    out = described(spelt({**SAID, "objects": listed}))
    assert out.text == ("a mug", None, "a table")
    np.testing.assert_allclose(out.signals["text_p"], [0.5, np.nan, 0.5])


def test_probabilities_become_signals_and_scores() -> None:
    out = described(spelt(SAID, 0.5))
    np.testing.assert_allclose(out.signals["text_p"], 0.5)
    np.testing.assert_allclose(out.signals["text_p_min"], 0.5)
    np.testing.assert_allclose(out.signals["text_entropy"], np.log(2), rtol=1e-6)
    assert out.relations[0].score == pytest.approx(0.5 ** len("on"))


@pytest.mark.parametrize(
    "entry",
    [
        {"subject": 1, "predicate": "on", "object": 4},
        {"subject": 0, "predicate": "on", "object": 3},
        {"subject": True, "predicate": "on", "object": 3},
        {"subject": "1", "predicate": "on", "object": 3},
        {"subject": 1, "predicate": "floats over", "object": 3},
        {"subject": 1, "predicate": "on", "object": 1},
        {"subject": 1, "object": 3},
        "mug on table",
    ],
)
def test_only_known_things_and_predicates_make_a_relation(entry: Any) -> None:
    good = {"subject": 2, "predicate": "on", "object": 3}
    out = described(says({**SAID, "relations": [entry, good, good]}))
    assert [(r.subject, r.predicate, r.object) for r in out.relations] == [(8, "on", 9)]


def test_what_has_no_track_has_no_relations() -> None:
    out = described(says(SAID), known(track=np.array([7, -1, 9])))
    assert [r.predicate for r in out.relations] == ["on"] and out.text[1] == "a blue block"


def test_an_answer_that_is_cut_off_gives_what_was_finished() -> None:
    text = says(SAID).text
    out = described(says(text[: text.index("a brown")], "length"))
    assert out.text == ("a red mug", "a blue block", None) and not out.relations
    np.testing.assert_array_equal(out.signals["truncated"], 1)
    np.testing.assert_array_equal(out.signals["failed"], 0)


@pytest.mark.parametrize(
    "reply", [Reply("", "failed", problem="500"), says("I cannot help."), says([1, 2]), says("{}")]
)
def test_a_failed_answer_leaves_labels_without_words_and_says_so(reply: Reply) -> None:
    out = described(reply, known(text=("old", "old", "old")))
    assert out.text == (None, None, None) and out.caption is None and not out.relations
    np.testing.assert_array_equal(out.signals["failed"], 1)
    np.testing.assert_array_equal(out.track, [7, 8, 9])


@pytest.mark.parametrize(
    "odd",
    [
        {"objects": {"id": 1}, "relations": 5, "counts": [1], "caption": 7},
        {"objects": [None, 3, {"id": None}, {"id": 1, "caption": ["x"]}], "caption": ""},
        {"objects": {"one": "x", "-1": "x", "99": "x", "1": None, "²": "x"}, "caption": []},
        {"counts": {"mug": "many", "block": True}, "caption": " \x00 "},
    ],
)
def test_an_answer_of_the_wrong_form_does_no_harm(odd: Any) -> None:
    out = described(says(odd))
    assert out.text == (None, None, None) and out.caption is None and not out.relations
    assert np.isnan(out.signals["count_gap"]).all()


def test_the_largest_things_are_marked_and_asked_about() -> None:
    model = describer(
        says({**SAID, "objects": [{"id": 1, "caption": "a blue block"}]}), Bounds(objects=2)
    )
    out = model.run([frame()], WORDS, [known()])[0]
    (ask,) = model.chat.asked
    assert list(ask.schema["properties"]["objects"]["properties"]) == ["1", "2"]
    assert out.text == (None, "a blue block", None)
    assert "mug: 1 detected" in ask.text and "1: block\n2: table" in ask.text


def test_marks_are_drawn_on_the_picture_that_is_sent() -> None:
    model = describer(says(SAID))
    model.run([frame(), frame()], WORDS, [known(), known()[:0]])
    marked, bare = (ask.images[0] for ask in model.chat.asked if not is_grounding(ask))
    seen = Sight().see(frame().rgb)
    assert marked.shape == seen.shape and not np.array_equal(marked, seen)
    assert np.array_equal(bare, seen)


def test_where_nothing_is_known_boxes_are_found() -> None:
    found = [
        {"bbox_2d": [500, 500, 250, 250], "label": "mug"},
        {"bbox_2d": [0, 0, 100, 100], "label": "unicorn"},
        {"bbox_2d": [100, 0, 100, 90], "label": "table"},
        {"bbox_2d": [1, 2, 3], "label": "table"},
        {"bbox_2d": [250, 250, 500, 501], "label": "Mug"},
        {"bbox_2d": [0, 600, 1300, 1000], "label": "table"},
        {"bbox_2d": [0, 600, 10, 620], "label": "Cup "},
    ]
    model = describer(says(found))
    out = model.run([frame()], WORDS, [None])[0]
    np.testing.assert_allclose(
        out.box_xyxy, [[80, 60, 160, 120], [0, 144, 320, 240], [0, 144, 3.2, 148.8]], rtol=1e-6
    )
    assert out.phrase == ("mug", "table", "mug")
    assert out.size == (240, 320) and (out.track == -1).all() and out.caption is None
    assert len(model.chat.asked) == 1 and is_grounding(model.chat.asked[0])


def test_a_frame_that_is_known_to_be_empty_gets_its_caption() -> None:
    model = describer(says({"caption": "a bare floor"}))
    out = model.run([frame()], WORDS, [known()[:0]])[0]
    assert len(out) == 0 and out.caption == "a bare floor"
    assert len(model.chat.asked) == 1 and not is_grounding(model.chat.asked[0])


def test_without_words_there_is_nothing_to_find() -> None:
    model = describer(says([{"bbox_2d": [0, 0, 500, 500], "label": "mug"}]))
    out = model.run([frame()], {}, [None])
    assert len(out) == 1 and len(out[0]) == 0 and not model.chat.asked
    assert model.run([], WORDS, []) == []


def test_known_and_unknown_frames_may_come_together() -> None:
    box = [{"bbox_2d": [0, 0, 500, 500], "label": "mug"}]
    model = describer(lambda ask: says(box if is_grounding(ask) else SAID))
    out = model.run([frame()] * 3, WORDS, [None, known(), None])
    assert [len(each) for each in out] == [1, 3, 1]
    assert [each.caption is None for each in out] == [True, False, True]


def test_the_same_places_are_understood_in_either_way_of_writing() -> None:
    box = np.array([[40, 30, 200, 150]], np.float32)
    for sight in (sight_of("qwen2.5-vl"), sight_of("qwen3-vl")):
        written = sight.written(box, (320, 240)).tolist()[0]
        out = read_boxes(frame(), spelt([{"bbox_2d": written, "label": "mug"}]), WORDS, sight)
        np.testing.assert_allclose(out.box_xyxy, box, atol=0.7)
        np.testing.assert_allclose(out.score, 0.5**3, rtol=1e-5)
        np.testing.assert_allclose(out.signals["label_p"], 0.5, rtol=1e-6)
        assert out.names == ({"mug": pytest.approx(0.5**3)},)
        assert np.isfinite(out.signals["box_entropy"]).all()


@pytest.mark.parametrize(
    "wrapped", [{"objects": [{"bbox_2d": [0, 0, 500, 500], "label": "mug"}]}, "```json\n[{}]\n```"]
)
def test_boxes_are_found_in_fences_and_objects(wrapped: Any) -> None:
    inner = '{"bbox_2d": [0, 0, 500, 500], "label": "mug"}'
    reply = says(wrapped.replace("{}", inner) if isinstance(wrapped, str) else wrapped)
    assert read_boxes(frame(), reply, WORDS, Sight()).phrase == ("mug",)


def test_a_cut_off_list_of_boxes_stays_marked() -> None:
    cut = says('[{"bbox_2d": [0, 0, 500, 500], "label": "mug"}, {"bbox_2d": [1', "length")
    said = says({"caption": "c", "objects": {"1": "m"}})
    model = describer(lambda ask: cut if is_grounding(ask) else said)
    (found,) = model.run([frame()], WORDS, [None])
    (out,) = model.run([frame()], WORDS, [found])
    assert out.phrase == ("mug",) and out.text == ("m",)
    np.testing.assert_array_equal(out.signals["truncated"], 1)


def test_the_answer_does_not_depend_on_the_batch() -> None:
    def answer(ask: Ask) -> Reply:
        if is_grounding(ask):
            return says([{"bbox_2d": [0, 0, 500, 500], "label": "mug"}])
        size = ask.images[0].shape
        return says({**SAID, "caption": f"{size} {int(ask.images[0].sum())}"})

    frames = [frame(320, 240, 0), frame(333, 211, 1), frame(240, 320, 2)]
    prior = [known(), replace(known(), size=(211, 333)), None]
    together = describer(answer).run(frames, WORDS, prior)
    alone = [describer(answer).run([f], WORDS, [p])[0] for f, p in zip(frames, prior, strict=True)]
    for a, b in zip(together, alone, strict=True):
        assert (a.text, a.caption, a.relations) == (b.text, b.caption, b.relations)


def test_answers_are_bounded_by_what_is_asked_about() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    few, many = (describe_ask(image, ["mug"] * n, Bounds(), {"mug": n}) for n in (2, 20))
    assert few.max_tokens < many.max_tokens
    assert few.schema is not None
    relations = few.schema["properties"]["relations"]
    assert relations["maxItems"] == 2
    assert tuple(relations["items"]["properties"]["predicate"]["enum"]) == PREDICATES
    alone = describe_ask(image, ["mug"], Bounds(), {"mug": 1}).schema
    assert alone is not None and "relations" not in alone["properties"]
    ground = ground_ask(image, WORDS, Bounds(boxes=5), Sight())
    assert ground.schema is not None and ground.schema["maxItems"] == 5
    assert "mug (also: cup)" in ground.text


def test_predicates_are_those_of_the_schema() -> None:
    told = " ".join((Relation.__doc__ or "").split())
    assert all(f"``{predicate}``" in told for predicate in PREDICATES)


def test_a_server_that_is_down_stops_the_work() -> None:
    class Down(ScriptedChat):
        async def ask(self, requests: Any) -> Any:
            raise ModelError("down")

    model = Describer(Down(lambda ask: says({})), "scripted", "1", Sight())
    with pytest.raises(ModelError, match="down"):
        model.run([frame()], WORDS, [known()])


def test_it_can_be_run_where_an_event_loop_runs() -> None:
    async def notebook() -> list[Labels]:
        return list(describer(says(SAID)).run([frame()], WORDS, [known()]))

    assert asyncio.run(notebook())[0].text[0] == "a red mug"


def test_the_card_tells_everything_answers_depend_on() -> None:
    model = describer(says(SAID))
    assert isinstance(model, FrameModel)
    settings = model.card.settings
    assert set(settings) == {"prompts", "sight", "bounds"}
    assert set(settings["prompts"]) == {"ground", "describe", "words", "schema"}
    other = describer(says(SAID), Bounds(objects=3)).card
    assert other.facts() != model.card.facts()
