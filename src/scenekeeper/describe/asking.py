"""Asking and waiting for the answers, for those who have no event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from scenekeeper.models import Ask, Chat, Reply


def answers(chat: Chat, asks: Sequence[Ask]) -> list[Reply]:
    """Replies in order, as :meth:`~scenekeeper.models.Chat.ask` gives them.

    It is done in a thread of its own: the caller's may have a loop running, as notebooks do.

    Raises:
        ModelError: nothing can be asked, e.g. the server is down.
    """
    if not asks:
        return []
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(chat.ask(asks))).result()
