"""Cards as people saw them, and their decisions completed by what only the server knows.

In: a card with why it was shown and of which labels, and a decision as a page sends it. Out: the
decision as the log keeps it: who, how the card was drawn, of which run, and what was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scenekeeper.errors import ReviewError
from scenekeeper.review.cards import Card, View
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Decision
from scenekeeper.review.media import views_of


@dataclass(frozen=True)
class Shown:
    """A card as somebody saw it.

    Attributes:
        card: the card.
        entry: why it was shown.
        snapshot: of the labels it shows.
        runs: per session, the run of its labels.
    """

    card: Card
    entry: Entry
    snapshot: str
    runs: Mapping[str, str]


def answer(shown: Shown, sent: Decision, actor: str) -> Decision:
    """A decision that answers a card, completed.

    Raises:
        ReviewError: the card asks about something else.
    """
    revision, views = _asked(shown.card, sent)
    # What the card knew of is known here; a client may have seen less, never more. An error that
    # was planted is nobody's: there is nothing to disagree about.
    base = min(sent.base, revision) if sent.base >= 0 else revision
    base = -1 if shown.card.sample.stream == "gold" else base
    sessions = {view.session for view in views} | {sent.subject.session} - {""}
    return replace(
        sent,
        actor=actor,
        base=base,
        sample=shown.card.sample,
        runs={s: shown.runs[s] for s in sorted(sessions) if s in shown.runs},
        anchor=tuple((v.session, v.frame_id, *v.box_xyxy) for v in views if v.box_xyxy is not None),
    )


def unasked(sent: Decision, actor: str, runs: Mapping[str, str]) -> Decision:
    """A decision that answers no card, completed.

    Args:
        sent: as it was sent.
        actor: who decides.
        runs: per labelled session, the run in force.

    Raises:
        ReviewError: there is no such session.
    """
    session = sent.subject.session
    if session and session not in runs:
        raise ReviewError("there is no such session", place="subject")
    return replace(sent, actor=actor, runs={session: runs[session]} if session else dict(runs))


def _asked(card: Card, decision: Decision) -> tuple[int, tuple[View, ...]]:
    """Revision of what a decision is about as the card knew it, and the views of it.

    Raises:
        ReviewError: the card does not ask about it.
    """
    if decision.subject == card.subject and card.kind != "gallery":
        return card.revision, views_of(card)
    for part in card.parts:
        if decision.subject == part.subject:
            return part.revision, part.views
    raise ReviewError("the card asks about something else", place="subject")
