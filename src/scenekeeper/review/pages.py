"""A card as the page gets it: what it asks, and how its strip of pictures is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenekeeper.review.cards import Card
from scenekeeper.review.media import Media, layout, views_of


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
