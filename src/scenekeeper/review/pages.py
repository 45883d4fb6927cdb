"""What the page gets of cards and proof, as plain JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scenekeeper.review.cards import Card
from scenekeeper.review.certify import Certificate
from scenekeeper.review.estimate import Estimate
from scenekeeper.review.media import Media, layout, views_of
from scenekeeper.review.units import Units


def card_page(card: Card, media: Media) -> Mapping[str, Any]:
    """Plain JSON values of a card.

    Beside :meth:`Card.to_page`: ``v`` is the version of its strip and ``contents`` that of each
    session it shows, for addresses of pictures that may be kept; ``strip`` tells the size
    ``[width, height]`` of the strip at 128 pixels a row and ``tiles``, where in it each view lies,
    ``[x, y, w, h]``, the card's own views first and those of its parts after them.
    """
    views = views_of(card)
    size, tiles = layout(views)
    sessions = {view.session for view in views} | {v.session for v in (card.context,) if v}
    return {
        **card.to_page(),
        "v": media.version(views),
        "contents": {session: media.content(session) for session in sorted(sessions)},
        "strip": {"size": size, "tiles": tiles},
    }


def certificate_page(made: Certificate | None, units: Units) -> Mapping[str, Any] | None:
    """What is certified; ``void`` if it was of other labels than these."""
    if made is None:
        return None
    return {
        "statement": made.statement,
        "epsilon": made.epsilon,
        "delta": made.delta,
        "accepted": made.accepted_labels,
        "share": made.share,
        "left": made.left_labels,
        "void": not made.holds_for(units),
    }


def quality_page(estimates: Iterable[Estimate]) -> list[Mapping[str, Any]]:
    """How many labels are wrong, by kind."""
    return [
        {"kind": e.kind, "share": float(e.share), "low": float(e.low), "high": float(e.high)}
        for e in estimates
    ]
