"""A describer: a vision-language model that says what a frame shows, and finds boxes if need be.

In: frames, and what is known of each. Out: where nothing is known, boxes; else the same instances
with a sentence each, a caption, and relations between them. One question a frame.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.describe.asking import answers
from scenekeeper.describe.grounding import read_boxes
from scenekeeper.describe.marks import draw_marks
from scenekeeper.describe.odds import Odds, Spelling, odds_at
from scenekeeper.describe.questions import (
    FROM_THE_VIEW,
    PREDICATES,
    Bounds,
    describe_ask,
    ground_ask,
    prompt_digests,
)
from scenekeeper.describe.salvage import Found, Path, find_json
from scenekeeper.describe.sight import Sight
from scenekeeper.models import Ask, Card, Chat, Load, Reply
from scenekeeper.models.base import Words
from scenekeeper.schema import NO_ID, UNNAMED, Frame, Labels, Relation

UNTOLD = 0.5
"""Score of a relation whose probability the model does not tell: it may hold or not."""


@dataclass(frozen=True, eq=False)
class Describer:
    """A frame model over a chat.

    Attributes:
        chat: how the model is asked.
        name: as a user writes it.
        revision: of its weights, or what the server calls them.
        sight: how it sees.
        bounds: of its answers.
        max_batch: frames that are asked about at once.
        flops: of one frame, see :class:`~scenekeeper.models.Card`.
        licence: id of its terms; empty = not known.
    """

    chat: Chat
    name: str
    revision: str
    sight: Sight
    bounds: Bounds = field(default_factory=Bounds)
    max_batch: int = 64
    flops: Callable[[Load], float] | None = None
    licence: str = ""

    @property
    def card(self) -> Card:
        """Who it is; its settings hold the digests of its prompts."""
        return Card(
            self.name,
            self.revision,
            licence=self.licence,
            provides=frozenset({"boxes", "caption", "object_captions", "relations"}),
            max_batch=self.max_batch,
            settings={
                "prompts": prompt_digests(),
                "sight": asdict(self.sight),
                "bounds": asdict(self.bounds),
            },
            flops=self.flops,
        )

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        """Labels of each frame: boxes where nothing is known, else words for what is.

        Boxes have the signals of :func:`~scenekeeper.describe.grounding.read_boxes`. Of a frame
        that was looked at before, what is known stays as it is and in its order; ``text``,
        ``caption`` and ``relations`` are this model's own. Relations are between instances that
        have a ``track``; without the model's probabilities they score :data:`UNTOLD`. Signals:
        ``text_p`` (geometric mean over the tokens of an instance's sentence), ``text_p_min``,
        ``text_entropy`` (nats) where the model tells probabilities; ``count_gap``, how many more of
        its name the model sees than were detected; ``truncated``, 1 where the answer was cut off or
        is no whole JSON; ``failed``, 1 where there is none, and no text then. Of more instances
        than ``bounds.objects`` the largest are described.

        Args:
            frames: of any sizes.
            vocabulary: what to look for; nothing is found where it is empty.
            prior: what is known; ``None`` = nothing, so boxes are found. Labels without instances
                say that there is nothing: such a frame gets its caption.

        Raises:
            ModelError: nothing can be asked, e.g. the server is down.
        """
        pairs = list(zip(frames, prior, strict=True))
        asked = [(f, p) for f, p in pairs if p is not None or vocabulary]
        replies = iter(answers(self.chat, [self._ask(f, p, vocabulary) for f, p in asked]))
        out: list[Labels] = []
        for frame, known in pairs:
            if known is not None:
                out.append(_described(frame, known, self._rows(known), next(replies)))
            elif vocabulary:
                out.append(read_boxes(frame, next(replies), vocabulary, self.sight))
            else:
                out.append(Labels.empty(frame))
        return out

    def _ask(self, frame: Frame, known: Labels | None, vocabulary: Words) -> Ask:
        image = self.sight.see(frame.rgb)
        if known is None:
            return ground_ask(image, vocabulary, self.bounds, self.sight)
        rows = self._rows(known)
        scale = np.array(image.shape[1::-1], np.float32) / np.array(known.size[::-1], np.float32)
        boxes = known.box_xyxy[rows] * np.tile(scale, 2)
        marked = draw_marks(image, boxes, list(range(1, len(rows) + 1))) if rows else image
        counts = Counter(sorted(phrase for phrase in known.phrase if phrase != UNNAMED))
        return describe_ask(marked, [known.phrase[i] for i in rows], self.bounds, counts)

    def _rows(self, labels: Labels) -> list[int]:
        """Of the largest instances, in order; mark k + 1 is row k of these."""
        area = (labels.box_xyxy[:, 2:] - labels.box_xyxy[:, :2]).prod(1)
        return sorted(np.argsort(-area, kind="stable")[: self.bounds.objects].tolist())


def _described(frame: Frame, labels: Labels, rows: list[int], reply: Reply) -> Labels:
    """Labels with what a reply says of them; mark k + 1 is row ``rows[k]``."""
    found, spelling = find_json(reply.text), Spelling.of(reply)
    said: Mapping[str, Any] = found.value if isinstance(found.value, dict) else {}
    failed = reply.finish == "failed" or not said
    text: list[str | None] = [None] * len(labels)
    odds: list[Odds | None] = [None] * len(labels)
    for mark, sentence, path in _sentences(said):
        row = _row(mark, rows)
        if row is not None and text[row] is None:
            text[row] = _clean(sentence)
            odds[row] = odds_at(spelling, found.spans, path) if text[row] else None
    cut = not failed and (reply.finish == "length" or not found.whole)
    signals = {
        "count_gap": _count_gap(labels, said.get("counts")),
        "truncated": np.full(len(labels), float(cut), np.float32),
        "failed": np.full(len(labels), float(failed), np.float32),
    }
    if spelling is not None:
        signals |= {
            "text_p": _column(odds, "mean"),
            "text_p_min": _column(odds, "least"),
            "text_entropy": _column(odds, "entropy"),
        }
    return replace(
        labels,
        text=tuple(text),
        caption=_clean(said.get("caption")),
        relations=_relations(frame, labels, rows, found, spelling),
        signals={**labels.signals, **_with_truncated(labels, signals)},
    )


def _with_truncated(labels: Labels, signals: dict[str, Any]) -> dict[str, Any]:
    """A box from an answer that was cut off stays marked, whatever its description was like."""
    before = labels.signals.get("truncated")
    if before is not None:
        signals["truncated"] = np.fmax(before, signals["truncated"])
    return signals


def _relations(
    frame: Frame, labels: Labels, rows: list[int], found: Found, spelling: Spelling | None
) -> tuple[Relation, ...]:
    """Statements about known things with a known predicate, each once."""
    assert labels.track is not None
    said = found.value if isinstance(found.value, dict) else {}
    out: dict[tuple[int, str, int], Relation] = {}
    for k, entry in enumerate(_entries(said, "relations")):
        ends = [_row(entry.get(end), rows) for end in ("subject", "object")]
        predicate = entry.get("predicate")
        if None in ends or predicate not in PREDICATES:
            continue
        a, b = (int(labels.track[row]) for row in ends)
        if a == b or NO_ID in (a, b):
            continue
        odds = odds_at(spelling, found.spans, ("relations", k, "predicate"))
        view = f"view {frame.session}/{frame.frame_id}" if predicate in FROM_THE_VIEW else ""
        score = odds.p if odds is not None else UNTOLD
        out.setdefault((a, predicate, b), Relation(a, predicate, b, score, "vlm", view))
    return tuple(out.values())


def _sentences(said: Mapping[str, Any]) -> Iterator[tuple[Any, Any, Path]]:
    """Marks, what is said of them, and where; by number, or in a list, as some models like it."""
    objects = said.get("objects")
    if isinstance(objects, Mapping):
        for key, sentence in objects.items():
            yield int(key) if key.isdecimal() else None, sentence, ("objects", key)
    for k, entry in enumerate(_entries(said, "objects")):
        yield entry.get("id"), entry.get("caption"), ("objects", k, "caption")


def _entries(said: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Entries of a list in an answer, each where it stands; what is no object is an empty one."""
    entries = said.get(key)
    listed = entries if isinstance(entries, list) else []
    return [entry if isinstance(entry, Mapping) else {} for entry in listed]


def _row(mark: Any, rows: list[int]) -> int | None:
    known = isinstance(mark, int) and not isinstance(mark, bool) and 1 <= mark <= len(rows)
    return rows[mark - 1] if known else None


def _clean(sentence: Any) -> str | None:
    """A sentence in one line; ``None`` where there is none."""
    if not isinstance(sentence, str):
        return None
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", sentence).strip() or None


def _column(odds: Sequence[Odds | None], name: str) -> NDArray[np.float32]:
    return np.array([getattr(o, name) if o else np.nan for o in odds], np.float32)


def _count_gap(labels: Labels, counts: Any) -> NDArray[np.float32]:
    """Per instance, how many more of its name the model counts than were detected; NaN untold."""
    detected = Counter(labels.phrase)
    told = counts if isinstance(counts, Mapping) else {}
    gap = {
        phrase: told[phrase] - n
        for phrase, n in detected.items()
        if isinstance(told.get(phrase), int | float) and not isinstance(told[phrase], bool)
    }
    return np.array([gap.get(phrase, np.nan) for phrase in labels.phrase], np.float32)
