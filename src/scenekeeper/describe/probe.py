"""What a chat server can do, found out by one tiny question each, and never assumed.

Servers accept fields that they then ignore, so what counts is the answer: is the schema kept, do
probabilities come back, does a picture make the question longer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scenekeeper.describe.dialect import TOP, read_tokens, request
from scenekeeper.describe.salvage import find_json
from scenekeeper.errors import ModelError
from scenekeeper.models import Ask
from scenekeeper.models.chat import Capability
from scenekeeper.models.wire import Answer

QUESTION = "Name one colour."
UNLIKELY = "zq-7041"
"""Nothing a model would say unless it is held to."""

ITEM = {"type": "string", "enum": [UNLIKELY]}
ALONE = {"type": "array", "items": ITEM, "minItems": 1, "maxItems": 1}
"""An array, as boxes come in one: there are servers that take none but objects."""

SIDE = 56
"""Pixels: the smallest picture that every model takes."""


def probe(call: Callable[[Mapping[str, Any]], Answer], model: str) -> frozenset[Capability]:
    """What a server can do.

    Args:
        call: posts a chat request; raises when the server cannot be asked at all.
        model: the server's model.

    Raises:
        ModelError: it does not answer even the plainest question.
    """
    plain = request(Ask((), QUESTION, max_tokens=1), model, frozenset())
    first = call(plain)
    if first.status != 200:
        raise ModelError(
            f"the server refuses the plainest question ({first.status}: {first.text})",
            remedy="Check the model's name after #.",
        )
    length = _prompt_tokens(first)
    out: set[Capability] = set()
    gray = np.full((SIDE, SIDE, 3), 128, np.uint8)
    seen = call(request(Ask((gray,), QUESTION, max_tokens=1), model, frozenset()))
    longer = _prompt_tokens(seen)
    if seen.status == 200 and (length is None or longer is None or longer > length):
        out.add("images")
    held = Ask((), QUESTION, schema=ALONE, max_tokens=24)
    answer = call(request(held, model, frozenset({"schema"})))
    if answer.status == 200 and find_json(_said(answer)).value == [UNLIKELY]:
        out.add("schema")
    for fields in ({"logprobs": True, "top_logprobs": TOP}, {"logprobs": True}):
        tokens = read_tokens(_choice(call({**plain, **fields})))
        if tokens:
            out.add("logprobs")
            out |= {"top_logprobs"} if len(tokens[0].others) > 1 else set()
            break
    return frozenset(out)


def _choice(answer: Answer) -> Mapping[str, Any]:
    try:
        choice = answer.data["choices"][0]
    except (KeyError, IndexError, TypeError):
        return {}
    return choice if isinstance(choice, Mapping) else {}


def _said(answer: Answer) -> str:
    message = _choice(answer).get("message")
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, str) else ""


def _prompt_tokens(answer: Answer) -> int | None:
    usage = answer.data.get("usage") if isinstance(answer.data, Mapping) else None
    tokens = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return tokens if isinstance(tokens, int) else None
