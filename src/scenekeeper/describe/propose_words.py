"""A vocabulary for a recording, proposed by a model that has seen a few of its frames."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scenekeeper.describe.asking import answers
from scenekeeper.describe.questions import Bounds, words_ask
from scenekeeper.describe.salvage import find_json
from scenekeeper.describe.sight import Sight
from scenekeeper.models import Chat
from scenekeeper.models.base import Words
from scenekeeper.schema import UNNAMED, Frame

FRAMES = 8
"""That are looked at: spread evenly over those that are given."""

_WORD = re.compile(r"[^\W\d_][\w' -]*")


def propose_words(
    chat: Chat, frames: Sequence[Frame], sight: Sight | None = None, bounds: Bounds | None = None
) -> Words:
    """Phrases for what a recording shows, those seen in most frames first, with synonyms.

    No word stands for two phrases. A reply that fails or is cut off gives the words that can be
    had of it.

    Args:
        chat: with a vision-language model.
        frames: of the recording.
        sight: how the model sees.
        bounds: of its answers.

    Raises:
        ModelError: nothing can be asked, e.g. the server is down.
    """
    sight, bounds = sight or Sight(), bounds or Bounds()
    some = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int))
    asks = [words_ask(sight.see(frames[k].rgb), bounds) for k in some]
    return merge_words([_words(find_json(r.text).value) for r in answers(chat, asks)])


def merge_words(told: Sequence[Words]) -> Words:
    """One vocabulary of several: by how many say a phrase, then by who says it first."""
    seen = Counter(phrase for words in told for phrase in words)
    phrases = sorted(seen, key=lambda phrase: -seen[phrase])  # a stable sort
    out: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for phrase in phrases:
        # What was a synonym of a phrase seen more often is no phrase of its own.
        if phrase in owner:
            continue
        owner[phrase] = phrase
        out[phrase] = []
        for synonym in (s for words in told for s in words.get(phrase, ())):
            # A phrase that is told at least as often keeps its name to itself.
            if synonym not in owner and seen[synonym] < seen[phrase]:
                owner[synonym] = phrase
                out[phrase].append(synonym)
    return {phrase: tuple(synonyms) for phrase, synonyms in out.items()}


def _words(said: Any) -> Words:
    things = said.get("things") if isinstance(said, Mapping) else said
    out: dict[str, tuple[str, ...]] = {}
    for thing in things if isinstance(things, list) else ():
        entry = thing if isinstance(thing, Mapping) else {"name": thing}
        name, synonyms = _word(entry.get("name")), entry.get("synonyms")
        if name is not None:
            known = [_word(s) for s in synonyms] if isinstance(synonyms, list) else []
            out.setdefault(name, tuple(dict.fromkeys(s for s in known if s and s != name)))
    return out


def _word(said: Any) -> str | None:
    """A phrase in the form of vocabularies: lower case, no article; ``None`` where it is none."""
    if not isinstance(said, str):
        return None
    word = re.sub(r"^(a|an|the)\s+", "", " ".join(said.lower().split()))
    return word if _WORD.fullmatch(word) and len(word) <= 40 and word != UNNAMED else None
