"""Decisions about objects, relations and captions: what holds in all sessions, or of a sentence.

Objects keep their ids when labels are made anew, and later sessions that show them share them. So
what was decided about an object holds wherever it is met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scenekeeper.review.events import Decision, Event, Subject
from scenekeeper.review.fold_tracks import LostError, OneByNowError, TrackFold
from scenekeeper.review.labelled import Labelled, is_same_run, met
from scenekeeper.review.pieces import united


@dataclass(frozen=True)
class Saying:
    """What was last said of something.

    Attributes:
        event: the event's number, and
        t_ns: time.
        actor: who said it.
        holds: whether it is so.
        text: what it is called, or what should be said; ``None`` = the machine's word.
        status: how far people stand behind it.
    """

    event: int
    t_ns: int
    actor: str
    holds: bool
    text: str | None
    status: str


class SayingFold:
    """What was said while decisions are taken in.

    Attributes:
        objects: by object.
        relations: by session, subject, predicate and object.
        captions: by session and frame.
        object_captions: by session and object.
        verdicts: per pair of objects, whether they are one thing, and who says so.
    """

    def __init__(self, labelled: Mapping[str, Labelled], tracks: Mapping[str, TrackFold]) -> None:
        self.labelled, self._tracks = labelled, tracks
        self.objects: dict[int, Saying] = {}
        self._called: dict[int, Saying] = {}
        self.relations: dict[tuple[str, int, str, int], Saying] = {}
        self.captions: dict[tuple[str, int], Saying] = {}
        self.object_captions: dict[tuple[str, int], Saying] = {}
        self.verdicts: dict[frozenset[int], tuple[bool, int]] = {}
        self._known = {o for of in labelled.values() for o in of.object.values()}

    def take(self, event: Event, t_ns: int) -> None:
        """Take one decision in.

        Args:
            event: about an object, two objects, a relation or a caption.
            t_ns: when it was made, later than the one before.

        Raises:
            LostError: what it is about is not there.
        """
        getattr(self, f"_{event.decision.subject.kind}")(event, t_ns)

    # --- objects ----------------------------------------------------------------------------------

    def _object(self, event: Event, t_ns: int) -> None:
        d = event.decision
        number, phrase = self._where(d, d.subject.id), d.body.get("phrase")
        said = Saying(event.seq, t_ns, d.actor, d.op != "reject", phrase, "propagated")
        self.objects[number] = said
        if phrase is not None:
            self._called[number] = said
        if d.op != "reject":
            self._show(event, number)
        if number not in self._known:
            raise LostError(f"no session shows object {number} now; should one, it holds there")

    def _where(self, d: Decision, number: int) -> int:
        """The object, or the one that lies where the person looked if it is not known any more."""
        if number in self._known:
            return number
        count: dict[int, int] = {}
        for session, of in self.labelled.items():
            for track, frames in met(d, session, of).items():
                if track in of.object:
                    count[of.object[track]] = count.get(of.object[track], 0) + len(frames)
        best = max(count, key=lambda o: (count[o], -o), default=number)
        return best if 2 * count.get(best, 0) > len(d.anchor) else number

    def _show(self, event: Event, number: int) -> None:
        """The very views that the person looked at count as looked at."""
        d = event.decision
        status = "corrected" if d.op == "relabel" else "verified"
        one = united(self.verdicts)[0].get(number, {number})
        for session in {a[0] for a in d.anchor} & self.labelled.keys():
            of = self.labelled[session]
            if is_same_run(d, session, of) is False:
                looked = met(d, session, of)
            else:
                frames = [a[1] for a in d.anchor if a[0] == session]
                looked = {t: frames for t, o in of.object.items() if o in one}
            for track, frames in looked.items():
                if of.object.get(track) in one:
                    self._tracks[session].look(track, frames, status, event.seq)

    # --- pairs of objects -------------------------------------------------------------------------

    def _pair(self, event: Event, t_ns: int) -> None:
        d = event.decision
        pair = [d.subject.id, d.subject.other]
        if not set(pair) <= self._known and d.anchor:
            pair = self._lying(d) or pair
        if len(pair) == 1:
            if d.op == "different":
                raise OneByNowError(f"objects {d.subject.id} and {d.subject.other} are one by now")
            return  # the machine says so itself
        for other in pair[1:]:
            self.verdicts[frozenset((pair[0], other))] = (d.op == "same", event.seq)

    def _lying(self, d: Decision) -> list[int]:
        found = (
            of.object[track]
            for session, of in self.labelled.items()
            for track in met(d, session, of)
            if track in of.object
        )
        return list(dict.fromkeys(found))

    # --- sentences --------------------------------------------------------------------------------

    def _relation(self, event: Event, t_ns: int) -> None:
        d, s = event.decision, event.decision.subject
        said = Saying(event.seq, t_ns, d.actor, d.op == "accept", None, "verified")
        self.relations[s.session, s.id, s.predicate, s.other] = said
        if missing := {s.id, s.other} - self._known:
            raise LostError(f"no session shows object {min(missing)} now")

    def _caption(self, event: Event, t_ns: int) -> None:
        d, s = event.decision, event.decision.subject
        text = d.body.get("text") if d.op == "caption" else None
        status = "corrected" if d.op == "caption" else "verified"
        said = Saying(event.seq, t_ns, d.actor, d.op != "reject", text, status)
        if s.predicate == "object":
            self.object_captions[s.session, s.id] = said
            return
        if s.session not in self.labelled:
            raise LostError(f"session {s.session!r} has no labels")
        judged = d.body.get("text") if d.op != "caption" else None
        alike = self._alike(s, judged)
        for frame in alike:
            own = frame == s.id
            self.captions[s.session, frame] = said if own else _propagated(said)

    def _alike(self, s: Subject, judged: str | None) -> list[int]:
        """The frame, and those around it of the same camera that say the same."""
        for said in self.labelled[s.session].captions:
            if s.id not in said:
                continue
            if judged is not None and said[s.id] != judged:
                raise LostError(f"frame {s.id} is captioned otherwise by now")
            frames = list(said)
            k = frames.index(s.id)
            low, high = k, k
            while low and said[frames[low - 1]] == said[s.id]:
                low -= 1
            while high + 1 < len(frames) and said[frames[high + 1]] == said[s.id]:
                high += 1
            return frames[low : high + 1]
        return [s.id]

    # --- rows -------------------------------------------------------------------------------------

    def names(self) -> list[dict[str, Any]]:
        """Rows of names: what objects were last called."""
        return [
            {
                "object": number,
                "phrase": said.text,
                "author": said.actor,
                "t_ns": said.t_ns,
                "status": "verified",
            }
            for number, said in sorted(self._called.items())
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Rows of sayings."""
        groups, _ = united(self.verdicts)
        stands = {n: min(nodes) for n, nodes in groups.items()}
        return [*self._object_rows(stands), *self._same_rows(stands), *self._said_rows(stands)]

    def _object_rows(self, stands: Mapping[int, int]) -> Iterator[dict[str, Any]]:
        last: dict[int, Saying] = {}
        for number, said in self.objects.items():
            one = stands.get(number, number)
            if one not in last or last[one].event < said.event:
                last[one] = said
        for number, said in sorted(last.items()):
            yield _row("object", "", number, "", None, said)

    def _same_rows(self, stands: Mapping[int, int]) -> Iterator[dict[str, Any]]:
        for number, one in sorted(stands.items()):
            seq = max(s for pair, (same, s) in self.verdicts.items() if same and number in pair)
            if number != one:
                said = Saying(seq, 0, "", True, None, "verified")
                yield _row("same", "", number, "", one, said)
        for pair, (same, seq) in sorted(self.verdicts.items(), key=lambda item: item[1][1]):
            if not same:
                a, b = sorted(pair)
                yield _row("same", "", a, "", b, Saying(seq, 0, "", False, None, "verified"))

    def _said_rows(self, stands: Mapping[int, int]) -> Iterator[dict[str, Any]]:
        ends: dict[tuple[str, int, str, int], Saying] = {}
        for (session, a, predicate, b), said in self.relations.items():
            key = session, stands.get(a, a), predicate, stands.get(b, b)
            if key not in ends or ends[key].event < said.event:
                ends[key] = said
        for (session, a, predicate, b), said in sorted(ends.items()):
            yield _row("relation", session, a, predicate, b, said)
        for (session, frame), said in sorted(self.captions.items()):
            yield _row("caption", session, frame, "", None, said)
        for (session, number), said in sorted(self.object_captions.items()):
            one = stands.get(number, number)
            yield _row("object caption", session, one, "", None, said)


def _propagated(said: Saying) -> Saying:
    return Saying(said.event, said.t_ns, said.actor, said.holds, said.text, "propagated")


def _row(
    kind: str, session: str, subject: int, predicate: str, other: int | None, said: Saying
) -> dict[str, Any]:
    return {
        "kind": kind,
        "session": session,
        "subject": subject,
        "predicate": predicate,
        "object": other,
        "holds": said.holds,
        "text": said.text,
        "status": said.status,
        "event": said.event,
        "t_ns": said.t_ns or None,
    }
