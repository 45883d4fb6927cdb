"""A vocabulary is made of what a model names in a few frames."""

from __future__ import annotations

from pathlib import Path

from scenekeeper.describe.propose_words import FRAMES, merge_words, propose_words
from scenekeeper.models import Ask, Reply
from scenekeeper.vocabulary import read_vocabulary, write_vocabulary
from tests.checkpoints.pictures import clip, frame
from tests.describe.scripted import ScriptedChat, says


def thing(name: object, *synonyms: object) -> dict[str, object]:
    return {"name": name, "synonyms": list(synonyms)}


def propose(*answers: Reply) -> dict[str, tuple[str, ...]]:
    left = list(answers)
    return dict(propose_words(ScriptedChat(lambda ask: left.pop(0)), clip(len(answers))))


def test_what_most_frames_show_comes_first() -> None:
    words = propose(
        says({"things": [thing("table"), thing("mug", "cup")]}),
        says({"things": [thing("The  Mug", "tea mug", "cup")]}),
    )
    assert words == {"mug": ("cup", "tea mug"), "table": ()}
    assert list(words) == ["mug", "table"]


def test_no_word_means_two_things(tmp_path: Path) -> None:
    words = merge_words(
        [{"mug": ("cup",), "bowl": ("cup", "mug")}, {"mug": (), "cup": ("glass",)}, {"cup": ()}]
    )
    flat = [w for phrase, synonyms in words.items() for w in (phrase, *synonyms)]
    assert len(flat) == len(set(flat))
    write_vocabulary(words, tmp_path / "words.toml")
    assert dict(read_vocabulary(tmp_path / "words.toml")) == words


def test_a_name_that_is_mostly_a_synonym_is_one() -> None:
    assert merge_words([{"sofa": ("couch",)}, {"sofa": ()}, {"couch": ()}]) == {"sofa": ("couch",)}


def test_what_is_no_name_is_left_out() -> None:
    odd = [thing("object"), thing(""), thing(None), thing("x" * 60), thing("12"), "mug", 7]
    assert propose(says({"things": odd})) == {"mug": ()}


def test_bad_answers_give_what_can_be_had() -> None:
    cut = says('{"things": [{"name": "mug", "synonyms": []}, {"name": "tab', "length")
    assert propose(cut, Reply("", "failed"), says("no"), says("[]")) == {"mug": ()}


def test_a_few_frames_are_looked_at_spread_over_all() -> None:
    asked: list[Ask] = []

    def answer(ask: Ask) -> Reply:
        asked.append(ask)
        return says({"things": []})

    assert propose_words(ScriptedChat(answer), clip(30)) == {}
    assert len(asked) == FRAMES
    assert propose_words(ScriptedChat(answer), [frame()]) == {} and len(asked) == FRAMES + 1
    assert propose_words(ScriptedChat(answer), []) == {}
