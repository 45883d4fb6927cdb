"""Florence-2: a small language model that looks. Boxes, a caption, and what each thing looks like.

Every phrase is asked for by itself, so that no two mix; without phrases it names what it sees. A
frame whose things are known is described instead, thing by thing. A picture is looked at once, how
much ever is asked about it. A box's score is how likely its words and its place were, token by
token (geometric mean), among the tokens that the checkpoint's own rules of generation allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scenekeeper.errors import ModelError
from scenekeeper.ground import flops
from scenekeeper.ground.candidates import CandidateConfig, Prompts, candidates
from scenekeeper.ground.locations import BINS, Located, Marks, Token, marks_of, read_boxes
from scenekeeper.ground.prompting import by_size
from scenekeeper.ground.tensors import prepare
from scenekeeper.models.base import Card, Words
from scenekeeper.models.checkpoint import (
    expect_type,
    find_checkpoint,
    load_part,
    load_weights,
    revision_of,
)
from scenekeeper.models.device import Device, in_batches
from scenekeeper.models.known import licence_of
from scenekeeper.models.once import Once
from scenekeeper.models.source import Source
from scenekeeper.schema import Frame, Labels

BATCH = 8
ROWS = 32
"""Questions answered at once."""

Task = Literal[
    "<OPEN_VOCABULARY_DETECTION>", "<OD>", "<DETAILED_CAPTION>", "<REGION_TO_DESCRIPTION>"
]


@dataclass(frozen=True)
class FlorenceConfig:
    """How it is asked.

    Attributes:
        keep: which boxes are kept.
        find_tokens: of an answer with boxes, at most; a box takes five or six.
        caption_tokens: of a caption.
        object_tokens: of what is said of a thing.
    """

    keep: CandidateConfig = field(default_factory=lambda: CandidateConfig(min_score=0.05))
    find_tokens: int = 256
    caption_tokens: int = 96
    object_tokens: int = 48


@dataclass(frozen=True)
class Question:
    """Something asked about a picture.

    Attributes:
        picture: which.
        task: one of the model's own.
        text: what the task is about.
    """

    picture: int
    task: Task
    text: str = ""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        text: without marks.
        tokens: all of them.
    """

    text: str
    tokens: tuple[Token, ...]

    @property
    def likely(self) -> float:
        """Geometric mean of its tokens' probabilities."""
        return float(np.exp(np.mean([log for _, log in self.tokens]))) if self.tokens else 0.0


def load(source: Source, device: Device) -> Florence2:
    """The model of a name; its weights are read when it first looks.

    Raises:
        ModelError: there is no such checkpoint, or it is of another family.
    """
    folder = find_checkpoint(source)
    config = expect_type(folder, "florence2")
    asked = FlorenceConfig()
    card = Card(
        str(source),
        revision_of(folder),
        licence_of(str(source)),
        frozenset({"boxes", "caption", "object_captions"}),
        max_batch=BATCH,
        settings={"version": 1, **asdict(asked)},
        flops=flops.florence2(config, flops.input_size(folder)),
    )
    return Florence2(card, asked, Once(lambda: Network(folder, device)))


@dataclass(frozen=True, eq=False)
class Florence2:
    """A grounder that can also speak.

    Attributes:
        card: who it is.
        config: how it is asked.
        network: its weights, once they are needed.
    """

    card: Card
    config: FlorenceConfig
    network: Once[Network]

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        """Boxes and a caption of each frame; where ``prior`` has its boxes, these in words."""
        if not frames:
            return []
        network = self.network()
        views = network.look(frames, self.card.max_batch)
        captions = self._captions(network, views)
        known = {i: p for i, p in enumerate(prior) if p is not None}
        found = self._found(network, views, frames, vocabulary, known)
        told = self._told(network, views, known)
        return [
            replace(told[i] if i in told else found[i], caption=captions[i])
            for i in range(len(frames))
        ]

    def _captions(self, network: Network, views: Sequence[Any]) -> list[str]:
        asked = [Question(i, "<DETAILED_CAPTION>") for i in range(len(views))]
        return [a.text for a in network.ask(views, asked, self.config.caption_tokens)]

    def _found(
        self,
        network: Network,
        views: Sequence[Any],
        frames: Sequence[Frame],
        vocabulary: Words,
        known: dict[int, Labels],
    ) -> dict[int, Labels]:
        """Labels of frames of which no boxes are known."""
        prompts = Prompts.of_words(vocabulary)
        pictures = [i for i in range(len(frames)) if i not in known]
        if not prompts.texts:
            asked = [Question(i, "<OD>") for i in pictures]
        else:
            asked = [
                Question(i, "<OPEN_VOCABULARY_DETECTION>", t)
                for i in pictures
                for t in prompts.texts
            ]
        answers = network.ask(views, asked, self.config.find_tokens)
        boxes: dict[int, list[tuple[str, Located]]] = {i: [] for i in pictures}
        for question, answer in zip(asked, answers, strict=True):
            for box in network.boxes(answer):
                text = question.text if prompts.texts else box.words
                boxes[question.picture].append((text, box))
        return {i: labels_of(frames[i], boxes[i], prompts, self.config.keep) for i in pictures}

    def _told(
        self, network: Network, views: Sequence[Any], known: dict[int, Labels]
    ) -> dict[int, Labels]:
        """Known labels, each thing with what is said of it."""
        asked = [
            Question(i, "<REGION_TO_DESCRIPTION>", region(box, labels.size))
            for i, labels in known.items()
            for box in labels.box_xyxy
        ]
        answers = iter(network.ask(views, asked, self.config.object_tokens))
        out = {}
        for i, labels in known.items():
            own = [next(answers) for _ in range(len(labels))]
            likely = np.array([a.likely for a in own], np.float32)
            out[i] = replace(
                labels,
                text=tuple(a.text or None for a in own),
                signals={**labels.signals, "described": likely},
            )
        return out


def labels_of(
    frame: Frame,
    boxes: Sequence[tuple[str, Located]],
    prompts: Prompts,
    keep: CandidateConfig,
) -> Labels:
    """Labels of a frame from located boxes and the prompt that each answers.

    Without prompts, what the model called things are the phrases. Signals: ``named``, how likely
    the words were, and ``placed``, how likely the place.
    """
    if not prompts.texts:
        prompts = Prompts.of_words({text: () for text, _ in boxes if text})
    column = {text: t for t, text in enumerate(prompts.texts)}
    rows = [(column[text], box) for text, box in boxes if text in column]
    scores = np.zeros((len(rows), len(column)), np.float32)
    for k, (t, box) in enumerate(rows):
        scores[k, t] = box.score
    height, width = frame.rgb.shape[:2]
    xyxy = np.array([box.box for _, box in rows], np.float32).reshape(-1, 4)
    signals = {
        "named": np.array([box.named for _, box in rows], np.float32),
        "placed": np.array([box.placed for _, box in rows], np.float32),
    }
    return candidates(
        frame,
        xyxy * np.array([width, height, width, height], np.float32),
        prompts.fold(scores),
        prompts.phrases,
        keep,
        signals,
    )


def region(box_xyxy: Sequence[float], size: tuple[int, int]) -> str:
    """A box of pixels in the model's words."""
    return "".join(f"<loc_{k}>" for k in marks_of(box_xyxy, size[1], size[0]))


class Network:
    """The weights at work."""

    def __init__(self, folder: Path, device: Device) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.processor = load_part(AutoProcessor, folder)
        self.tokenizer = self.processor.tokenizer
        self.model = load_weights(AutoModelForImageTextToText, folder, device.name)
        self.device = device
        number = self.tokenizer.convert_tokens_to_ids
        bins = {number(f"<loc_{k}>"): k for k in range(BINS)}
        if len(bins) < BINS:
            raise ModelError(
                "its tokenizer lacks marks for places", path=folder, remedy="Fetch it again."
            )
        outlines = {number(mark) for mark in ("<poly>", "</poly>", "<sep>")}
        silent = {*self.tokenizer.all_special_ids} - {*bins} - outlines
        self.marks = Marks(bins, outlines - {self.tokenizer.unk_token_id}, silent)

    def look(self, frames: Sequence[Frame], at_most: int) -> list[Any]:
        """Features ``[tokens, D]`` of each picture."""
        import torch

        def see(rows: Sequence[int]) -> list[Any]:
            with torch.inference_mode(), self.device.autocast():
                x = prepare(self.processor.image_processor, [frames[i].rgb for i in rows], device)
                return list(self.model.get_image_features(x["pixel_values"]).pooler_output.float())

        device, views = self.device, dict[int, Any]()
        for rows in by_size(frames):
            views.update(zip(rows, in_batches(see, rows, at_most), strict=True))
        return [views[i] for i in range(len(frames))]

    def ask(self, views: Sequence[Any], questions: Sequence[Question], limit: int) -> list[Answer]:
        """Answers to questions about pictures, each of at most ``limit`` tokens."""

        def some(batch: Sequence[Question]) -> list[Answer]:
            return self._answers([views[q.picture] for q in batch], batch, limit)

        return in_batches(some, questions, ROWS)

    def _answers(
        self, views: Sequence[Any], questions: Sequence[Question], limit: int
    ) -> list[Answer]:
        import torch
        from transformers import LogitsProcessorList
        from transformers.modeling_outputs import BaseModelOutput

        with torch.inference_mode(), self.device.autocast():
            embeds, mask = self._read(views, questions)
            encoder = self.model.model.language_model.encoder
            read = encoder(inputs_embeds=embeds, attention_mask=mask).last_hidden_state
            heard = Heard()
            told = self.model.generate(
                encoder_outputs=BaseModelOutput(last_hidden_state=read),
                attention_mask=mask,
                max_new_tokens=limit,
                num_beams=1,
                do_sample=False,
                logits_processor=LogitsProcessorList([heard]),
            )
        logs = heard.logs(told)
        return [
            self._answer(ids, own)
            for ids, own in zip(told[:, 1:].tolist(), logs.tolist(), strict=True)
        ]

    def _read(self, views: Sequence[Any], questions: Sequence[Question]) -> tuple[Any, Any]:
        """Pictures, each with its question after it: embeddings ``[B, L, D]`` and their mask."""
        import torch

        seen = torch.stack(list(views))
        places = self.model.config.text_config.max_position_embeddings - seen.shape[1]
        words = self.tokenizer(
            [self._wording(q) for q in questions],
            padding=True,
            truncation=True,
            max_length=places,
            return_tensors="pt",
        ).to(self.device.name)
        embedded = self.model.get_input_embeddings()(words["input_ids"])
        mask = words["attention_mask"]
        every = mask.new_ones(seen.shape[:2])
        return torch.cat((seen.to(embedded.dtype), embedded), 1), torch.cat((every, mask), 1)

    def _wording(self, question: Question) -> str:
        """The sentence that the model was taught for a task."""
        alone = self.processor.task_prompts_without_inputs
        if question.task in alone:
            return str(alone[question.task])
        sentence: str = self.processor.task_prompts_with_input[question.task]
        return sentence.format(input=question.text)

    def _answer(self, ids: Sequence[int], logs: Sequence[float]) -> Answer:
        tokens = [(i, p) for i, p in zip(ids, logs, strict=True) if i not in self.marks.silent]
        words = [i for i, _ in tokens if self.marks.kind(i) == "word"]
        return Answer(self._decode(words), tuple(tokens))

    def boxes(self, answer: Answer) -> list[Located]:
        """Boxes in an answer."""
        return list(read_boxes(answer.tokens, self.marks, self._decode))

    def _decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()


class Heard:
    """Listens to a generation: how likely each token was when it was chosen.

    Keeping every step's logits would take gigabytes.
    """

    def __init__(self) -> None:
        self._last: Any = None
        self._logs: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """See one step's scores ``[B, V]``; they are given on as they are."""
        self._choose(input_ids)
        self._last = scores.float().log_softmax(-1)
        return scores

    def logs(self, sequences: Any) -> Any:
        """Logarithms ``[B, L - 1]`` of the probabilities of all tokens but the given first."""
        import torch

        self._choose(sequences)
        return torch.stack(self._logs, 1)

    def _choose(self, sequences: Any) -> None:
        if self._last is not None:
            chosen = sequences[:, len(self._logs) + 1, None]
            self._logs.append(self._last.gather(-1, chosen)[:, 0])
