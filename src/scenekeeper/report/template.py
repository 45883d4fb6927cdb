"""Pages out of templates: parts put into their places, and values made fit for a script."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np


def fill(template: str, parts: Mapping[str, str]) -> str:
    """A template with its parts in place; one pass, so no part can pose as a placeholder.

    Args:
        template: name of a file of this package with ``{{name}}`` where a part belongs.
        parts: texts by name, already escaped.
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda m: parts[m.group(1)], resource(template))


def resource(name: str) -> str:
    """The text of a file of this package."""
    return files("scenekeeper.report").joinpath(name).read_text(encoding="utf-8")


def to_script_json(value: Any) -> str:
    """JSON that may stand inside a ``<script>`` element, whatever its strings hold.

    Only ``<`` before a character that can open or close something is escaped: masks are full of
    the others.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain)
    return re.sub(r"<(?=[/!sS])", r"\\u003c", text)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
