"""The embedded networks' files: found, checked and opened.

Each ONNX file says in its metadata which release of the recipe made it, and what its outputs mean.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from scenekeeper.errors import ModelError

VERSION = 1
"""Of the networks' inputs and outputs; a file of another version cannot be used."""

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True, eq=False)
class Network:
    """A network ready to run.

    Attributes:
        session: onnxruntime's session; may be used from several threads at once.
        facts: what the file says of itself.
    """

    session: Any
    facts: Mapping[str, Any]

    def __call__(self, **inputs: Any) -> list[Any]:
        """Outputs in the file's order."""
        return list(self.session.run(None, inputs))


@cache
def load(name: str, folder: Path = FOLDER) -> Network:
    """Open ``proposer``, ``refiner`` or ``namer``.

    Raises:
        ModelError: the file is missing, damaged, or of another version.
    """
    path = folder / f"{name}.onnx"
    if not path.is_file():
        raise ModelError(
            "is missing", path=path, remedy="Install scenekeeper again: the file is in its wheel."
        )
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # frames run side by side; within one it does not pay
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        facts = json.loads(session.get_modelmeta().custom_metadata_map["scenekeeper"])
    except Exception as error:  # onnxruntime raises classes of its own for every kind of damage
        raise ModelError(
            f"is damaged or no network of ours ({type(error).__name__})",
            path=path,
            remedy="Install scenekeeper again.",
        ) from error
    if facts.get("version") != VERSION or facts.get("network") != name:
        raise ModelError(
            f"is {facts.get('network')} of version {facts.get('version')}, this program runs"
            f" {name} of version {VERSION}",
            path=path,
            remedy="Install the release of scenekeeper that it came with.",
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Network(session, {**facts, "digest": digest})
