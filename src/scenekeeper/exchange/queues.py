"""Labelling tools: labels out as pre-annotations for people, what they corrected back as decisions.

In: a dataset's tracks, or the file that a tool gave back. Out: a folder that the tool imports, or
decisions for the review log. A tool is a module with ``SHEETS`` and functions ``write`` and
``read``, see :mod:`scenekeeper.exchange.review_cvat`; third parties add theirs by an entry point
in the group ``scenekeeper.queues``.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

import numpy as np

from scenekeeper.errors import ExportError, ReviewError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.folder import replacing_folder, telling_of
from scenekeeper.exchange.queue_decisions import decisions
from scenekeeper.exchange.queue_map import load_map, save_map
from scenekeeper.exchange.queue_pending import filled_in, is_pending, makers, unlabelled
from scenekeeper.exchange.queue_sheets import Masks, Queue, Returned, sheets_of
from scenekeeper.exchange.queue_tidy import tidy
from scenekeeper.review.events import Decision
from scenekeeper.review.labelled import MADE
from scenekeeper.review.log import Log, Receipt
from scenekeeper.store import Dataset

BUILT_IN = {
    "cvat": "scenekeeper.exchange.review_cvat",
    "label-studio": "scenekeeper.exchange.review_label_studio",
    "labelbox": "scenekeeper.exchange.review_labelbox",
    "v7": "scenekeeper.exchange.review_darwin",
    "roboflow": "scenekeeper.exchange.review_roboflow",
}


def tools() -> list[str]:
    """Names that :func:`write_queue` and :func:`read_corrections` take."""
    plugins = {point.name for point in entry_points(group="scenekeeper.queues")}
    return sorted(plugins | set(BUILT_IN))


def write_queue(
    dataset: Dataset,
    tool: str,
    out: Path,
    tracks: Mapping[str, Collection[int]] | None = None,
    sessions: Sequence[str] | None = None,
    *,
    masks: Masks = "best",
    seen: int | None = None,
) -> Exported:
    """Write tracks with their pictures as pre-annotations that a labelling tool imports.

    Args:
        dataset: what to export.
        tool: one of :func:`tools`.
        out: the folder to make; must not exist. ``scenekeeper.json`` in it says what was written,
            and has to be there when corrections come back.
        tracks: per session, the tracks to write, for example those of a review queue, with the
            pictures that show them. All tracks and all labelled pictures when absent.
        sessions: the sessions to take when all tracks are; all when absent.
        masks: of each track its largest mask, all, or none. Sheets of stills have all or none.
        seen: number of the last event of the review log that the labels know of; by the log when
            absent. Who decides about a track after that, and before the corrections come back,
            is not overruled.

    Raises:
        ExportError: unknown tool, ``out`` exists or cannot be written, or there is no such track.
        RecordingError: a recording is no longer where it was.
    """
    module = _module(tool, ExportError)
    if masks not in get_args(Masks):
        raise ExportError(f"no masks of kind {masks!r}", remedy="There are: best, all, none.")
    if out.exists():
        raise ExportError("is in the way", path=out, remedy="Move it or choose another name.")
    chosen = list(dict.fromkeys(tracks if tracks is not None else sessions or dataset.sessions()))
    runs = {s: _run(dataset, s) for s in chosen}
    sheets, strands, owners = sheets_of(dataset, chosen, module.SHEETS, tracks, masks)
    if not strands:
        raise ExportError(
            "there is no such track to export" if tracks else "there is no track to export",
            path=dataset.path,
            remedy="Label first: scenekeeper label RECORDING --into DATASET",
        )
    content = {s: dataset.session(s).content for s in runs}
    if seen is None:
        log = Log.read(dataset.path)
        seen = 0 if log is None else log.head().events
    queue = Queue(_new_id(dataset), tool, content, runs, seen, sheets, strands, owners)
    with telling_of(out), replacing_folder(out) as folder:
        queue = module.write(dataset, queue, folder)
        save_map(queue, folder)
    frames = sum(len(sheet.frame_ids) for sheet in sheets.values())
    boxes = sum(len(strand.at) for strand in strands.values())
    return Exported(out, frames, boxes, tuple(getattr(module, "NOTES", ())))


def read_corrections(
    dataset: Dataset, tool: str, path: Path, *, reviewed: bool | None = None
) -> list[Decision]:
    """What people changed in a file that a labelling tool exported.

    A decision's id is made of what it says and of the queue it answers, so reading the same file
    again, or a later export of the same task, gives known decisions the same id. Decisions carry
    the run of the labels and the boxes that were shown; if the dataset has been labelled anew
    since, the log finds the track by them.

    Args:
        dataset: the dataset that the queue was exported from.
        tool: one of :func:`tools`.
        path: the file, archive or folder that came back; ``scenekeeper.json`` of the queue lies
            in it, beside it or up to two folders above.
        reviewed: whether a person has looked at all that the file shows, so that what is unchanged
            is accepted. By what the tool says when absent; not every tool says.

    Raises:
        ReviewError: unknown tool, no such file, not a file of this tool, queue or dataset, or it
            is damaged.
    """
    module = _module(tool, ReviewError)
    if not path.exists():
        raise ReviewError("there is no such file", path=path)
    queue = load_map(path, tool, dataset)
    try:
        returned: list[Returned] = [
            tidy(back, queue.sheets[back.sheet].size, queue.on(queue.sheets[back.sheet]))
            for back in module.read(path, queue)
        ]
    except ReviewError as error:
        if error.path is None:
            raise ReviewError(error.problem, path=path, place=error.place) from error
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        said = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ReviewError(
            f"is not what {tool} exports, or damaged: {said}",
            path=path,
            remedy="Export it again.",
        ) from error
    except OSError as error:
        raise ReviewError(f"cannot be read: {error}", path=path) from error
    if not returned:
        raise ReviewError(
            "holds nothing of this queue",
            path=path,
            remedy="Export the task that was made from the folder beside it.",
        )
    if reviewed is not None:
        returned = [replace(back, reviewed=reviewed) for back in returned]
    found = decisions(queue, returned)
    _check_not_all_gone(queue, returned, found, path)
    return unlabelled(dataset, queue, found)


def record(dataset: Dataset, found: Sequence[Decision], actor: str = "") -> list[Receipt]:
    """Append corrections to a dataset's review log.

    Decisions about tracks that others of them make, by a split or an addition, follow once the log
    has numbered those.

    Args:
        dataset: whose log.
        found: what :func:`read_corrections` gave.
        actor: who imports them.

    Returns:
        A receipt for each, in order.

    Raises:
        DatasetError: the log cannot be written; what was written before stays, and importing again
            records nothing twice.
    """
    mine = [replace(d, actor=actor) for d in found]
    with Log.open(dataset.path) as log:
        receipts = {r.id: r for r in log.append([d for d in mine if not is_pending(d)])}
        later = [d for d in mine if is_pending(d)]
        numbered = {k: MADE + r.seq for k, r in receipts.items() if r.status in _MADE}
        ready = [filled_in(d, numbered) for d in later if makers(d) <= numbered.keys()]
        receipts |= {r.id: r for r in log.append(ready)}
    lost = "what it is about was not recorded"
    return [receipts.get(d.id) or Receipt(d.id, "refused", 0, lost) for d in mine]


_MADE = ("saved", "already")


def _check_not_all_gone(
    queue: Queue, returned: Sequence[Returned], found: Sequence[Decision], path: Path
) -> None:
    """A file that has nothing of the queue is more likely the wrong one than all rejected."""
    letters = {back.sheet for back in returned}
    asked = {
        (queue.sheets[letter].session, queue.owners[key].track)
        for letter in letters
        for key in queue.on(queue.sheets[letter])
    }
    whole = {
        (d.subject.session, d.subject.id)
        for d in found
        if d.op == "reject" and d.subject.kind == "track" and d.first is None
    }
    if len(asked) > 1 and asked <= whole:
        raise ReviewError(
            f"holds none of the {len(asked)} tracks that were exported",
            path=path,
            remedy="See that it is the export of this queue, and with annotations. If all of them"
            " are wrong indeed, reject them in scenekeeper review.",
        )


def _run(dataset: Dataset, session: str) -> str:
    dataset.session(session)
    run = dataset.current(session).get("instances")
    if run is None:
        raise ExportError(
            f"session {session!r} is not labelled yet",
            path=dataset.path,
            remedy="Label first: scenekeeper label RECORDING --into DATASET",
        )
    return run


def _new_id(dataset: Dataset) -> str:
    said = f"{dataset.path.absolute()} {time.time_ns()} {np.random.default_rng().integers(1 << 62)}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _module(tool: str, error: type[ExportError] | type[ReviewError]) -> Any:
    for point in entry_points(group="scenekeeper.queues"):
        if point.name == tool:
            return point.load()
    if tool not in BUILT_IN:
        raise error(f"no labelling tool {tool!r}", remedy=f"There are: {', '.join(tools())}")
    return import_module(BUILT_IN[tool])
