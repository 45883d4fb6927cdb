"""Models behind an address that speaks the OpenAI chat API: vLLM, SGLang, ``transformers serve``.

``openai:http://localhost:8000/v1#Qwen/Qwen2.5-VL-7B-Instruct``. Pictures go to the address that was
typed and nowhere else, and so does the key in ``OPENAI_API_KEY``.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scenekeeper.describe.describer import Describer
from scenekeeper.describe.dialect import read_reply, request
from scenekeeper.describe.pace import Pace
from scenekeeper.describe.probe import probe
from scenekeeper.describe.sight import sight_of
from scenekeeper.errors import ModelError
from scenekeeper.models import Ask, Device, Reply, Source
from scenekeeper.models.chat import Capability
from scenekeeper.models.known import licence_of
from scenekeeper.models.wire import AGAIN, Address, Answer, BrokenError, UnreachableError, Wire

KEY = "OPENAI_API_KEY"
PATH = "/chat/completions"
BUSY = frozenset({429, 503, 529})
"""What a server answers that was asked too much at once."""


def load(source: Source, device: Device) -> Describer:
    """The describer behind an address; nothing is sent yet.

    Args:
        source: the address and, after ``#``, what the server calls the model. How it sees is
            decided by that name, see :mod:`scenekeeper.describe.sight`.
        device: not used: the server has its own.

    Raises:
        ModelError: it is no address.
    """
    chat = HttpChat(Address.parse(source.where), source.part, os.environ.get(KEY))
    name = source.part or ""
    licence = licence_of(f"local:{name}")
    return Describer(chat, str(source), name, sight_of(name), licence=licence)


@dataclass(frozen=True)
class Patience:
    """How long a server is borne with.

    Attributes:
        tries: of a question.
        first_s: seconds to wait before the second try; doubled each time, and drawn at random from
            its upper half, so that many askers do not come back at once.
        most_s: never longer than this, whatever the server wishes.
        connect_s: seconds to be taken,
        answer_s: and to be answered within.
    """

    tries: int = 6
    first_s: float = 0.5
    most_s: float = 30.0
    connect_s: float = 5.0
    answer_s: float = 180.0

    def wait_s(self, trial: int, wished: float | None) -> float:
        """Seconds between one try, from 0 on, and the next."""
        usual = self.first_s * float(2**trial) * random.uniform(0.5, 1.0)
        return min(self.most_s, max(usual, wished or 0.0))


class HttpChat:
    """A chat with a server. Answers do not depend on how many are asked at once.

    Args:
        address: of the server.
        model: what the server calls it; ``None`` = the only one it has.
        key: sent to this address alone.
        patience: with the server.
        most: questions in flight at once; how many there are is found by measurement.
    """

    def __init__(
        self,
        address: Address,
        model: str | None = None,
        key: str | None = None,
        patience: Patience | None = None,
        most: int = 64,
    ) -> None:
        self.patience = patience or Patience()
        self.pace = Pace(most)
        self._wire = Wire(address, key, self.patience.connect_s, self.patience.answer_s)
        self._model_wanted = model
        self._pool = ThreadPoolExecutor(most, "ask")
        self._probing = threading.Lock()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the server can do; asked once.

        Raises:
            ModelError: it does not answer, or does not let us in.
        """
        with self._probing:
            return self._capabilities

    @cached_property
    def _capabilities(self) -> frozenset[Capability]:
        return probe(self._probe_call, self._model)

    async def ask(self, requests: Sequence[Ask]) -> list[Reply]:
        """Replies in order; a question that fails for itself has a failed reply.

        Raises:
            ModelError: the server is down, does not let us in, does not have the model, or its
                model takes no pictures.
        """
        if not requests:
            return []
        loop = asyncio.get_running_loop()
        can = await loop.run_in_executor(None, lambda: self.capabilities)
        if "images" not in can and any(ask.images for ask in requests):
            raise self._error("takes no pictures", "Name a vision-language model after #.")
        given_up = threading.Event()
        job = functools.partial(self._reply, can=can, given_up=given_up)
        jobs = [loop.run_in_executor(self._pool, job, ask) for ask in requests]
        try:
            done = await asyncio.gather(*jobs, return_exceptions=True)
        except asyncio.CancelledError:
            given_up.set()
            self._wire.hang_up()
            raise
        for one in done:
            if isinstance(one, BaseException):
                raise one
        return [one for one in done if isinstance(one, Reply)]

    def _reply(self, ask: Ask, can: frozenset[Capability], given_up: threading.Event) -> Reply:
        if given_up.is_set():
            return Reply("", "failed", problem="the server is down")
        try:
            answer = self._answer(request(ask, self._model, can), given_up)
        except ModelError:
            given_up.set()  # what others of the same call still wait for will not come, either
            raise
        except BrokenError as error:
            return Reply("", "failed", problem=str(error))
        if answer.status != 200:
            return Reply("", "failed", problem=f"{answer.status}: {answer.text}")
        return read_reply(answer.data)

    def _answer(self, body: Mapping[str, Any], given_up: threading.Event) -> Answer:
        """The last of as many tries as it takes, or as are made before all is given up.

        Raises:
            ModelError: the server is down or does not let us in.
            BrokenError: no answer came, again and again.
        """
        problem: Exception | None = None
        answer: Answer | None = None
        for trial in range(self.patience.tries):
            if trial:
                wait_s = self.patience.wait_s(trial - 1, answer.wait_s if answer else None)
                if given_up.wait(wait_s):
                    break
            answer = None
            with self.pace.turn() as era:
                start = time.monotonic()
                try:
                    answer = self._wire.call(PATH, body)
                except (UnreachableError, BrokenError) as error:
                    problem = error
                if answer is None or answer.status in BUSY:
                    self.pace.refused(era)
                elif answer.status == 200:
                    self.pace.answered(time.monotonic() - start, era)
            if answer is not None and self._final(answer):
                return answer
        if answer is not None:
            return answer
        if isinstance(problem, UnreachableError):
            raise self._error(f"does not answer ({problem})", "Start it, or check the address.")
        raise problem or BrokenError("no try was made")

    def _final(self, answer: Answer) -> bool:
        """Whether asking again is of no use.

        Raises:
            ModelError: asking anything is of no use.
        """
        if answer.status in (401, 403):
            raise self._error("does not let us in", f"Set {KEY} to a key that it knows.")
        if answer.status == 404:
            raise self._error(
                f"does not have that: {answer.text}",
                "Check the address, which mostly ends in /v1, and the model's name after #.",
            )
        if 300 <= answer.status < 400:
            raise self._error(
                "sends us to another address, which is not followed",
                "Name that one, if it is good.",
            )
        # A 200 that is no JSON was cut off on its way.
        return answer.status not in AGAIN and not (answer.status == 200 and answer.data is None)

    def _probe_call(self, body: Mapping[str, Any]) -> Answer:
        try:
            return self._answer(body, threading.Event())
        except BrokenError as error:
            raise self._error(f"does not answer ({error})", "See what it logs.") from error

    @cached_property
    def _model(self) -> str:
        """What the server calls the model."""
        if self._model_wanted:
            return self._model_wanted
        remedy = f"Write openai:{self._wire.address}#MODEL."
        try:
            answer = self._wire.call("/models")
        except (UnreachableError, BrokenError) as error:
            raise self._error(f"does not answer ({error})", "Start it.") from error
        self._final(answer)
        try:
            names = [str(entry["id"]) for entry in answer.data["data"]]
        except (KeyError, TypeError):
            raise self._error("does not say which models it has", remedy) from None
        if len(names) != 1:
            listed = ", ".join(names[:8]) or "none"
            raise self._error(f"has not one model but these: {listed}", remedy)
        return names[0]

    def _error(self, problem: str, remedy: str) -> ModelError:
        return ModelError(problem, path=f"the server at {self._wire.address}", remedy=remedy)
