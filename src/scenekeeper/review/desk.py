"""A running review: it deals cards, takes decisions, and keeps labels and proof up to date.

In: a dataset. Out: what the server asks for (:class:`scenekeeper.review.app.Desk`). The only thing
in the review that has a state; all of it can be made anew from the dataset, the log, the draws and
the dealt entries, so a server that is killed loses nothing that it acknowledged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scenekeeper.errors import ReviewError
from scenekeeper.review import board as boards
from scenekeeper.review import dealing, draws
from scenekeeper.review.access import Visitor
from scenekeeper.review.apply import put_trust, refresh
from scenekeeper.review.asked import AbsentError
from scenekeeper.review.board import Board
from scenekeeper.review.cards import View
from scenekeeper.review.dealt import Dealt
from scenekeeper.review.effort import budget_seconds
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Decision, Event
from scenekeeper.review.log import Log, Receipt
from scenekeeper.review.media import Media, views_of
from scenekeeper.review.pages import card_page, certificate_page, quality_page
from scenekeeper.review.queue import deal
from scenekeeper.review.recent import Recent
from scenekeeper.review.segmenter import Segmenter
from scenekeeper.review.shown import Shown, answer, unasked
from scenekeeper.review.signals import snapshot
from scenekeeper.review.spread import Spreading
from scenekeeper.review.upkeep import Upkeep
from scenekeeper.store import Dataset

LEASE_SECONDS = 120.0
"""A reviewer who has not been heard of for so long has gone; others get the cards."""
RENEW_SECONDS = 20.0
LOOK_SECONDS = 2.0
"""Between looks at whether the labels were made anew."""
DEAL_SECONDS = 0.25
"""To make the first cards in; a page that got fewer than it wants asks again."""
REFRESH_SECONDS = 15.0
"""Decisions of so long are folded into the labels together."""
LONGEST_SECONDS = 120.0
"""A card that took longer was left open over a break; more is not taken off the budget."""
REMEMBERED = 4000
"""Cards that are kept as they were shown; others are made anew when wanted."""

GONE = "the labels that this card was about were made anew"
ANEW = (
    "the labels were made anew while this card was open. Your answer is kept, and counts where the"
    " same thing is found again; the next cards show the new labels"
)


class Desk:
    """See the module; every method may be called from any thread.

    Args:
        dataset: what is reviewed.
        budget: minutes, or ``"5%"`` of the frames as time; ``None`` = until all is asked.
        seed: of draws and of the order of cards.
        segmenter: what makes masks of clicks.
    """

    def __init__(
        self,
        dataset: Dataset,
        budget: str | float | None = None,
        seed: int = 0,
        segmenter: Segmenter | None = None,
    ) -> None:
        self.media = Media(dataset)
        self.media.warm()
        self._path, self._seed = dataset.path, seed
        self._log = Log.open(dataset.path)
        self._dealt = Dealt(dataset.path)
        self._lock = threading.RLock()
        self._shown: Recent[str, Shown] = Recent(REMEMBERED)
        self._answered: dict[str, int] = {}  # card -> number of the event that answered it
        self._blank: set[str] = set()  # cards that have nothing to show
        self._holds: dict[str, dict[str, tuple[str, ...]]] = {}
        self._heard: dict[str, float] = {}
        self._spent = 0.0
        self._former = draws.kept_certificate(dataset.path)
        self._board = boards.opened(dataset, self._log.revision, seed)
        self._looked = time.monotonic()
        self._budget = (
            float("inf") if budget is None else budget_seconds(budget, len(self._board.frames))
        )
        self._events: list[Event] = []
        self._labels = dataset
        self._board = self._planned(self._board)
        self._thinking = Upkeep(self._think)
        self._folding = Upkeep(self._fold, REFRESH_SECONDS)
        self._spreading = Spreading(
            lambda: self._labels, self.media, segmenter, self._log, self._folding.ask
        )

    def close(self) -> None:
        """Fold the last decisions into the labels, and close the log."""
        self._thinking.close()
        self._spreading.upkeep.close()
        self._folding.ask()
        self._folding.close()
        self._dealt.close()
        self._log.close()

    # --- what the page asks for -------------------------------------------------------------------

    def state(self, visitor: Visitor) -> Mapping[str, Any]:
        """Where the review stands; see :class:`scenekeeper.review.app.Desk`."""
        self._touch(visitor)
        self._renew()
        board = self._board
        left = len(self._open(board))
        others = {k for k, who in self._log.leases().items() if who != visitor.id}
        waiting = LEASE_SECONDS / 2 if others and not self._free(board, visitor, ()) else 0.0
        problems = [u.problem for u in (self._thinking, self._folding, self._spreading.upkeep)]
        return {
            "dataset": self._path.name,
            "decided": sum(e.decision.actor == visitor.name for e in self._events),
            "left": left,
            "waiting_seconds": waiting,
            "words": board.words,
            "certificate": certificate_page(board.certificate or self._former, board.units),
            "quality": quality_page(board.quality),
            "minutes": None if self._budget == float("inf") else self._budget / 60,
            "log": self._events[-1].seq if self._events else 0,
            "snapshot": board.snapshot,
            "notes": [*self.media.problems().values(), *(p for p in problems if p)],
        }

    def deal(
        self, visitor: Visitor, n: int, have: Sequence[str] | None
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Lend a visitor cards that nobody else holds."""
        self._touch(visitor)
        with self._lock:
            self._renew()
            board = self._board
            mine = self._holds.setdefault(visitor.id, {})
            if have is not None:  # the rest was lost with the page that held it
                mine = self._holds[visitor.id] = {c: k for c, k in mine.items() if c in have}
            free = self._free(board, visitor, mine)
            if not mine:  # whoever waits for a first card gets one that is soon painted
                free[:n] = sorted(free[:n], key=lambda entry: entry.kind == "gallery")
            batches = (free[k : k + n] for k in range(0, len(free), n)) if n else iter(())
            made = (list(self._dealing(board, visitor, batch)) for batch in batches)
            dealt = next((cards for cards in made if cards), [])
            for shown in dealt:
                mine[shown.card.id] = shown.entry.keys
            self._dealt.put(shown.entry for shown in dealt)
            for shown in dealt:
                self._shown.put(shown.card.id, shown)
        if board.more is None:  # not before the first card: that one is waited for
            self._thinking.ask()
        return [card_page(s.card, self.media) for s in dealt], len(self._open(board))

    def card(self, card: str) -> Mapping[str, Any]:
        """A card that was dealt, as it stands now: what is undone is asked again."""
        with self._lock:
            shown = self._recalled(card)
            made = None
            if shown.snapshot == self._board.snapshot:
                made = dealing.card(self._board.reel, shown.entry)
            if made is None:
                raise AbsentError(GONE, place="card", remedy="The next cards show the new labels.")
            self._shown.put(card, replace(shown, card=made))
        return card_page(made, self.media)

    def views(self, card: str) -> Sequence[View]:
        """The views of a card's strip."""
        return views_of(self._recalled(card).card)

    def release(self, visitor: Visitor, cards: Sequence[str]) -> None:
        """Take cards back."""
        self._touch(visitor)
        with self._lock:
            mine = self._holds.get(visitor.id, {})
            keys = [key for card in cards for key in mine.pop(card, ())]
            self._log.release([k for k in keys if not _held(k, mine)], visitor.id)

    def decide(self, visitor: Visitor, decisions: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        """Store decisions durably; each gets a receipt."""
        self._touch(visitor)
        receipts: list[Receipt | None] = []
        good: list[Decision] = []
        stale: set[str] = set()
        for sent in decisions:
            try:
                decision = self._completed(visitor, Decision.of(sent))
            except ReviewError as error:
                receipts.append(Receipt(_id_of(sent), "refused", 0, str(error)))
                continue
            receipts.append(None)
            good.append(decision)
            if decision.sample.snapshot not in ("", self._board.snapshot):
                stale.add(decision.id)
        stored = iter(self._log.append(good))
        told = [_anew(r, stale) for r in (next(stored) if r is None else r for r in receipts)]
        by_id = {r.id: r for r in told}
        with self._lock:
            for decision in good:
                self._settle(visitor, decision, by_id[decision.id])
        self._spreading.take(d for d in good if by_id[d.id].status == "saved")
        if good:
            self._thinking.ask()
            self._folding.ask()
        return [{"id": r.id, "status": r.status, "seq": r.seq, "reason": r.reason} for r in told]

    def frame(self, session: str, frame_id: int) -> Mapping[str, Any]:
        """The effective labels of one frame."""
        self.media.content(session)  # says so where there is no such session
        times = self._board.reel.times(session)
        height, width = times.size[times.place(frame_id)].tolist()
        rows = self._labels.sql(
            "SELECT track, object, phrase, box_xyxy, mask FROM instances"
            " WHERE session = ? AND frame_id = ? ORDER BY instance",
            [session, frame_id],
        )
        names = {"mask": "counts"}
        return {
            "size": [height, width],
            "instances": [
                {names.get(k, k): v.decode() if k == "mask" and v else v for k, v in row.items()}
                for row in rows.to_pylist()
            ],
        }

    def mask(
        self,
        session: str,
        frame_id: int,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: tuple[float, ...] | None,
    ) -> Mapping[str, Any]:
        """A mask for clicks and a box."""
        found = self._spreading.mask(self.media.seen(session, frame_id), clicks, box_xyxy)
        if found.counts is None:
            raise ReviewError("nothing is found there", remedy="Click again, or draw a box.")
        return {"counts": found.counts.decode(), "score": found.score}

    # --- decisions --------------------------------------------------------------------------------

    def _completed(self, visitor: Visitor, sent: Decision) -> Decision:
        if not sent.card or sent.op == "undo":
            return unasked(sent, visitor.name, self._board.runs)
        return answer(self._recalled(sent.card), sent, visitor.name)

    def _settle(self, visitor: Visitor, decision: Decision, receipt: Receipt) -> None:
        """After a decision was stored: what is answered is asked no more, what is undone is."""
        if receipt.status == "refused":
            return
        if decision.op == "undo":
            self._answered.pop(decision.card, None)
            if (shown := self._shown.get(decision.card)) is not None:  # they will answer it again
                self._log.lease(shown.entry.keys, visitor.id, LEASE_SECONDS)
                self._holds.setdefault(visitor.id, {})[decision.card] = shown.entry.keys
        elif decision.card and decision.op != "add":  # a frame is answered once it is complete
            if decision.card not in self._answered:
                self._spent += min(decision.think_ms / 1000, LONGEST_SECONDS)
            self._answered[decision.card] = receipt.seq
            mine = self._holds.get(visitor.id, {})
            keys = mine.pop(decision.card, ())
            self._log.release([k for k in keys if not _held(k, mine)], visitor.id)

    def _recalled(self, card: str) -> Shown:
        """A card as it was shown; made anew after a restart.

        Raises:
            AbsentError: it was not dealt, or its labels are gone.
        """
        if (shown := self._shown.get(card)) is not None:
            return shown
        entry = self._dealt.get(card)
        board = self._board
        if entry is None:
            raise AbsentError("there is no such card", place="card")
        made = None
        if entry.sample.snapshot == board.snapshot:
            made = dealing.card(board.reel, entry)
        if made is None:
            raise AbsentError(GONE, place="card", remedy="The next cards show the new labels.")
        shown = Shown(made, entry, board.snapshot, board.runs)
        self._shown.put(card, shown)
        return shown

    # --- the board --------------------------------------------------------------------------------

    def _free(
        self, board: Board, visitor: Visitor, but: Mapping[str, Any] | Sequence[str]
    ) -> list[Entry]:
        held = {key for key, who in self._log.leases().items() if who != visitor.id}
        entries = [e for e in self._open(board) if e.id not in but]
        return deal(entries, len(entries), visitor.name, held, board.owners)

    def _dealing(self, board: Board, visitor: Visitor, entries: Sequence[Entry]) -> Iterator[Shown]:
        """Cards of those entries that a visitor gets; fewer, rather than that they wait long."""
        keys = [key for entry in entries for key in entry.keys]
        got = set(self._log.lease(keys, visitor.id, LEASE_SECONDS))
        # Who holds other cards has something to do meanwhile.
        wait = float("inf") if self._holds[visitor.id] else DEAL_SECONDS
        until, made = time.monotonic() + wait, 0
        used: set[str] = set()
        for entry in entries:
            if made and time.monotonic() > until:
                break
            if not got.issuperset(entry.keys):
                continue
            card = dealing.card(board.reel, entry)
            if card is None:  # the labels have nothing to show
                self._blank.add(entry.id)
                continue
            made += 1
            used.update(entry.keys)
            yield Shown(card, entry, board.snapshot, board.runs)
        mine = self._holds[visitor.id]
        self._log.release([k for k in got - used if not _held(k, mine)], visitor.id)

    def _open(self, board: Board) -> list[Entry]:
        return [e for e in board.entries if e.id not in self._answered and e.id not in self._blank]

    def _touch(self, visitor: Visitor) -> None:
        """Lend a visitor for longer what they hold."""
        now = time.monotonic()
        if now - self._heard.get(visitor.id, -RENEW_SECONDS) >= RENEW_SECONDS:
            self._heard[visitor.id] = now
            self._log.renew(visitor.id, LEASE_SECONDS)

    def _renew(self) -> None:
        """A board of the labels in force, should they have been made anew."""
        with self._lock:
            if time.monotonic() - self._looked < LOOK_SECONDS:
                return
            dataset = Dataset.open(self._path)
            if snapshot(dataset) != self._board.snapshot:
                fresh = boards.opened(dataset, self._log.revision, self._seed)
                self._answered.clear()
                self._board = self._planned(fresh)
                self._thinking.ask()
            self._looked = time.monotonic()

    def _planned(self, board: Board) -> Board:
        """The board with all events of the log."""
        with self._lock:
            since = self._events[-1].seq if self._events else 0
            self._events += self._log.events(since)
            events = list(self._events)
        late = [c.decision for c in self._log.conflicts()]
        left = max(self._budget - self._spent, 0.0)
        return boards.with_events(board, events, late, left)

    def _think(self) -> None:
        """Look for questions, fit trust, plan the queue and prove what can be; then show that."""
        board = self._board
        if board.more is None:
            board = boards.with_questions(board)
        board = boards.with_proof(self._planned(board))
        if board.certificate is not None and board.certificate != self._former:
            draws.keep_certificate(self._path, board.certificate)
            self._former = board.certificate
        with self._lock:
            if board.snapshot != self._board.snapshot:
                return  # labels were made anew meanwhile
            self._board = board
            # What these events answered the plan knows of, and may ask again with reason.
            self._answered = {c: n for c, n in self._answered.items() if n > board.seq}

    def _fold(self) -> None:
        """Make the effective labels say what was decided, and how far they can be trusted."""
        dataset = Dataset.open(self._path)
        refresh(dataset)
        board = self._board
        if board.trust.reviewed and board.snapshot == snapshot(dataset):
            put_trust(dataset, boards.trust_table(board))
        self._labels = Dataset.open(self._path)


def _anew(receipt: Receipt, stale: set[str]) -> Receipt:
    if receipt.id in stale and receipt.status == "saved":
        return replace(receipt, status="conflict", reason=ANEW)
    return receipt


def _held(key: str, holds: Mapping[str, tuple[str, ...]]) -> bool:
    return any(key in keys for keys in holds.values())


def _id_of(sent: Any) -> str:
    found = sent.get("id") if isinstance(sent, Mapping) else None
    return found[:64] if isinstance(found, str) else ""
