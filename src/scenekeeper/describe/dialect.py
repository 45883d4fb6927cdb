"""Questions and replies as the OpenAI chat API writes them."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from scenekeeper.describe.questions import prompt
from scenekeeper.models import Ask, Reply, Token
from scenekeeper.models.chat import Capability

QUALITY = 90
"""Of JPEG."""

TOP = 20
"""Likeliest tokens that are asked for; more is refused by servers as they are set up."""


def request(ask: Ask, model: str, can: frozenset[Capability]) -> dict[str, Any]:
    """The body of a request, with what the server can.

    Pictures come first, then what never changes, then what does, so that a server's prefix cache
    holds as much as can be. Without a schema the server can be held to, the text asks for it.
    """
    content: list[dict[str, Any]] = [_picture(image) for image in ask.images]
    content.append({"type": "text", "text": ask.instruction})
    if text := varying_text(ask, "schema" in can):
        content.append({"type": "text", "text": text})
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": ask.max_tokens,
        "temperature": 0.0,
        "seed": ask.seed,
    }
    if ask.schema is not None and "schema" in can:
        schema = {"name": "answer", "schema": ask.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if "logprobs" in can:
        body["logprobs"] = True
    if "top_logprobs" in can:
        body["top_logprobs"] = TOP
    return body


def varying_text(ask: Ask, held_to_schema: bool) -> str:
    """What follows the instruction; the schema, too, when nothing else holds the model to it."""
    parts = [ask.text] if ask.text else []
    if ask.schema is not None and not held_to_schema:
        parts.append(f"{prompt('schema')}\n{json.dumps(ask.schema)}")
    return "\n".join(parts)


def _picture(rgb: NDArray[np.uint8]) -> dict[str, Any]:
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), QUALITY, "RGB", "444")
    url = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def read_reply(data: Any) -> Reply:
    """A reply from a server's answer; a failed one when it is none."""
    try:
        choice = data["choices"][0]
        text, reason = choice["message"]["content"], choice.get("finish_reason")
    except (KeyError, IndexError, TypeError):
        return Reply("", "failed", problem="the server's answer is no chat completion")
    if not isinstance(text, str) or not text:
        return Reply("", "failed", problem=f"the answer is empty ({reason})")
    finish = "length" if reason == "length" else "stop"
    return Reply(text, finish, read_tokens(choice))  # type: ignore[arg-type]


def read_tokens(choice: Mapping[str, Any]) -> tuple[Token, ...]:
    """Tokens with their probabilities; none where the server does not tell, or not in full."""
    told = choice.get("logprobs")
    content = told.get("content") if isinstance(told, Mapping) else None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        return tuple(
            Token(
                _text(entry, decoder),
                float(entry["logprob"]),
                {f"{o['token']}": float(o["logprob"]) for o in entry.get("top_logprobs") or ()},
            )
            for entry in content or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _text(entry: Mapping[str, Any], decoder: codecs.IncrementalDecoder) -> str:
    """A token's text; a character whose bytes are spread over tokens belongs to the last."""
    raw = entry.get("bytes")
    return decoder.decode(bytes(raw)) if raw is not None else str(entry["token"])
