"""Asking and waiting for the answers, for those who have no event loop of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from scenekeeper.models import Ask, Chat, Reply


def answers(chat: Chat, asks: Sequence[Ask]) -> list[Reply]:
    """Replies in order, as :meth:`~scenekeeper.models.Chat.ask` gives them.

    It is done in a thread of its own: the caller's may have a loop running, as notebooks do.

    Raises:
        ModelError: nothing can be asked, e.g. the server is down.
        KeyboardInterrupt: at once; the questions are cancelled.
    """
    if not asks:
        return []
    loop = asyncio.new_event_loop()
    task = loop.create_task(chat.ask(asks))
    with ThreadPoolExecutor(1) as thread:
        work = thread.submit(_finish, loop, task)
        try:
            return work.result()
        except (KeyboardInterrupt, SystemExit):
            with contextlib.suppress(RuntimeError):  # it has ended this very moment
                loop.call_soon_threadsafe(task.cancel)
            raise


def _finish(loop: asyncio.AbstractEventLoop, task: asyncio.Task[list[Reply]]) -> list[Reply]:
    try:
        return loop.run_until_complete(task)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
