"""What :mod:`benchmarks.gpu` measures: a detector, a segmenter and a describer, and how.

Ours and the plain loop (:mod:`benchmarks.plain_loop`) in turn in the same run: wall-clock medians
after a warm-up, the device done before the clock is read.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.plain_loop import PlainDetector, PlainSegmenter
from benchmarks.real_size import checkpoint, find_discs
from scenekeeper.models import Ask, Chat, Device, Load, Reply, Source
from scenekeeper.models.chat import Capability
from scenekeeper.schema import Clip, Frame, Labels

WIDTH, HEIGHT = 1920, 1080
BATCH, KEPT = 8, 30
THINGS = (1, 10, 20)
FULL = 17
"""Frames after which the memory of SAM 2 is full."""

KNOWN, ANSWER = 10, 200
"""Things that are described in a picture, and tokens of an answer."""

PLAIN, PEAK = 3.0, 0.25
"""What is claimed: at least so many times the plain loop, and so much of the peak."""


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: what was measured.
        unit: of ``ours`` and ``peer``.
        ours: our median.
        peer: the plain loop's; ``None`` where there is none.
        target: at least this of the ratio, or of ``ours`` where there is no peer; ``None`` = no
            claim.
        note: on what.
    """

    name: str
    unit: str
    ours: float
    peer: float | None = None
    target: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the plain loop."""
        return self.ours / self.peer if self.peer else None

    @property
    def holds(self) -> bool | None:
        """Whether the claim does; ``None`` where there is none."""
        measured = self.ours if self.ratio is None else self.ratio
        return None if self.target is None else measured >= self.target

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "ratio": self.ratio, "holds": self.holds}


@dataclass(frozen=True)
class Bench:
    """Where and how to measure.

    Attributes:
        device: where models run.
        peak: its operations per second; ``None`` = unknown, so no share of it is told.
        folder: of the checkpoints.
        tiny: tiny models and few rounds; nothing is claimed.
    """

    device: Device
    peak: float | None
    folder: Path
    tiny: bool

    def checkpoint(self, kind: str) -> Path:
        return checkpoint(kind, self.folder, self.device.name, self.tiny)

    def precisions(self) -> dict[str, Device]:
        """The number formats that the plain loop is run in; the first is the one it has."""
        name = self.device.name
        full = {"float32": Device(name)}
        return {**full, "bfloat16": Device(name, half=True)} if self.device.half else full

    def rounds(self, counted: int, warm: int) -> tuple[int, int]:
        """Rounds in all, and those of them that are not counted."""
        return (2, 1) if self.tiny else (counted + warm, warm)

    def medians(
        self, works: Sequence[Callable[[], object]], rounds: tuple[int, int]
    ) -> list[float]:
        """Median wall-clock seconds of each, run in turn, until the device is done."""
        taken: list[list[float]] = [[] for _ in works]
        for _ in range(rounds[0]):
            for work, times in zip(works, taken, strict=True):
                self._settle()
                start = time.perf_counter()
                work()
                self._settle()
                times.append(time.perf_counter() - start)
        return [statistics.median(times[rounds[1] :]) for times in taken]

    def _settle(self) -> None:
        if self.device.name.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self.device.name)

    def claim(self, target: float) -> float | None:
        """A target, where real models are measured."""
        return None if self.tiny else target

    def against(self, name: str, speed: float, peers: Mapping[str, float]) -> Iterator[Measure]:
        """Frames per second against the plain loop's in each number format.

        The claim is about the loop as the pages have it, in float32; what bfloat16 alone would
        have gained is told beside it.
        """
        for number, (format_, peer) in enumerate(peers.items()):
            target = None if number else self.claim(PLAIN)
            yield Measure(name, "frames/s", speed, peer, target, f"plain loop in {format_}")

    def share(self, name: str, speed: float, flops: float | None, note: str) -> Iterator[Measure]:
        """The share of the peak, where both are known."""
        if self.peak is not None and flops is not None:
            used = speed * flops / self.peak
            note = f"{flops / 1e12:.2f} TFLOP a frame, {note}"
            yield Measure(f"{name}, MFU", "of the peak", used, None, self.claim(PEAK), note)


def detector(bench: Bench) -> Iterator[Measure]:
    """Grounding DINO tiny: twenty nouns of two words, which are one prompt."""
    from tests.checkpoints.tokens import WORDS

    from scenekeeper.ground import grounding_dino

    folder, texts = bench.checkpoint("detector"), [f"red {noun}" for noun in WORDS[:20]]
    words: dict[str, tuple[str, ...]] = dict.fromkeys(texts, ())
    frames = pictures(2 if bench.tiny else BATCH)
    model = grounding_dino.load(Source("grounding-dino", str(folder)), bench.device)
    # Weights are random, and so is what scores high: as few boxes shall stay as in a home.
    network: Any = model.network()
    [seen] = network.look([frames[0].rgb], texts)
    scores = np.sort(seen.scores.max(1))
    network.min_score = float(scores[-min(KEPT, len(scores))])
    model = replace(model, keep=replace(model.keep, min_score=network.min_score))
    peers = {f: PlainDetector(folder, d, KEPT) for f, d in bench.precisions().items()}

    def ours() -> None:
        model.run(frames, words, [None] * len(frames))

    def loop(plain: PlainDetector) -> Callable[[], object]:
        return lambda: [plain(frame.rgb, texts) for frame in frames]

    works = [ours, *map(loop, peers.values())]
    speeds = [len(frames) / s for s in bench.medians(works, bench.rounds(10, 3))]
    yield from bench.against("detector", speeds[0], dict(zip(peers, speeds[1:], strict=True)))
    flops = model.card.flops and model.card.flops(Load(WIDTH, HEIGHT, phrases=len(texts)))
    yield from bench.share("detector", speeds[0], flops, f"{len(frames)} frames at once")


def segmenter(bench: Bench) -> Iterator[Measure]:
    """SAM 2.1 large following things through a clip, its memory full."""
    for things in THINGS[:2] if bench.tiny else THINGS:
        yield from _following(bench, things)
        give_back()


def _following(bench: Bench, things: int) -> Iterator[Measure]:
    from scenekeeper.segment import sam2

    folder, name = bench.checkpoint("segmenter"), f"segmenter, {things} things"
    model = sam2.load(Source("sam2", str(folder)), bench.device)
    assert isinstance(model, sam2.BoxTracks)
    # Things of random weights come and go; the count shall stay what it is.
    model = replace(model, config=replace(model.config, patience=sys.maxsize))
    rounds = bench.rounds(20, FULL)
    frames, boxes = pictures(4), grid(things)
    session = model.open(Clip("made", 0, 0, rounds[0]), {})
    stream = iter(range(rounds[0]))

    def ours() -> None:
        k = next(stream)
        frame = replace(frames[k % 4], frame_id=k, t_ns=k)
        list(session.push(frame, known(frame, boxes) if k == 0 else None))

    peers = {f: PlainSegmenter(folder, d, boxes) for f, d in bench.precisions().items()}
    for network in (model.weights().model, *(plain.model for plain in peers.values())):
        find_discs(network.mask_decoder, boxes, (HEIGHT, WIDTH))

    def loop(plain: PlainSegmenter) -> Callable[[], object]:
        return lambda: plain(frames[plain.frames % 4].rgb)

    works = [ours, *map(loop, peers.values())]
    speeds = [1 / s for s in bench.medians(works, rounds)]
    yield from bench.against(name, speeds[0], dict(zip(peers, speeds[1:], strict=True)))
    flops = model.card.flops and model.card.flops(Load(WIDTH, HEIGHT, objects=things))
    yield from bench.share(name, speeds[0], flops, "one frame at a time")


def describer(bench: Bench) -> Iterator[Measure]:
    """Qwen2.5-VL 7B in this process, one picture at a time: reading alone, and with an answer."""
    from scenekeeper.describe import local

    folder = bench.checkpoint("describer")
    model = local.load(Source("local", str(folder)), bench.device)
    frame = pictures(1)[0]
    labels = known(frame, grid(KNOWN))
    cut = {part: Short(model.chat, n) for part, n in (("reading", 1), ("answering", ANSWER))}
    parts = {part: replace(model, chat=chat) for part, chat in cut.items()}
    works = [lambda part=part: part.run([frame], {}, [labels]) for part in parts.values()]
    reading, answering = bench.medians(works, bench.rounds(3, 1))
    flops = model.card.flops and model.card.flops(Load(WIDTH, HEIGHT, objects=KNOWN, tokens=1))
    yield Measure("describer, reading", "frames/s", 1 / reading, note="answers of one token")
    yield from bench.share("describer, reading", 1 / reading, flops, "one frame at a time")
    tokens = statistics.median(cut["answering"].said)
    note = f"answers of {tokens:.0f} tokens"
    yield Measure("describer, answering", "frames/s", 1 / answering, note=note)
    if tokens > 1:
        speed = (tokens - 1) / (answering - reading)
        yield Measure("describer, answering", "tokens/s", speed, note="after the first")


@dataclass(frozen=True, eq=False)
class Short:
    """A chat whose answers are cut off; it counts their tokens."""

    chat: Chat
    most: int
    said: list[int] = field(default_factory=list)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self.chat.capabilities

    async def ask(self, requests: Sequence[Ask]) -> list[Reply]:
        short = [replace(r, max_tokens=min(r.max_tokens, self.most)) for r in requests]
        replies = await self.chat.ask(short)
        self.said.extend(len(reply.tokens) for reply in replies)
        return replies


MEASURES: Mapping[str, Callable[[Bench], Iterator[Measure]]] = {
    "detector": detector,
    "segmenter": segmenter,
    "describer": describer,
}


def pictures(n: int) -> list[Frame]:
    """Frames in a row."""
    from tests.checkpoints.pictures import frame

    made = (frame(WIDTH, HEIGHT, step) for step in range(n))
    return [replace(f, rgb=f.rgb.copy()) for f in made]  # writable, as the plain loop wants them


def grid(n: int) -> NDArray[np.float32]:
    """Boxes ``[n, 4]`` side by side, six in a row and room for four rows."""
    row, column = np.divmod(np.arange(n), 6)
    cell = np.array([WIDTH / 6, HEIGHT / 4])
    corner = cell * np.stack([column + 0.1, row + 0.1], 1)
    return np.hstack([corner, corner + 0.8 * cell]).astype(np.float32)


def known(frame: Frame, boxes: NDArray[np.float32]) -> Labels:
    """Labels that a detector and a tracker could have made."""
    n = len(boxes)
    return Labels(
        frame.frame_id,
        frame.t_ns,
        (HEIGHT, WIDTH),
        boxes,
        phrase=tuple(f"thing {k}" for k in range(n)),
        score=np.full(n, 0.9, np.float32),
        track=np.arange(n),
    )


def give_back() -> None:
    """Free what models held, so that the next has the whole device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
