"""The draws of a dataset's audits, kept as files: an order once drawn is the order for good.

In: a draw. Out: ``review/draws/SNAPSHOT-DESIGN.json``, which :mod:`scenekeeper.review.certify` and
the estimates need as much as the events do. The machine's doubt is kept in it as it was, for a
score that has seen the audits cannot be judged by them. What they prove is kept beside them, in
``review/certificate.json``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scenekeeper.errors import DatasetError
from scenekeeper.review.certify import Certificate
from scenekeeper.review.sampling import Draw
from scenekeeper.store import atomic

CERTIFICATE = "review/certificate.json"


def kept(dataset: Path, snapshot: str, design: str) -> Draw | None:
    """The draw of a design from some labels; ``None`` where none was made.

    Raises:
        ReviewError: its file is damaged.
    """
    try:
        return Draw.from_json(_file(dataset, snapshot, design).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def drawn(dataset: Path, snapshot: str, design: str, draw: Callable[[], Draw]) -> Draw:
    """The draw of a design from some labels, made and kept now if there is none.

    Raises:
        DatasetError: it cannot be written.
        ReviewError: its file is damaged.
    """
    found = kept(dataset, snapshot, design)
    if found is not None:
        return found
    made = draw()
    keep(dataset, made)
    return made


def keep(dataset: Path, draw: Draw) -> None:
    """Write a draw, or how far it is meant to be taken.

    Raises:
        DatasetError: it cannot be written.
    """
    _write(_file(dataset, draw.snapshot, draw.design), draw.to_json())


def kept_certificate(dataset: Path) -> Certificate | None:
    """The last certificate, of whatever labels; ``None`` where there never was one.

    Raises:
        ReviewError: its file is damaged.
    """
    try:
        return Certificate.from_json((dataset / CERTIFICATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def keep_certificate(dataset: Path, certificate: Certificate) -> None:
    """Write a certificate in the place of the last.

    Raises:
        DatasetError: it cannot be written.
    """
    _write(dataset / CERTIFICATE, certificate.to_json())


def _write(file: Path, text: str) -> None:
    try:
        atomic.write_text(file, text)
    except OSError as error:
        raise DatasetError(
            f"cannot be written: {error}", path=file, remedy="Free some space."
        ) from error


def _file(dataset: Path, snapshot: str, design: str) -> Path:
    return dataset / "review" / "draws" / f"{snapshot}-{design}.json"
