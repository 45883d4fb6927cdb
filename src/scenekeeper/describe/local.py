"""Vision-language models in this process: what a lab without a server uses.

``local:Qwen/Qwen2.5-VL-7B-Instruct`` or a folder. Answers are held to a schema by xgrammar, and
probabilities are those before the grammar's mask, as vLLM tells them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from scenekeeper.describe.decoding import Recorder, pieces
from scenekeeper.describe.describer import Describer
from scenekeeper.describe.dialect import varying_text
from scenekeeper.describe.sight import sight_of
from scenekeeper.describe.vlm_flops import flops_of
from scenekeeper.errors import ModelError
from scenekeeper.models import Ask, Device, Reply, Source
from scenekeeper.models.chat import Capability
from scenekeeper.models.checkpoint import (
    expect_type,
    find_checkpoint,
    load_part,
    load_weights,
    revision_of,
)
from scenekeeper.models.known import licence_of

TYPES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")


def load(source: Source, device: Device) -> Describer:
    """The describer of a checkpoint; its weights are read at the first question.

    Raises:
        ModelError: there is no such checkpoint, or it is of another family.
    """
    folder = find_checkpoint(source)
    config = expect_type(folder, *TYPES)
    vision = config.get("vision_config", {})
    factor = int(vision.get("patch_size", 14)) * int(vision.get("spatial_merge_size", 2))
    sight = replace(sight_of(config["model_type"]), factor=factor)
    chat = LocalChat(folder, device)
    return Describer(
        chat,
        str(source),
        revision_of(folder),
        sight,
        max_batch=8,
        flops=flops_of(config, sight),
        licence=licence_of(str(source)),
    )


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model that is ready, its processor, and its grammar compiler where xgrammar is there."""

    model: Any
    processor: Any
    compiler: Any


class LocalChat:
    """A chat with a model in this process; one question at a time, so no answer depends on others.

    Args:
        folder: of the checkpoint.
        device: where it runs.
    """

    def __init__(self, folder: Path, device: Device) -> None:
        self._folder, self._device = folder, device
        self._busy = threading.Lock()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All, but for schemas where xgrammar is missing."""
        can: set[Capability] = {"images", "logprobs", "top_logprobs"}
        if importlib.util.find_spec("xgrammar") is not None:
            can.add("schema")
        return frozenset(can)

    async def ask(self, requests: Sequence[Ask]) -> list[Reply]:
        """Replies in order.

        Raises:
            ModelError: the weights are missing or damaged, or a question does not fit into memory.
        """
        return [await asyncio.to_thread(self._reply, ask) for ask in requests]

    def _reply(self, ask: Ask) -> Reply:
        with self._busy:
            try:
                return self._generate(ask)
            except (RuntimeError, MemoryError) as error:
                if not (isinstance(error, MemoryError) or "out of memory" in str(error).lower()):
                    raise
                raise ModelError(
                    "one question does not fit into the device's memory",
                    path=self._folder,
                    remedy="Use a smaller model, or free the device.",
                ) from error

    def _generate(self, ask: Ask) -> Reply:
        import torch

        ready = self._ready
        inputs = self._inputs(ask).to(self._device.name)
        recorder = Recorder()
        processors: list[Any] = [recorder]
        if ask.schema is not None and ready.compiler is not None:
            from xgrammar.contrib.hf import LogitsProcessor

            grammar = ready.compiler.compile_json_schema(
                json.dumps(ask.schema), any_whitespace=False
            )
            processors.append(LogitsProcessor(grammar))
        with torch.inference_mode(), self._device.autocast():
            out = ready.model.generate(
                **inputs,
                max_new_tokens=ask.max_tokens,
                do_sample=False,
                num_beams=1,
                repetition_penalty=1.0,
                temperature=None,
                top_p=None,
                top_k=None,
                logits_processor=processors,
            )
        ids = out[0, inputs["input_ids"].shape[1] :].tolist()
        ended = bool(ids) and ids[-1] in _ends(ready.model)
        ids = ids[:-1] if ended else ids
        tokenizer = ready.processor.tokenizer
        tokens = recorder.tokens(ids, pieces(tokenizer, ids), tokenizer)
        text = "".join(token.text for token in tokens)
        return Reply(text, "stop" if ended else "length", tokens)

    def _inputs(self, ask: Ask) -> Any:
        from PIL import Image

        content: list[dict[str, Any]] = [
            {"type": "image", "image": Image.fromarray(image)} for image in ask.images
        ]
        content.append({"type": "text", "text": ask.instruction})
        if text := varying_text(ask, self._ready.compiler is not None):
            content.append({"type": "text", "text": text})
        return self._ready.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"do_resize": not self._fit(ask)},
        )

    def _fit(self, ask: Ask) -> bool:
        """Whether pictures come in the size in which they are to be seen, as they should."""
        eye = self._ready.processor.image_processor
        factor = eye.patch_size * eye.merge_size
        return all(side % factor == 0 for image in ask.images for side in image.shape[:2])

    @cached_property
    def _ready(self) -> _Loaded:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        model = load_weights(
            AutoModelForImageTextToText, self._folder, self._device.name, self._device.half
        )
        processor = load_part(AutoProcessor, self._folder)
        return _Loaded(model, processor, _compiler(model, processor.tokenizer))


def _compiler(model: Any, tokenizer: Any) -> Any:
    if importlib.util.find_spec("xgrammar") is None:
        return None
    import xgrammar

    vocabulary = model.config.get_text_config().vocab_size
    info = xgrammar.TokenizerInfo.from_huggingface(
        tokenizer, vocab_size=vocabulary, stop_token_ids=sorted(_ends(model))
    )
    return xgrammar.GrammarCompiler(info, max_threads=1)


def _ends(model: Any) -> set[int]:
    """Tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    return set(ends) if isinstance(ends, list) else {ends}
