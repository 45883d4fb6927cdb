"""Tokens as they are generated: what each says, and how likely it and its rivals were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenekeeper.models import Token

TOP = 20
"""Rivals that are kept, as of servers."""

LONGEST = 4
"""Bytes of a character: after so many tokens without one, there is none to wait for."""


def pieces(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The text of each token; a character that takes several tokens belongs to the last."""
    out: list[str] = []
    start = 0
    for stop in range(1, len(ids) + 1):
        text = tokenizer.decode(ids[start:stop], skip_special_tokens=True)
        waits = text.endswith("\ufffd") and stop - start < LONGEST and stop < len(ids)
        out.append("" if waits else text)
        start = start if waits else stop
    return out


class Recorder:
    """A logits processor of ``generate`` that changes nothing and remembers probabilities.

    It must come first, before what masks. Of each step it keeps :data:`TOP` tokens, and of the
    step before the whole row until it is known which token was chosen: that may be none of them.
    """

    def __init__(self) -> None:
        self._row: Any = None
        self._chosen: list[float] = []
        self._rivals: list[tuple[list[float], list[int]]] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Called by ``generate`` with ``int64 [1, T]`` and logits ``[1, V]`` of the next token."""
        if self._row is not None:
            self._chosen.append(float(self._row[int(input_ids[0, -1])]))
        self._row = scores[0].float().log_softmax(-1)
        best = self._row.topk(min(TOP, len(self._row)))
        self._rivals.append((best.values.tolist(), best.indices.tolist()))
        return scores

    def tokens(self, ids: Sequence[int], texts: Sequence[str], tokenizer: Any) -> tuple[Token, ...]:
        """The generated tokens; those of the end of the answer are left out."""
        chosen = list(self._chosen)
        if len(chosen) < len(ids):
            chosen.append(float(self._row[ids[-1]]))
        return tuple(
            Token(text, logprob, _rivals(tokenizer, *rivals))
            for text, logprob, rivals in zip(texts, chosen, self._rivals, strict=False)
        )


def _rivals(tokenizer: Any, logprobs: Sequence[float], ids: Sequence[int]) -> dict[str, float]:
    """Tokens and their logarithms; of those that read alike, all but the first by number, too."""
    out: dict[str, float] = {}
    for logprob, number in zip(logprobs, ids, strict=True):
        text = tokenizer.decode([number])
        out[f"{text}#{number}" if text in out else text] = logprob
    return out
