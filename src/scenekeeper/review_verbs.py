"""The verbs of review: each is what the command of the same name does."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scenekeeper.errors import DatasetError, ReviewError
from scenekeeper.exchange import queues
from scenekeeper.exchange.base import Exported
from scenekeeper.labeling import describe_again
from scenekeeper.review import board as boards
from scenekeeper.review import planning
from scenekeeper.review.advice import Advice, apply_advice, read_accepted, write_advice
from scenekeeper.review.advice import advise as proposals
from scenekeeper.review.apply import refresh
from scenekeeper.review.board import Board
from scenekeeper.review.certify import Certificate
from scenekeeper.review.estimate import Estimate
from scenekeeper.review.log import Head, Log
from scenekeeper.review.segmenter import Segmenter
from scenekeeper.store import Dataset, atomic, open_dataset
from scenekeeper.vocabulary import FILE as VOCABULARY

PathLike = str | os.PathLike[str]
ADVICE = "advice.toml"


def review(
    dataset: PathLike,
    *,
    minutes: float | None = None,
    share: float | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    names: tuple[str, ...] = (),
    reviewer: str = "",
    seed: int = 0,
    segmenter: str | None = None,
    device: str | None = None,
    told: Callable[[str], None] = print,
) -> None:
    """Serve the review page of a dataset until the process is told to stop.

    Args:
        dataset: the dataset's folder.
        minutes: that people have for it; without a budget until all is asked.
        share: budget as a share of the frames, 0 to 1: the time in which so many of them could be
            read one by one.
        host: address to listen on; any but this machine's own demands a token.
        port: TCP port; 8640 or the next that is free when absent.
        token: one that a person chose; else every link opens the page once.
        names: further host names that the server is reached by.
        reviewer: name of who opens a link and has given none; else who started it.
        seed: of the audits' draws and of the order of cards.
        segmenter: ``sam2:CHECKPOINT`` or ``edgetam:CHECKPOINT``, for masks by clicks.
        device: where the segmenter runs.
        told: called with the link that opens the page; once used, with the next.

    Raises:
        DatasetError: there is no dataset, or it cannot be written to.
        ModelError: the segmenter cannot be had.
        ReviewError: see :func:`scenekeeper.review.serve.serve`.
    """
    from scenekeeper.review.serve import serve

    if minutes is not None and share is not None:
        raise ReviewError("give --minutes or --share, not both")
    opened = open_dataset(dataset)
    serve(
        opened,
        host=host,
        port=port,
        token=token,
        names=names,
        reviewer=reviewer,
        budget=minutes if share is None else f"{100 * share}%",
        seed=seed,
        segmenter=_segmenter(segmenter, device),
        told=told,
    )
    describe_again(opened)


def _segmenter(name: str | None, device: str | None) -> Segmenter | None:
    if name is None:
        return None
    from scenekeeper.models import pick_device
    from scenekeeper.segment import retouch

    return retouch.load(name, pick_device(device))


# --- what the labels are worth --------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """What is known of a dataset's labels.

    Attributes:
        dataset: its folder.
        labels: how many there are.
        decided: tracks that people have decided on.
        certificate: ``None`` = the audits do not prove what was asked.
        quality: how many labels are wrong, by kind of error.
        reviewer: how many planted errors were missed, of how many.
        plan: what the wanted certificate is expected to take.
    """

    dataset: str
    labels: int
    decided: int
    certificate: Certificate | None
    quality: tuple[Estimate, ...]
    reviewer: tuple[int, int]
    plan: planning.Plan

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        out = asdict(self)
        if self.certificate is not None:
            said = {"statement": self.certificate.statement, "grounds": self.certificate.grounds}
            out["certificate"] = {**said, **out["certificate"]}
        out["plan"]["statement"] = self.plan.statement
        return out


def certify(
    dataset: PathLike,
    epsilon: float = boards.EPSILON,
    delta: float = boards.DELTA,
    *,
    share: float = 0.8,
    out: PathLike | None = None,
) -> Standing:
    """What the audits so far prove about the labels in force.

    Args:
        dataset: the dataset's folder.
        epsilon: share of the labels accepted unseen that may be wrong.
        delta: probability that such a certificate is wrong.
        share: of the labels that the plan shall accept.
        out: file for the certificate, as JSON with all that is needed to check it.

    Raises:
        DatasetError: there is no dataset, or nothing is labelled.
        ReviewError: the log was altered, or ``out`` is wanted and nothing is proven.
    """
    board = _board(open_dataset(dataset))
    board = boards.with_proof(board, epsilon, delta)
    gold = board.gold
    plan = planning.plan(board.of_tracks, epsilon, delta, share, gold=gold)
    found = board.certificate
    if out is not None and found is None:
        raise ReviewError("nothing is proven yet", path=dataset, remedy=plan.statement)
    if out is not None and found is not None:
        atomic.write_text(Path(out), found.to_json() + "\n")
    return Standing(
        str(dataset),
        int(board.units.frames.sum()),
        len(boards.reviewed(board.units, board.events)[0]),
        found,
        board.quality,
        (gold.missed, gold.planted),
        plan,
    )


def _board(dataset: Dataset) -> Board:
    """What the log and the labels come to, without a server."""
    with _log(dataset) as log:
        log.verify()
        board = boards.with_statements(boards.opened(dataset, log.revision, seed=0))
        late = [conflict.decision for conflict in log.conflicts()]
        return boards.with_events(board, list(log.events()), late, 0.0)


def _log(dataset: Dataset) -> Log:
    log = Log.read(dataset.path)
    if log is None:
        raise DatasetError(
            "nobody has reviewed it yet",
            path=dataset.path,
            remedy=f"Begin: scenekeeper review {dataset.path}",
        )
    return log


# --- what was decided -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Decided:
    """The log of a dataset.

    Attributes:
        rows: per event its number, time (ns), who, what, about whom, and in which stream.
        head: how far the log goes; its last hash, kept elsewhere, proves later that it is whole.
        remarks: number, kind and text of decisions that somebody should look at, for example
            those whose track is no longer found.
        conflicts: decisions that came too late, and what they conflict with.
    """

    rows: list[dict[str, Any]]
    head: Head
    remarks: tuple[tuple[int, str, str], ...]
    conflicts: int

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def decisions(dataset: PathLike) -> Decided:
    """Everything people decided about a dataset, after making sure that none of it was altered.

    Raises:
        DatasetError: nobody has decided anything.
        ReviewError: an event was altered, put in or taken out; says which.
    """
    opened = open_dataset(dataset)
    with _log(opened) as log:
        head = log.verify()
        rows = [
            {
                "event": event.seq,
                "t_ns": event.received_ns,
                "actor": event.decision.actor,
                "op": event.decision.op,
                "subject": event.decision.subject.key,
                "body": dict(event.decision.body),
                "stream": event.decision.sample.stream,
                "think_ms": event.decision.think_ms,
            }
            for event in log.events()
        ]
        applied = opened.applied()
        remarks = () if applied is None else applied.remarks
        return Decided(rows, head, remarks, len(log.conflicts()))


# --- what follows for the next run ----------------------------------------------------------------


def advise(dataset: PathLike, *, accept: bool = False) -> Advice:
    """Thresholds and words for the next run, from what people decided.

    Args:
        dataset: the dataset's folder; the proposals are written into ``advice.toml`` in it, where a
            person sets ``accept = true``.
        accept: put what is accepted there into the dataset's vocabulary, which the next labelling
            with ``--vocabulary DATASET/vocabulary.toml`` reads.

    Returns:
        What is proposed; with ``accept``, what was put into the vocabulary.

    Raises:
        DatasetError: nobody has reviewed it.
        ReviewError: there is no such file, or it holds something else.
    """
    opened = open_dataset(dataset)
    file = opened.path / ADVICE
    board = _board(opened)
    if accept:
        accepted = read_accepted(file)
        apply_advice(accepted, opened.path / VOCABULARY, sorted(set(board.units.phrase)))
        return accepted
    found = proposals(board.units, board.trust, [e.decision for e in board.events])
    write_advice(found, file)
    return found


# --- other people's tools -------------------------------------------------------------------------


def tools() -> list[str]:
    """Labelling tools that :func:`export_queue` writes for."""
    return queues.tools()


def export_queue(
    dataset: PathLike,
    tool: str,
    out: PathLike,
    sessions: list[str] | None = None,
    *,
    minutes: float | None = None,
    masks: str = "best",
) -> Exported:
    """Write labels with their pictures for people to correct in another tool.

    Args:
        dataset: the dataset's folder.
        tool: ``cvat``, ``label-studio``, ``labelbox``, ``v7``, ``roboflow``, or a plugin's.
        out: folder to make; must not exist.
        sessions: the sessions to take; all when absent.
        minutes: only the tracks that a review of so many minutes would ask about.
        masks: of each track ``best``, its largest; ``all``; or ``none``.

    Raises:
        ExportError: see :func:`scenekeeper.exchange.queues.write_queue`.
    """
    opened = open_dataset(dataset)
    tracks = None if minutes is None else _asked(opened, 60 * minutes, sessions)
    return queues.write_queue(
        opened,
        tool,
        Path(out),
        tracks,
        sessions,
        masks=masks,  # type: ignore[arg-type]
    )


def _asked(dataset: Dataset, seconds: float, sessions: list[str] | None) -> dict[str, set[int]]:
    """Per session the tracks that a review of so many seconds asks about."""
    with Log.open(dataset.path) as log:
        board = boards.with_questions(boards.opened(dataset, log.revision, seed=0))
        board = boards.with_events(board, list(log.events()), [], seconds)
    out: dict[str, set[int]] = {}
    for row in (row for entry in board.entries for row in entry.rows):
        session = board.units.session[row]
        if sessions is None or session in sessions:
            out.setdefault(session, set()).add(int(board.units.track[row]))
    return out


@dataclass(frozen=True)
class Imported:
    """What came of a file of corrections.

    Attributes:
        saved: decisions that are new.
        known: that were imported before.
        conflicts: that came after somebody else's.
        ops: how many of each kind were new.
        refused: why others could not be saved.
    """

    saved: int
    known: int
    conflicts: int
    ops: dict[str, int]
    refused: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def import_corrections(
    dataset: PathLike, path: PathLike, tool: str, *, reviewed: bool | None = None
) -> Imported:
    """Take back what people corrected in another tool; importing twice saves it once.

    Args:
        dataset: the dataset that the queue was exported from.
        path: what the tool exported; ``scenekeeper.json`` of the queue lies in it or beside it.
        tool: as for :func:`export_queue`.
        reviewed: whether people looked at all of it, so that what is unchanged is right; by what
            the tool says when absent.

    Raises:
        ReviewError: see :func:`scenekeeper.exchange.queues.read_corrections`.
        DatasetError: the decisions cannot be saved.
    """
    opened = open_dataset(dataset)
    found = queues.read_corrections(opened, tool, Path(path), reviewed=reviewed)
    receipts = queues.record(opened, found)
    refresh(opened)
    describe_again(opened)
    status = Counter(r.status for r in receipts)
    ops = Counter(str(d.op) for d, r in zip(found, receipts, strict=True) if r.status == "saved")
    refused = tuple(dict.fromkeys(r.reason for r in receipts if r.status == "refused"))
    return Imported(status["saved"], status["already"], status["conflict"], dict(ops), refused)
