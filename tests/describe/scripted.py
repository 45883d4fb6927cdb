"""A chat that says what a test has written down."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scenekeeper.models import Ask, Reply, Token
from scenekeeper.models.chat import Capability


@dataclass
class ScriptedChat:
    """Answers by a function of the question; keeps the questions."""

    answer: Callable[[Ask], Reply]
    asked: list[Ask] = field(default_factory=list)
    capabilities: frozenset[Capability] = frozenset({"images", "schema"})

    async def ask(self, requests: Sequence[Ask]) -> list[Reply]:
        self.asked.extend(requests)
        return [self.answer(ask) for ask in requests]


def says(value: Any, finish: Any = "stop") -> Reply:
    """A reply without probabilities."""
    text = value if isinstance(value, str) else json.dumps(value)
    return Reply(text, finish)


def spelt(value: Any, sure: float = 0.5) -> Reply:
    """A reply letter by letter, each of one probability."""
    text = json.dumps(value)
    logprob = math.log(sure)
    return Reply(text, tokens=tuple(Token(c, logprob, {c: logprob}) for c in text))


def is_grounding(ask: Ask) -> bool:
    return ask.instruction.startswith("Locate")
