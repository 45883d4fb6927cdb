"""Ask the world: one thing with its belief and age, or which of several, or none, or lost.

Every factor of a score is a log probability: of the name, of looks, of each relation, and of being
there at all. Scores are normalised over all candidates, each with its best anchors, and with the
chance that none is meant. What is not surely one thing is asked back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ScenekeeperError
from scenekeeper.schema import UNNAMED
from scenekeeper.world import phrasing
from scenekeeper.world.match import REAL, Match, Matcher, Notes, is_there, readings
from scenekeeper.world.parse import parse
from scenekeeper.world.request import THING, Described, Request
from scenekeeper.world.scene import Scene
from scenekeeper.world.spatial import Space
from scenekeeper.world.words import Nouns

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

Outcome = Literal["unique", "ambiguous", "none", "stale"]

CLEAR = 2.0
"""How many times likelier than the next the best must be."""

SURE = 0.5
"""Probability of fitting from which a single candidate needs no question."""

_NEITHER = 0.1
"""Weight of the chance that nothing known is meant; grows with words that were not understood."""

_LIFTED = 0.8
"""Weight of the less usual way to read "on the table next to the lamp"."""


@dataclass(frozen=True, eq=False)
class Hit:
    """A thing that may be meant.

    Attributes:
        object: its id.
        phrase: its most probable name.
        p: probability that it is meant; where all are asked for, that it fits and is there.
        center: ``float64 [3]`` metres, world frame; where it was last, if it is lost.
        position_std: ``float64 [3]`` of ``center``, metres.
        existence: probability that it is there now.
        age_s: seconds since it was last seen.
        views: ``(session, frame_id)`` that show it, the best first.
    """

    object: int
    phrase: str
    p: float
    center: Float
    position_std: Float
    existence: float
    age_s: float
    views: tuple[tuple[str, int], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "object": self.object,
            "phrase": self.phrase,
            "p": round(self.p, 4),
            "center": [round(float(v), 4) for v in self.center],
            "position_std": [round(float(v), 4) for v in self.position_std],
            "existence": round(self.existence, 4),
            "age_s": round(self.age_s, 3),
            "views": [list(view) for view in self.views],
        }


@dataclass(frozen=True)
class Answer:
    """What the world says to a request.

    Attributes:
        status: ``unique``: what is asked for is known (one thing; all of them, where all or their
            count are asked for); ``ambiguous``: see ``question``; ``none``: nothing known fits;
            ``stale``: what fits is lost, or was not looked at for long.
        hits: the likeliest first.
        unresolved: words of the text that were not understood.
        question: to be asked back; ``None`` where nothing is to be asked.
        sentence: the answer in words.
    """

    status: Outcome
    hits: tuple[Hit, ...]
    unresolved: tuple[str, ...]
    question: str | None
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "status": self.status,
            "hits": [hit.as_dict() for hit in self.hits],
            "unresolved": list(self.unresolved),
            "question": self.question,
            "sentence": self.sentence,
        }


def query(
    scene: Scene,
    request: str | Request,
    *,
    viewer: Float | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    now_ns: int | None = None,
) -> Answer:
    """Find what is asked for.

    Args:
        scene: what is believed of the world.
        request: English text, or what a parser has made of it.
        viewer: ``T_world_viewer`` ``[4, 4]`` of who asks, a camera (x right, y down, z forward);
            gives "left", "behind" and "nearest" their meaning. Without it they are asked back.
        synonyms: per class, other words for it.
        now_ns: the moment that ages are counted to; the scene's when absent.

    Raises:
        ScenekeeperError: ``viewer`` is no pose.
    """
    if viewer is not None and (np.shape(viewer) != (4, 4) or not np.isfinite(viewer).all()):
        raise ScenekeeperError(
            "is no pose", place="viewer", remedy="Give T_world_viewer, four by four finite numbers."
        )
    words = synonyms or {}
    names = frozenset(name for thing in scene.things for name in thing.names)
    if isinstance(request, str):
        request = parse(request, sorted(names), words)
    asked = _Asked(
        request,
        Matcher(Space.seen(scene, viewer), Nouns(names, words)),
        scene.t_ns if now_ns is None else now_ns,
        Notes(),
    )
    return asked.answer()


@dataclass(frozen=True, eq=False)
class _Asked:
    """One request on its way to an answer."""

    request: Request
    matcher: Matcher
    now_ns: int
    notes: Notes

    def answer(self) -> Answer:
        target = self.request.target
        if target == Described(THING, target.said) and self.request.ask == "one":
            return self._said("none", (), "It is not said what is looked for.")
        found = self._match()
        fits, weight = np.exp(found.score), self.matcher.weights(found.rows, found.score)
        real = fits >= max(REAL, 0.15 * float(fits.max(initial=0)))
        if not real.any():
            return self._none(found)
        order = np.flatnonzero(real)[np.argsort(-weight[real], kind="stable")]
        rows, fits, weight = found.rows[order], fits[order], weight[order]
        there = self.matcher.alive(rows)
        if self.notes.frame:
            kept = there if there.any() else ~there
            return self._which_frame(rows[kept], weight[kept])
        if not there[0]:
            return self._stale(rows[~there], weight[~there])
        if self.request.ask == "one":
            return self._one(rows, fits, weight)
        return self._several(rows[there], fits[there], weight[there], rows[~there])

    def _match(self) -> Match:
        """All readings together; each thing counts as the reading that suits it best says."""
        matches = []
        for k, one in enumerate(readings(self.request.target)):
            notes = self.notes if k == 0 else Notes()
            matches.append(self.matcher.match(one, notes))
            if k:
                self.notes.frame = self.notes.frame or notes.frame
        score = matches[0].score
        for other in matches[1:]:
            score = np.maximum(score, other.score + np.log(_LIFTED))
        return replace(matches[0], score=score)

    # --- outcomes ---------------------------------------------------------------------------------

    def _one(self, rows: Ints, fits: Float, weight: Float) -> Answer:
        p = weight / (weight.sum() + _NEITHER * (1 + 2 * len(self._unresolved())))
        alone = len(rows) == 1 or weight[1] < 0.1 * weight[0]
        if alone or (p[0] >= CLEAR * p[1] and p[0] >= 0.5):
            hit = self._hit(int(rows[0]), float(p[0]))
            if fits[0] >= SURE:
                return self._said("unique", (hit,), f"The {self._located(hit, int(rows[0]))}.")
            ask = self._doubt(int(rows[0]), float(fits[0]))
            return self._said("ambiguous", (hit,), ask, ask)
        near = np.flatnonzero(weight >= weight[0] / 3)
        if len(near) < 2:
            near = np.arange(min(3, len(rows)))
        ask = phrasing.question(self.matcher.space, rows[near].tolist(), self._noun(rows[near]))
        hits = tuple(self._hit(int(rows[k]), float(p[k])) for k in near)
        return self._said("ambiguous", hits, ask, ask)

    def _several(self, rows: Ints, fits: Float, weight: Float, lost: Ints) -> Answer:
        """Answers to "any", "all", "how many" and "is there"."""
        surely = fits >= SURE
        if not surely.any():
            return self._one(rows, fits, weight)
        rows, weight = rows[surely], weight[surely]
        space, ask = self.matcher.space, self.request.ask
        if ask == "any" and space.eye is not None:
            at = np.array([self.matcher.scene.things[k].center for k in rows])
            order = np.argsort(np.linalg.norm(at - space.eye, axis=1), kind="stable")
            rows, weight = rows[order], weight[order]
        hits = tuple(self._hit(int(k), float(w)) for k, w in zip(rows, weight, strict=True))
        n = len(rows)
        if n == 1 or ask == "any":
            tale = f"the {self._located(hits[0], int(rows[0]))}" + (
                f" (one of {n})" if n > 1 else ""
            )
        else:
            named = phrasing.count(n, self._noun(rows)).lower()
            tale = f"{named} fit: {phrasing.listed(space, rows.tolist(), 8)}"
        sentence = f"{ {'exists': 'yes: ', 'count': f'{n}: '}.get(ask, '') }{tale}."
        if len(lost) and ask != "any":
            sentence += f" {phrasing.count(len(lost))} more may be gone."
        return self._said("unique", hits, sentence)

    def _stale(self, rows: Ints, weight: Float) -> Answer:
        space, row = self.matcher.space, int(rows[0])
        thing = self.matcher.scene.things[row]
        p = weight / (weight.sum() + _NEITHER)
        hits = tuple(self._hit(int(k), float(v)) for k, v in zip(rows, p, strict=True))
        were, they = (
            phrasing.are(thing.phrase, "was", "were"),
            phrasing.are(thing.phrase, "it", "they"),
        )
        why = {
            "missing": f"{phrasing.are(thing.phrase)} missing: {they} {were} looked for in vain",
            "stale": f"{were} not looked at for long and may be gone",
        }.get(thing.status, "may not be there any more")
        where = phrasing.place(space, row)
        name = phrasing.titled(space, row).removesuffix(where).strip()
        opening = {"exists": "not surely: the", "count": "0 surely: the"}
        sentence = (
            f"{opening.get(self.request.ask, 'the')} {name} {why}. {they.capitalize()} {were} last "
            f"{where + ' ' if where else ''}{phrasing.whereabouts(thing, hits[0].age_s)}."
        )
        if len(rows) > 1:
            sentence += f" {phrasing.count(len(rows) - 1)} more may be meant."
        return self._said("stale", hits, sentence)

    def _which_frame(self, rows: Ints, weight: Float) -> Answer:
        word = self.notes.frame
        p = weight / (weight.sum() + _NEITHER)
        hits = tuple(self._hit(int(k), float(v)) for k, v in zip(rows, p, strict=True))
        asked = {"near": "Nearest to whom", "far": "Farthest from whom"}
        ask = f"{asked.get(word, f'{word.capitalize()} as seen from where')}?"
        shown = phrasing.listed(self.matcher.space, rows.tolist(), 4)
        known = f"{phrasing.count(len(rows), self._noun(rows))} may be meant: {shown}."
        told = "The pose of who asks is not told."
        return self._said("ambiguous", hits, f"{ask} {told} {known}", ask)

    def _none(self, found: Match) -> Answer:
        target = self.request.target
        opening = {"exists": "No: ", "count": "0: "}.get(self.request.ask, "")
        return self._said("none", (), opening + self._why_none(target, found))

    def _why_none(self, target: Described, found: Match) -> str:
        if not target.noun:
            return self._no_such(target.said)
        for anchor in self.notes.absent:
            if not anchor.noun:
                return self._no_such(anchor.said)
        spoken = phrasing.spoken(target)
        if self.notes.too_few:
            return f"no {spoken} is known: there are only {self.notes.too_few} to count."
        named, _ = self.matcher.named(target.noun)
        known = [k for k in named if self._named_so(int(k), target.noun)]
        if not known:
            return f"no {target.noun} is known.{self._unnamed(target)}"
        if self.notes.absent:
            return f"no {phrasing.spoken(self.notes.absent[0])} is known."
        there = phrasing.count(len(known), self._noun(np.array(known))).lower()
        if len(known) <= 4:
            shown = [f"the {phrasing.titled(self.matcher.space, int(k))}" for k in known]
            there += f" ({phrasing.joined(shown)})"
        return f"no {spoken} is known, but {there}."

    def _no_such(self, word: str) -> str:
        """That a noun is not known, and which known one is spelt nearly so."""
        known = [" ".join(phrase) for phrase in self.matcher.nouns.meaning]
        close = get_close_matches(word, known, n=1, cutoff=0.75)
        hint = f' Is "{close[0]}" meant?' if close else ""
        return f'nothing here is known to be called "{word}".{hint}'

    def _unnamed(self, target: Described) -> str:
        """How many things without a name fit all else that is said."""
        if not target.relations and not target.attributes:
            return ""
        found = self.matcher.match(replace(target, noun=THING), Notes())
        things = [self.matcher.scene.things[k] for k in found.rows[np.exp(found.score) > 0.5]]
        n = sum(t.phrase == UNNAMED and is_there(t) for t in things)
        return f" {phrasing.count(n, THING)} without a name would fit." if n else ""

    # --- parts of an answer -----------------------------------------------------------------------

    def _said(
        self, status: Outcome, hits: tuple[Hit, ...], sentence: str, ask: str | None = None
    ) -> Answer:
        unresolved = self._unresolved()
        sentence = sentence[0].upper() + sentence[1:]
        if unresolved and status != "none":
            words = phrasing.joined([f'"{word}"' for word in unresolved])
            sentence += f" Not understood: {words}."
        if self.notes.assumed:
            sentence += f" Left and right are meant as in {self.notes.assumed}."
        return Answer(status, hits, unresolved, ask, sentence)

    def _unresolved(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.request.unresolved, *self.notes.unknown)))

    def _located(self, hit: Hit, row: int) -> str:
        """What and where a thing is."""
        thing = self.matcher.scene.things[row]
        where = phrasing.whereabouts(thing, hit.age_s)
        return f"{phrasing.titled(self.matcher.space, row)} {phrasing.are(thing.phrase)} {where}"

    def _doubt(self, row: int, fits: float) -> str:
        """A question back where only one thing is known, and that fits badly."""
        title = phrasing.titled(self.matcher.space, row)
        wanted = phrasing.spoken(self.request.target)
        return f"Is the {title} meant? It is a {wanted} with probability {fits:.2f} only."

    def _hit(self, row: int, p: float) -> Hit:
        t = self.matcher.scene.things[row]
        age = max(0.0, (self.now_ns - t.last_t_ns) / 1e9)
        return Hit(t.object, t.phrase, p, t.center, t.position_std, t.existence, age, t.views)

    def _named_so(self, row: int, noun: str) -> bool:
        thing = self.matcher.scene.things[row]
        classes = self.matcher.nouns.classes(noun)
        return is_there(thing) and sum(thing.names.get(c, 0.0) for c in classes) >= REAL

    def _noun(self, rows: Ints) -> str:
        names = {self.matcher.scene.things[k].phrase for k in rows}
        return names.pop() if len(names) == 1 and UNNAMED not in names else "thing"
