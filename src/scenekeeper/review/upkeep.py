"""Work that may be late: one thread that does what was asked for, however often, once at a time.

In: a function and how long to gather before it runs. Out: it runs soon after it was asked for, and
a last time when all is closed. What goes wrong in it is kept to be told, never raised.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from scenekeeper.errors import ScenekeeperError


class Upkeep:
    """One kind of work.

    Args:
        work: what to do; it looks for itself what there is to do.
        gather: seconds to wait after it was asked for, so that many requests cost one run.
    """

    def __init__(self, work: Callable[[], None], gather: float = 0.0) -> None:
        self._work, self._gather = work, gather
        self._asked, self._closing = threading.Event(), threading.Event()
        self._running = threading.Lock()
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str | None:
        """What went wrong the last time; ``None`` = nothing did."""
        return self._problem

    def ask(self) -> None:
        """Have it run soon."""
        self._asked.set()

    def now(self) -> None:
        """Run it here, after a run that is under way."""
        self._asked.clear()
        with self._running:
            try:
                self._work()
                self._problem = None
            except ScenekeeperError as error:
                self._problem = str(error)
            except Exception as error:  # a fault; the thread must live on, and it must be told
                logging.getLogger(__name__).exception("the review's upkeep failed")
                self._problem = f"a fault in the program: {error!r}"

    def close(self) -> None:
        """Do what is still asked for, and no more."""
        self._closing.set()
        pending = self._asked.is_set()
        self._asked.set()
        self._thread.join()
        if pending:
            self.now()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            if self._closing.wait(self._gather) or self._closing.is_set():
                return
            self.now()
