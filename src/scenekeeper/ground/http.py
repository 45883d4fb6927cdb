"""A grounder behind an HTTP address, as DINO-X is: a picture and phrases go out, boxes come back.

``http:http://localhost:9000/detect#model``. Each frame is one POST of JSON::

    {"image": "<base64 of a JPEG>", "phrases": ["mug", "dish towel"],
     "min_score": 0.1, "model": "model"}

and the answer is JSON as well, boxes in pixels of that picture and labels among those phrases::

    {"boxes": [[x0, y0, x1, y1], ...], "scores": [0.7, ...], "labels": ["mug", ...]}

A key in the environment variable ``SCENEKEEPER_HTTP_KEY`` is sent as a bearer token. Pictures go to
the address that the user typed and nowhere else; redirections are not followed.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import simplejpeg

from scenekeeper.errors import ModelError
from scenekeeper.ground.candidates import CandidateConfig, Prompts, candidates
from scenekeeper.models.base import Card, Words
from scenekeeper.models.device import Device
from scenekeeper.models.source import Source
from scenekeeper.models.wire import AGAIN, Address, Answer, BrokenError, UnreachableError, Wire
from scenekeeper.schema import Frame, Labels

KEY = "SCENEKEEPER_HTTP_KEY"
BATCH = 8
"""Requests under way at once."""

QUALITY = 95
"""Of the JPEG."""


@dataclass(frozen=True)
class Patience:
    """How long a server is borne with.

    Attributes:
        timeout_s: seconds a request may take.
        tries: of a request.
        first_s: seconds before the second try; doubled each time.
        most_s: never longer than this, whatever the server asks for.
        wait: what waits.
    """

    timeout_s: float = 60.0
    tries: int = 5
    first_s: float = 0.5
    most_s: float = 30.0
    wait: Callable[[float], None] = time.sleep

    def pause(self, trial: int, wished: float | None) -> None:
        """Wait after a trial, from 0 on; ``wished`` is the server's ``Retry-After``, seconds."""
        self.wait(min(self.most_s, max(wished or 0.0, self.first_s * 2**trial)))


def load(source: Source, device: Device) -> HttpGrounder:
    """The grounder at an address; nothing is sent yet.

    Raises:
        ModelError: it is no address.
    """
    Address.parse(source.where, source.family, "/")
    keep = CandidateConfig()
    card = Card(
        str(source),
        source.part or "",
        "",
        frozenset({"boxes"}),
        max_batch=BATCH,
        settings={"version": 1, "quality": QUALITY, **asdict(keep)},
    )
    return HttpGrounder(card, source, keep)


@dataclass(frozen=True, eq=False)
class HttpGrounder:
    """A grounder.

    Attributes:
        card: who it is; its revision is what follows ``#`` in its name.
        source: its name, taken apart.
        keep: which boxes are kept.
        patience: how long it is borne with.
    """

    card: Card
    source: Source
    keep: CandidateConfig
    patience: Patience = field(default_factory=Patience)

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        """Boxes of each frame; frames are asked about side by side."""
        prompts = Prompts.of_words(vocabulary)
        if not prompts.texts or not frames:
            return [Labels.empty(frame) for frame in frames]
        with ThreadPoolExecutor(min(BATCH, len(frames))) as pool:
            return list(pool.map(lambda frame: self._look(frame, prompts), frames))

    def _look(self, frame: Frame, prompts: Prompts) -> Labels:
        answer = self._post(self._question(frame, prompts))
        boxes, scores = self._read(answer, prompts)
        return candidates(frame, boxes, prompts.fold(scores), prompts.phrases, self.keep)

    def _question(self, frame: Frame, prompts: Prompts) -> dict[str, Any]:
        rgb = np.ascontiguousarray(frame.rgb)
        jpeg = simplejpeg.encode_jpeg(rgb, quality=QUALITY, colorspace="RGB")
        return {
            "image": base64.b64encode(jpeg).decode("ascii"),
            "phrases": list(prompts.texts),
            "min_score": self.keep.min_score,
            "model": self.source.part,
        }

    @cached_property
    def _wire(self) -> Wire:
        address = Address.parse(self.source.where, self.source.family, "/")
        patience = self.patience.timeout_s
        return Wire(address, os.environ.get(KEY), patience, patience)

    def _post(self, question: Mapping[str, Any]) -> Any:
        """The server's answer; asks again where that may help."""
        problem = ""
        for trial in range(self.patience.tries):
            answer = None
            try:
                answer = self._wire.call("", question)
            except (UnreachableError, BrokenError) as error:
                problem = f"does not answer ({error})"
            if answer is not None and answer.status not in AGAIN:
                return self._told(answer)
            if answer is not None:
                problem = f"answers {answer.status} {answer.text}".strip()
            if trial < self.patience.tries - 1:
                self.patience.pause(trial, answer.wait_s if answer else None)
        raise ModelError(
            f"{problem}, after {self.patience.tries} tries",
            path=self.source.where,
            remedy="See that the server runs and can be reached from here.",
        )

    def _told(self, answer: Answer) -> Any:
        if not 200 <= answer.status < 300:
            raise self._refused(answer.status, answer.text)
        if answer.data is None:
            raise self._odd("its answer is no JSON")
        return answer.data

    def _refused(self, code: int, said: str) -> ModelError:
        if code in (401, 403):
            remedy = f"Put a key that it takes into the environment variable {KEY}."
        else:
            remedy = "See that the address and the model are right."
        return ModelError(
            f"refuses with {code} {said}".strip(), path=self.source.where, remedy=remedy
        )

    def _read(self, answer: Any, prompts: Prompts) -> tuple[Any, Any]:
        """Boxes ``[N, 4]`` and scores ``[N, T]`` in an answer."""
        if not isinstance(answer, Mapping):
            raise self._odd("its answer is no object")
        try:
            boxes = np.array(answer["boxes"], np.float32).reshape(-1, 4)
            likely = np.array([float(score) for score in answer["scores"]], np.float32)
            labels = [str(label) for label in answer["labels"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._odd(f"its answer lacks boxes, scores or labels ({error!r})") from error
        if not len(boxes) == len(likely) == len(labels):
            raise self._odd(f"{len(boxes)} boxes, {len(likely)} scores and {len(labels)} labels")
        column = {text: t for t, text in enumerate(prompts.texts)}
        if strange := next((label for label in labels if label not in column), None):
            raise self._odd(f"it was not asked for {strange!r}")
        scores = np.zeros((len(boxes), len(column)), np.float32)
        for k, label in enumerate(labels):
            scores[k, column[label]] = likely[k]
        scores[~np.isfinite(boxes).all(1) | ~np.isfinite(likely)] = 0
        return boxes, scores

    def _odd(self, problem: str) -> ModelError:
        return ModelError(
            f"is no grounder of this kind: {problem}",
            path=self.source.where,
            remedy="What is sent and expected is described in scenekeeper.ground.http.",
        )
