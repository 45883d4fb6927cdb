"""Names for runs: a short hash of everything a stage's output depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(facts: Mapping[str, Any]) -> str:
    """Twelve hex digits that change when any of the facts does.

    Args:
        facts: plain JSON values: stage, model, revision, parameters, prompt, vocabulary and the
            runs it consumed. Key order does not matter.

    Raises:
        TypeError: a fact is not a plain JSON value.
    """
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
