"""What every score can do: become plain numbers for tables, pages and JSON."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


class Score:
    """Base of the frozen dataclasses that hold results."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as dicts, lists, ``str``, ``int``, ``float``, ``bool``; no number is None."""
        return {name: plain(value) for name, value in _items(self)}


def plain(value: Any) -> Any:
    """A value as JSON can hold it: arrays become lists, not-a-number becomes ``None``."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(part) for name, part in _items(value)}
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _items(score: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(score, field.name)) for field in fields(score)]
