"""Probabilities of tokens become those of the values they spell."""

from __future__ import annotations

import math

import pytest

from scenekeeper.describe.odds import Spelling, entropy, odds_at
from scenekeeper.describe.salvage import find_json
from scenekeeper.models import Reply, Token

PIECES = (
    ('{"label": "', 1.0),
    ("red", 0.5),
    (" mug", 0.8),
    ('", "n": ', 0.9),
    ("12", 0.4),
    ("}", 1.0),
)


def reply(text: str | None = None) -> Reply:
    tokens = tuple(Token(piece, math.log(p), {piece: math.log(p)}) for piece, p in PIECES)
    return Reply("".join(p for p, _ in PIECES) if text is None else text, tokens=tokens)


def test_odds_are_those_of_the_tokens_that_spell_a_value() -> None:
    spans = find_json(reply().text).spans
    label = odds_at(Spelling.of(reply()), spans, ("label",))
    assert label is not None
    assert label.p == pytest.approx(0.4) and label.least == pytest.approx(0.5)
    assert label.mean == pytest.approx(math.sqrt(0.4))
    number = odds_at(Spelling.of(reply()), spans, ("n",))
    assert number is not None and number.p == pytest.approx(0.4)
    assert odds_at(Spelling.of(reply()), spans, ("no such",)) is None


def test_a_reply_without_the_thoughts_before_it_still_finds_its_tokens() -> None:
    thought = Token("<think>so</think>", -3.0)
    whole = reply()
    shorter = Reply(whole.text, tokens=(thought, *whole.tokens))
    label = odds_at(Spelling.of(shorter), find_json(whole.text).spans, ("label",))
    assert label is not None and label.p == pytest.approx(0.4)


def test_tokens_that_do_not_spell_the_reply_tell_nothing() -> None:
    assert Spelling.of(reply("something else")) is None
    assert Spelling.of(Reply("text")) is None


def test_an_empty_string_has_no_odds() -> None:
    empty = Reply('[""]', tokens=(Token('[""]', 0.0),))
    assert odds_at(Spelling.of(empty), find_json('[""]').spans, (0,)) is None


def test_entropy_counts_what_was_not_told_as_one() -> None:
    assert entropy({"a": math.log(0.5), "b": math.log(0.5)}) == pytest.approx(math.log(2))
    assert entropy({"a": math.log(0.5)}) == pytest.approx(math.log(2))
    assert entropy({"a": 0.0}) == pytest.approx(0.0)
    assert math.isnan(entropy({}))
