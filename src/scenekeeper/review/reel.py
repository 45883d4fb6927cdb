"""What cards are cut from: a dataset opened once for many cards, its masks read when wanted.

In: a dataset and its units. Out: views of tracks and frames, exact in pixels and seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scenekeeper.errors import DatasetError
from scenekeeper.review.cards import View
from scenekeeper.review.film import Film, Float32, chosen, film, window
from scenekeeper.review.other_names import Names, names
from scenekeeper.review.recent import Recent
from scenekeeper.review.units import Int, Units
from scenekeeper.schema import INSTANCES
from scenekeeper.store import Dataset

FILM_BYTES = 256 << 20
SERIES = 200
"""Most points of a sparkline."""


@dataclass(frozen=True, eq=False)
class Times:
    """The frames of one session.

    Attributes:
        frame_id: ``int64 [F]``, ascending.
        t_ns: ``int64 [F]``.
        size: ``int64 [F, 2]``, ``(H, W)``.
        clips: first frame of each clip, and one past the last.
        run: of its instances; empty where there are none.
    """

    frame_id: Int
    t_ns: Int
    size: Int
    clips: Int
    run: str

    def place(self, frame_id: int) -> int:
        """Row of a frame.

        Raises:
            DatasetError: there is none.
        """
        k = int(np.searchsorted(self.frame_id, frame_id))
        if k == len(self.frame_id) or self.frame_id[k] != frame_id:
            raise DatasetError(f"there is no frame {frame_id}")
        return k


@dataclass(frozen=True, eq=False)
class Reel:
    """A dataset, opened to cut cards from; may be used from several threads.

    Attributes:
        dataset: the labels.
        units: its N tracks.
        revision: number of the last event about a subject, by its key.
    """

    dataset: Dataset
    units: Units
    revision: Callable[[str], int] = lambda _: 0
    _times: dict[str, Times] = field(default_factory=dict)
    _films: Recent[str, Film] = field(
        default_factory=lambda: Recent(FILM_BYTES, lambda film: film.nbytes)
    )

    @cached_property
    def names(self) -> Names:
        """The names in use."""
        return names(self.units)

    @property
    def words(self) -> tuple[str, ...]:
        """All names in use, most frequent first."""
        return self.names.words

    @cached_property
    def rows_of_object(self) -> Mapping[int, tuple[int, ...]]:
        """Rows of the units of each object."""
        out: dict[int, tuple[int, ...]] = {}
        for row, thing in enumerate(self.units.object.tolist()):
            if thing >= 0:
                out[thing] = (*out.get(thing, ()), row)
        return out

    def film(self, session: str) -> Film:
        """Where every track of a session is in every frame; those last used are kept."""
        run = self.times(session).run
        return self._films.made(session, lambda: film(self.dataset, session, run))

    def cut(self, row: int) -> tuple[Int, Float32, Float32]:
        """One unit over time: ``int64 [n]`` frames, ``float32 [n, 4]`` boxes, ``[n]`` belief."""
        whole = self.film(self.units.session[row])
        part = whole.of(int(self.units.track[row]))
        return whole.frame_id[part], whole.box_xyxy[part], whole.belief[part]

    def times(self, session: str) -> Times:
        """The frames of a session."""
        if session not in self._times:
            frames = self.dataset.frames(session)
            columns = [frames[name].to_numpy() for name in ("frame_id", "t_ns", "height", "width")]
            clips = np.array(self.dataset.session(session).clips, np.int64)
            run = self.dataset.current(session).get("instances", "")
            size = np.stack(columns[2:], 1).astype(np.int64)
            self._times[session] = Times(columns[0], columns[1], size, clips, run)
        return self._times[session]

    # --- views ------------------------------------------------------------------------------------

    def strip(self, row: int, even: int, risky: int = 0, masked: bool = True) -> tuple[View, ...]:
        """The frames of one unit that a person should see."""
        return self.views(row, chosen(*self.cut(row), even, risky), masked)

    def views(
        self, row: int, picks: Iterable[tuple[int, bool]], masked: bool = True
    ) -> tuple[View, ...]:
        """Some labels of a unit, by their place in it, and whether for their risk."""
        places, risks = ([*column] for column in zip(*picks, strict=True))
        session, (frame_id, box_xyxy, _) = self.units.session[row], self.cut(row)
        frames, boxes = frame_id[places].tolist(), box_xyxy[places]
        counts = self.masks(session, int(self.units.track[row]), frames) if masked else {}
        return tuple(
            self.view(session, frame, box, counts.get(frame), risk)
            for frame, box, risk in zip(frames, boxes, risks, strict=True)
        )

    def best(self, row: int) -> tuple[int, bool]:
        """The label that shows a unit best: large and believed."""
        _, box, belief = self.cut(row)
        area = np.prod(np.maximum(box[:, 2:] - box[:, :2], 0), axis=1)
        return int((area * np.nan_to_num(belief, nan=0.5)).argmax()), False

    def view(
        self,
        session: str,
        frame_id: int,
        box: Sequence[float] | None = None,
        counts: bytes | None = None,
        risk: bool = False,
        whole: bool = False,
    ) -> View:
        """What to show of one frame: a window around the box, or the whole frame."""
        times = self.times(session)
        k = times.place(frame_id)
        height, width = (int(v) for v in times.size[k])
        marked = None if box is None else tuple(round(float(v), 2) for v in box)
        seen = (0, 0, width, height)
        if marked is not None and not whole:
            seen = window(marked, (height, width))
        return View(
            session,
            frame_id,
            (int(times.t_ns[k]) - int(times.t_ns[0])) / 1e9,
            (height, width),
            seen,
            marked,  # type: ignore[arg-type]
            None if counts is None else counts.decode("ascii"),
            risk,
        )

    def series(self, row: int) -> tuple[tuple[int, float], ...]:
        """Belief in a unit over time; of frames that share a point, the most doubtful."""
        frame, _, belief = self.cut(row)
        belief = np.nan_to_num(belief, nan=0.5)
        starts = np.unique(np.linspace(0, len(frame), SERIES + 1).astype(np.int64)[:-1])
        ends = np.append(starts[1:], len(frame))
        lowest = [int(a + belief[a:b].argmin()) for a, b in zip(starts, ends, strict=True)]
        return tuple((int(frame[k]), round(float(belief[k]), 3)) for k in lowest)

    # --- masks ------------------------------------------------------------------------------------

    def masks(self, session: str, track: int, frames: Sequence[int]) -> dict[int, bytes]:
        """Masks of a track, by frame; of frames without one, nothing."""
        table = self._labels(session, frames, "mask", track)
        rows = zip(table["frame_id"].to_pylist(), table["mask"].to_pylist(), strict=True)
        return {frame: counts for frame, counts in rows if counts is not None}

    def boxes(self, session: str, frames: Sequence[int]) -> tuple[Int, Float32]:
        """All boxes in some frames: ``int64 [K]`` their frames, ``float32 [K, 4]``."""
        table = self._labels(session, frames, "box_xyxy")
        flat = table["box_xyxy"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return table["frame_id"].to_numpy(), flat.reshape(-1, 4)

    def _labels(
        self, session: str, frames: Sequence[int], column: str, track: int | None = None
    ) -> pa.Table:
        """``frame_id`` and a column of the labels in some frames, of a track or of all."""
        times = self.times(session)
        wanted = np.unique(np.asarray(frames, np.int64))
        clip = np.searchsorted(times.clips, wanted, "right") - 1
        parts = [INSTANCES.empty_table().select(["frame_id", column])]
        for k in np.unique(clip).tolist():
            path = self.dataset.segment("instances", times.run, session, k)
            try:
                # One thread: handing so little to others takes longer than reading it.
                with pq.ParquetFile(path) as file:
                    rows = file.read(["frame_id", "track", column], use_threads=False)
            except (pa.ArrowException, OSError) as error:
                remedy = "Label again: it is made anew."
                raise DatasetError(f"cannot be read ({error})", path=path, remedy=remedy) from error
            chosen_rows = np.isin(rows["frame_id"].to_numpy(), wanted)
            if track is not None:
                chosen_rows &= rows["track"].to_numpy() == track
            parts.append(rows.select(["frame_id", column]).take(np.flatnonzero(chosen_rows)))
        return pa.concat_tables(parts)
