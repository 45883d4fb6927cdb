"""Talking to a vision-language model, wherever it runs: pictures and questions in, replies out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Capability = Literal["images", "schema", "logprobs", "top_logprobs"]
"""What a server was seen to do: take pictures, keep to a JSON schema, tell probabilities."""


@dataclass(frozen=True, eq=False)
class Ask:
    """One question.

    Pictures come first, then what never changes, then what does, so that a server can reuse what
    questions have in common.

    Attributes:
        images: ``uint8 [H, W, 3]`` each, of the size they are to be seen in.
        instruction: the fixed part of the question.
        text: the part that differs.
        schema: JSON schema of the answer; ``None`` = free text.
        max_tokens: of the answer.
        seed: of sampling, where it samples.
    """

    images: tuple[NDArray[np.uint8], ...]
    instruction: str
    text: str = ""
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 256
    seed: int = 0


@dataclass(frozen=True)
class Token:
    """A piece of a reply.

    Attributes:
        text: as it stands in the reply.
        logprob: natural logarithm of its probability.
        others: logarithms of the likeliest tokens in its place, itself included.
    """

    text: str
    logprob: float
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: the answer.
        finish: ``stop``; ``length`` when it was cut off; ``failed`` when there is none.
        tokens: with their probabilities; empty where the server does not tell.
        problem: why it failed.
    """

    text: str
    finish: Literal["stop", "length", "failed"] = "stop"
    tokens: tuple[Token, ...] = ()
    problem: str = ""


class Chat(Protocol):
    """A way to ask a vision-language model."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do; found out by asking, never assumed."""
        ...

    async def ask(self, requests: Sequence[Ask]) -> list[Reply]:
        """Answers in the order of the questions; a question that fails has a failed reply.

        Raises:
            ModelError: nothing can be asked at all, e.g. no server is there.
        """
        ...
