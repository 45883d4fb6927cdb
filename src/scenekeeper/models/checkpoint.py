"""A checkpoint on this disk: found or fetched, told apart, and opened through transformers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from scenekeeper.errors import ModelError
from scenekeeper.models.source import Source

WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
"""Of a repository; never pickled weights or code."""

EDGE = 1 << 20
"""Bytes at either end of a weight file that tell it from others."""


def find_checkpoint(source: Source) -> Path:
    """Folder of a checkpoint; one on the hub is fetched once and kept where the hub keeps it.

    A folder of this machine is taken as it is. With ``HF_HUB_OFFLINE=1`` nothing is fetched.

    Raises:
        ModelError: nothing is named, or it is not there, gated, or cannot be fetched.
    """
    if not source.where:
        raise ModelError(
            f"{source.family!r} lacks a checkpoint",
            remedy=f"Write {source.family}:FOLDER or {source.family}:OWNER/NAME.",
        )
    folder = Path(source.where).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise ModelError(
                "is no checkpoint: it has no config.json",
                path=folder,
                remedy="Name the folder that save_pretrained wrote.",
            )
        return folder
    if source.where.startswith((".", "/", "~")) or source.where.count("/") != 1:
        raise ModelError(
            "there is no such folder",
            path=folder,
            remedy="Name a folder with config.json and model.safetensors, or OWNER/NAME.",
        )
    return _fetched(source)


def _fetched(source: Source) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(
            snapshot_download(source.where, revision=source.revision, allow_patterns=list(WANTED))
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{source.where} is gated: its owner wants its terms accepted first",
            remedy="Accept them on the model's page, then run: hf auth login",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        revision = f" at {source.revision}" if source.revision else ""
        raise ModelError(
            f"there is no checkpoint {source.where}{revision}",
            remedy="Check the spelling; private ones need: hf auth login",
        ) from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"{source.where} is not on this machine and cannot be fetched",
            remedy=f"With a network, run: hf download {source.where}",
        ) from error


def read_config(folder: Path, file: str = "config.json") -> dict[str, Any]:
    """A checkpoint's configuration.

    Raises:
        ModelError: the file is missing or damaged.
    """
    try:
        data = json.loads((folder / file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot be read ({error})", path=folder / file, remedy="Fetch the checkpoint again."
        ) from error
    if not isinstance(data, dict):
        raise ModelError("is no configuration", path=folder / file)
    return data


def expect_type(folder: Path, *wanted: str) -> dict[str, Any]:
    """The configuration of a checkpoint of one of some types.

    Raises:
        ModelError: it is of another type.
    """
    config = read_config(folder)
    if config.get("model_type") not in wanted:
        raise ModelError(
            f"is a checkpoint of {config.get('model_type')!r}, not of {' or '.join(wanted)}",
            path=folder,
            remedy="Name the family that fits it; `scenekeeper doctor` lists them.",
        )
    return config


def revision_of(folder: Path) -> str:
    """Twelve hex digits that tell a checkpoint from others; reads a few megabytes at most a file.

    Of small files everything counts, of weights their size, their head and their tail.
    """
    digest = hashlib.sha256()
    for file in sorted(p for pattern in WANTED for p in folder.glob(pattern)):
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(EDGE))
            if size > EDGE:
                stream.seek(max(EDGE, size - EDGE))
                digest.update(stream.read(EDGE))
    return digest.hexdigest()[:12]


def load_part(auto: Any, folder: Path) -> Any:
    """A tokenizer or an image processor of transformers.

    Raises:
        ModelError: its files are missing or damaged.
    """
    try:
        return auto.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # every kind of damage has an error of its own
        raise ModelError(
            f"lacks what prepares its input ({error})",
            path=folder,
            remedy="Fetch the checkpoint again, with its processor and tokenizer files.",
        ) from error


def load_weights(auto: Any, folder: Path, device: str, half: bool = False) -> Any:
    """A model of transformers in float32, for inference: ``auto.from_pretrained`` made safe.

    Args:
        auto: class with ``from_pretrained``.
        folder: of the checkpoint.
        device: where its weights go.
        half: in bfloat16 instead, for language models, which are trained in it.

    Raises:
        ModelError: weights are missing, damaged, or do not fill the model.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()  # the engine shows how far things are
    try:
        model, told = auto.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            dtype="bfloat16" if half else "float32",
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"cannot be loaded ({error})", path=folder, remedy="Fetch the checkpoint again."
        ) from error
    if missing := sorted(told.get("missing_keys", ())):
        raise ModelError(
            f"lacks {len(missing)} weights, {missing[0]} among them",
            path=folder,
            remedy="Name a checkpoint that was made for this family.",
        )
    return (model if half else model.float()).eval().requires_grad_(False).to(device)
