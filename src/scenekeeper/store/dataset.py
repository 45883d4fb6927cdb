"""A labelled dataset as a directory: sessions, label segments, and the names people gave."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scenekeeper import schema
from scenekeeper.errors import DatasetError
from scenekeeper.schema import Labels, Relation
from scenekeeper.store import atomic, people
from scenekeeper.store.people import Applied
from scenekeeper.store.session import SessionInfo
from scenekeeper.store.views import views_sql

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def open_dataset(path: str | os.PathLike[str]) -> Dataset:
    """Open an existing dataset.

    Raises:
        DatasetError: there is none at the path, or it was written by a newer schema.
    """
    return Dataset.open(Path(path))


@dataclass(frozen=True)
class Dataset:
    """A labelled dataset directory (see ``docs/tables.md`` for every file and column).

    Attributes:
        path: its folder.
        condition: SQL over the columns of ``instances`` ``i``; others are not shown.
    """

    path: Path
    condition: str | None = None

    @classmethod
    def open(cls, path: Path) -> Dataset:
        """Open an existing dataset."""
        config = path / "dataset.toml"
        try:
            version = tomllib.loads(config.read_text(encoding="utf-8"))["schema_version"]
        except FileNotFoundError:
            raise DatasetError(
                "there is no labelled dataset here",
                path=path,
                remedy=f"Make one: scenekeeper label RECORDING --into {path}",
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, OSError) as error:
            raise DatasetError(f"cannot be read: {error}", path=config) from error
        if version != schema.SCHEMA_VERSION:
            raise DatasetError(
                f"has schema version {version}, this program reads {schema.SCHEMA_VERSION}",
                path=config,
                remedy="Upgrade scenekeeper, or label again into a new folder.",
            )
        return cls(path)

    @classmethod
    def create(cls, path: Path) -> Dataset:
        """Open the dataset at ``path`` to write to it, making an empty one if there is none."""
        if (path / "dataset.toml").exists():
            dataset = cls.open(path)
            atomic.sweep(path)
            dataset.refresh_views()  # a segment may have been deleted to be made anew
            return dataset
        if path.exists() and (not path.is_dir() or any(_visible(path))):
            raise DatasetError(
                "is not a labelled dataset and not an empty folder",
                path=path,
                remedy="Choose another folder with --into.",
            )
        import tomli_w

        dataset = cls(path)
        facts = {"schema_version": schema.SCHEMA_VERSION, "written_by": "scenekeeper"}
        # First of all, so that another process that comes meanwhile sees what this will be.
        _write_text(path / "dataset.toml", tomli_w.dumps(facts))
        dataset.refresh_views()
        return dataset

    # --- sessions ---------------------------------------------------------------------------------

    def sessions(self) -> list[str]:
        """Names of all sessions, sorted."""
        return sorted(p.parent.name for p in self.path.glob("sessions/*/session.json"))

    def session(self, name: str) -> SessionInfo:
        """What is known of one session.

        Raises:
            DatasetError: no such session.
        """
        file = self.path / "sessions" / name / "session.json"
        try:
            return SessionInfo.from_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            known = ", ".join(self.sessions()[:5]) or "none"
            raise DatasetError(
                f"no session {name!r}", path=self.path, remedy=f"There are: {known}"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"cannot be read: {error}", path=file) from error

    def add_session(self, info: SessionInfo, frames: pa.Table, signals: pa.Table) -> None:
        """Add a session with its index of frames and its signals; appears as a whole.

        Raises:
            DatasetError: the name is not usable as a file name, or taken by another recording.
        """
        if not _SAFE.fullmatch(info.name):
            raise DatasetError(
                f"{info.name!r} cannot name a session",
                remedy="Use letters, digits and . _ + - only: --session NAME",
            )
        folder = self.path / "sessions" / info.name
        if folder.exists():
            if self.session(info.name).content != info.content:
                raise DatasetError(
                    f"session {info.name!r} already holds another recording",
                    path=self.path,
                    remedy="Give this one a name of its own: --session NAME",
                )
            return
        with _writable(folder):
            folder.parent.mkdir(exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=atomic.PREFIX, dir=folder.parent))
        try:
            self._write(partial / "frames.parquet", frames.cast(schema.FRAMES))
            self._write(partial / "signals.parquet", signals.cast(schema.SIGNALS))
            _write_text(partial / "session.json", info.to_json())
            with _writable(folder):
                partial.chmod(0o755)
                partial.rename(folder)
                atomic.sync_folder(folder.parent)
        except DatasetError:
            if not folder.exists():  # else another process added the same session first
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self.refresh_views()

    def frames(self, session: str) -> pa.Table:
        """Index of a session's frames in time order (:data:`scenekeeper.schema.FRAMES`)."""
        return self._read_index(session, "frames")

    def signals(self, session: str) -> pa.Table:
        """All signal samples of a session (:data:`scenekeeper.schema.SIGNALS`)."""
        return self._read_index(session, "signals")

    def _read_index(self, session: str, table: str) -> pa.Table:
        path = self.path / "sessions" / session / f"{table}.parquet"
        remedy = f"Delete the folder {path.parent} and label again: it is made anew."
        with _readable(path, remedy):
            return pq.read_table(path)

    # --- segments ---------------------------------------------------------------------------------

    def segment(self, table: str, run: str, session: str, clip: int | None = None) -> Path:
        """Where the segment of a clip (or, with ``None``, of the whole session) lies."""
        part = "all" if clip is None else f"{clip:05d}"
        return self.path / "labels" / table / run / f"{session}-{part}.parquet"

    def write_segment(
        self, rows: pa.Table, table: str, run: str, session: str, clip: int | None = None
    ) -> None:
        """Write one segment; it appears whole or not at all."""
        self._write(self.segment(table, run, session, clip), rows.cast(schema.TABLES[table]))

    def read_segment(self, table: str, run: str, session: str, clip: int | None = None) -> pa.Table:
        """Read one segment.

        Raises:
            DatasetError: it is not there or damaged.
        """
        path = self.segment(table, run, session, clip)
        with _readable(path):
            return pq.read_table(path, schema=schema.TABLES[table], partitioning=None)

    def read_parts(
        self, table: str, run: str, session: str, clip: int | None, rows: int
    ) -> Iterator[pa.Table]:
        """Read one segment so many rows at a time.

        Raises:
            DatasetError: it is not there or damaged.
        """
        path = self.segment(table, run, session, clip)
        with _readable(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(rows, use_threads=False):
                yield pa.Table.from_batches([batch])

    def describe_run(self, table: str, run: str, facts: Mapping[str, Any]) -> None:
        """Keep beside a run's segments what made them."""
        file = self.path / "labels" / table / run / "run.json"
        if not file.exists():
            _write_text(file, json.dumps(facts, indent=1, sort_keys=True) + "\n")

    def run_facts(self, table: str, run: str) -> dict[str, Any]:
        """What :meth:`describe_run` kept."""
        file = self.path / "labels" / table / run / "run.json"
        return dict(json.loads(file.read_text(encoding="utf-8")))

    def current(self, session: str) -> dict[str, str]:
        """The run in force of each table; empty before the first labelling has finished."""
        file = self.path / "sessions" / session / "current.json"
        if not file.exists():
            return {}
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            remedy = "Delete it and label again; nothing that is there is done again."
            raise DatasetError(f"is damaged ({error})", path=file, remedy=remedy) from error

    def set_current(self, session: str, runs: Mapping[str, str]) -> None:
        """Put runs in force, all at once."""
        file = self.path / "sessions" / session / "current.json"
        if self.current(session) != dict(runs):
            _write_text(file, json.dumps(dict(runs), indent=1, sort_keys=True) + "\n")
        self.refresh_views()

    # --- people -----------------------------------------------------------------------------------

    def name_object(self, object_id: int, phrase: str | None) -> None:
        """Record a person's name for an object; ``None`` takes the name back.

        It is a segment of its own, so no labelling run can overwrite it.
        """
        now = time.time_ns()
        row = {
            "object": [object_id],
            "phrase": [phrase],
            "author": [getpass.getuser()],
            "t_ns": [now],
            "status": ["verified"],
        }
        path = self.path / "labels" / "names" / "human" / f"{now}-{os.getpid()}.parquet"
        self._write(path, pa.table(row, schema.NAMES))
        self.refresh_views()

    def applied(self) -> Applied | None:
        """What is in force of people's decisions; ``None`` if nobody has reviewed anything."""
        return people.read(self.path)

    def apply(self, applied: Applied) -> None:
        """Put people's decisions in force, all at once."""
        _write_text(self.path / people.FILE, applied.to_json())
        self.refresh_views()

    # --- reading ----------------------------------------------------------------------------------

    def sql(self, query: str, parameters: list[Any] | None = None) -> pa.Table:
        """Run SQL over the views ``frames, signals, quality, instances, objects, relations,
        captions, names``.

        Raises:
            DatasetError: DuckDB refused the query or could not read a file.
        """
        try:
            return self._connection.cursor().sql(query, params=parameters).to_arrow_table()
        except duckdb.Error as error:
            raise DatasetError(str(error), path=self.path) from error

    def only(self, condition: str) -> Dataset:
        """The same dataset, its view ``instances`` showing only some rows.

        Args:
            condition: SQL over the columns of ``instances``, which may be called ``i``.
        """
        return replace(self, condition=condition)

    def table(self, view: str, session: str | None = None) -> pa.Table:
        """All rows of a view, of one session or of all."""
        where = "" if session is None else " WHERE session = ?"
        return self.sql(f'SELECT * FROM "{view}"{where}', None if session is None else [session])

    def labels(self, session: str) -> Iterator[Labels]:
        """Effective labels of every frame of a session in order, a clip in memory at a time."""
        info = self.session(session)
        frames = self.frames(session).select(["frame_id", "t_ns", "height", "width"]).to_pylist()
        relations = self._relations(session)
        for index in range(info.n_clips):
            clip = info.clip(index)
            chosen = "WHERE session = ? AND frame_id >= ? AND frame_id < ?"
            key = [session, clip.start, clip.stop]
            rows = self.sql(f"SELECT * FROM instances {chosen} ORDER BY frame_id, instance", key)
            said = self.sql(f"SELECT frame_id, text FROM captions {chosen}", key).to_pylist()
            captions = {row["frame_id"]: row["text"] for row in said}
            ids = rows["frame_id"].to_numpy()
            for frame in frames[clip.start : clip.stop]:
                low, high = np.searchsorted(ids, [frame["frame_id"], frame["frame_id"] + 1])
                yield _labels(
                    frame, rows.slice(low, high - low), captions.get(frame["frame_id"]), relations
                )

    def _relations(self, session: str) -> list[Relation]:
        return [
            Relation(r["subject"], r["predicate"], r["object"], r["score"], r["source"])
            for r in self.table("relations", session).to_pylist()
        ]

    def refresh_views(self) -> None:
        """Write ``views.sql`` anew from what is in force."""
        for table, columns in schema.TABLES.items():
            empty = self.path / "empty" / f"{table}.parquet"
            if not empty.exists():  # a dataset of an earlier release lacks the newest tables
                self._write(empty, columns.empty_table())
        sessions = self.sessions()
        current = {s: self._made(s) for s in sessions}
        named = any((self.path / "labels/names/human").glob("*.parquet"))
        applied = people.read(self.path)
        if applied is None:
            text = views_sql(current, sessions, named)
        else:
            files = people.segments(self.path, applied, current)
            certified = people.is_certified(applied, current)
            text = views_sql(current, sessions, named, files, certified)
        file = self.path / "views.sql"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            _write_text(file, text)
        self.__dict__.pop("_connection", None)

    def _made(self, session: str) -> dict[str, str]:
        """The runs in force that have at least one segment; a session may have no frames."""
        return {
            table: run
            for table, run in self.current(session).items()
            if any((self.path / "labels" / table / run).glob(f"{session}-*.parquet"))
        }

    @cached_property
    def _connection(self) -> Any:
        connection = duckdb.connect(config={"threads": "2"})
        folder = str(self.path.resolve()).replace("'", "''")
        connection.execute(f"SET GLOBAL file_search_path = '{folder}'")
        connection.execute((self.path / "views.sql").read_text(encoding="utf-8"))
        if self.condition is not None:
            connection.execute("ALTER VIEW instances RENAME TO every_instance")
            connection.execute(
                f"CREATE VIEW instances AS SELECT * FROM every_instance i WHERE {self.condition}"
            )
        return connection

    def _write(self, path: Path, rows: pa.Table) -> None:
        with _writable(path), atomic.replacing(path) as temporary:
            pq.write_table(rows, temporary, compression="zstd", compression_level=1)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"cannot be written: {error}",
            path=path,
            remedy="Free some space or choose another folder; what is already written is safe"
            " and the same command continues from there.",
        ) from error


def _write_text(path: Path, text: str) -> None:
    with _writable(path):
        atomic.write_text(path, text)


@contextmanager
def _readable(
    path: Path, remedy: str = "Delete it and label again: it is made anew."
) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        told = remedy.replace("Delete it and label", "Label")
        raise DatasetError("is missing", path=path, remedy=told) from None
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"is damaged ({error})", path=path, remedy=remedy) from error


def _labels(
    frame: Mapping[str, Any], rows: pa.Table, caption: str | None, relations: list[Relation]
) -> Labels:
    columns = rows.to_pydict()
    signals = [dict(s or ()) for s in columns["signals"]]
    names = sorted({name for s in signals for name in s})
    objects = [schema.NO_ID if o is None else o for o in columns["object"]]
    present = set(objects)
    return Labels(
        frame["frame_id"],
        frame["t_ns"],
        (frame["height"], frame["width"]),
        np.array(columns["box_xyxy"], np.float32).reshape(-1, 4),
        mask=tuple(columns["mask"]),
        phrase=tuple(columns["phrase"]),
        score=np.array(columns["score"], np.float32),
        signals={n: np.array([s.get(n, np.nan) for s in signals], np.float32) for n in names},
        p=np.array([np.nan if p is None else p for p in columns["p"]], np.float32),
        track=np.array(columns["track"], np.int64),
        object=np.array(objects, np.int64),
        status=tuple(columns["status"]),
        caption=caption,
        relations=tuple(r for r in relations if r.subject in present and r.object in present),
    )


def _visible(folder: Path) -> Iterator[Path]:
    """Entries that are not leftovers of an interrupted creation."""
    return (p for p in folder.iterdir() if p.name not in {"empty", "views.sql", "ledger.sqlite"})
