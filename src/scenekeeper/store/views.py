"""SQL views over the segments: what a user queries, ours and anyone's with DuckDB alone.

The text is also written into the dataset as ``views.sql``, with paths relative to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scenekeeper.store import reviewed

# Per view: the stored table it reads, and how the effective row is made of it. Human beats
# machine: a name a person gave an object is the phrase of every instance of it.
_EFFECTIVE = {
    "names": """
SELECT object, arg_max(phrase, t_ns) AS phrase, arg_max(author, t_ns) AS author,
       max(t_ns) AS t_ns, arg_max(status, t_ns) AS status
FROM names_log GROUP BY object HAVING arg_max(coalesce(phrase, ''), t_ns) <> ''""",
    "objects": """
SELECT o.* REPLACE (coalesce(n.phrase, o.phrase) AS phrase, coalesce(n.status, o.status) AS status)
FROM objects_auto o LEFT JOIN names n USING (object)""",
    "instances": """
SELECT i.* REPLACE (coalesce(n.phrase, o.phrase, i.phrase) AS phrase,
                    CASE WHEN n.object IS NULL THEN i.status ELSE 'propagated' END AS status),
       o.object AS object
FROM instances_auto i
LEFT JOIN objects_auto o USING (session, track) LEFT JOIN names n ON n.object = o.object""",
    "quality": """
SELECT q.*, coalesce(i.instances, 0) AS instances, coalesce(i.small, 0) AS small,
       coalesce(i.truncated, 0) AS truncated, coalesce(i.lookalikes, 0) AS lookalikes
FROM quality_auto q LEFT JOIN (
  SELECT session, frame_id, count(*) AS instances,
         count(*) FILTER (list_contains(flags, 'small')) AS small,
         count(*) FILTER (list_contains(flags, 'truncated')) AS truncated,
         count(*) FILTER (list_contains(flags, 'lookalike')) AS lookalikes
  FROM instances_auto GROUP BY ALL) i USING (session, frame_id)""",
}

_PLAIN = ("relations", "captions", "object_captions", "statements", "changes")
_STORED = {
    "names_log": "names",
    "objects_auto": "objects",
    "instances_auto": "instances",
    "quality_auto": "quality",
}


def views_sql(
    current: Mapping[str, Mapping[str, str]],
    sessions: list[str],
    named: bool,
    people: Mapping[str, Sequence[str]] | None = None,
    certified: bool = False,
) -> str:
    """The SQL text that defines every view.

    Args:
        current: per session, the run in force of each table.
        sessions: all sessions, with or without labels.
        named: whether there is any human name.
        people: per table of decisions the files in force; ``None`` = nobody has reviewed anything.
        certified: whether what was certified still is.
    """
    lines = [
        "-- Views over this dataset. Use them with:  cd THIS_FOLDER && duckdb -init views.sql",
    ]

    def view(name: str, body: str) -> None:
        lines.append(f"CREATE OR REPLACE VIEW {name} AS {body.strip()};")

    for table in ("frames", "signals"):
        files = [f"sessions/{s}/{table}.parquet" for s in sessions]
        view(table, f"SELECT * FROM {_read(table, files)}")
    stored, effective = {**dict(zip(_PLAIN, _PLAIN, strict=True)), **_STORED}, _EFFECTIVE
    if people is not None:
        stored = {**{f"{t}_auto": t for t in reviewed.AUTO}, "names_log": "names"}
        stored["statements"] = "statements"
        effective = reviewed.effective(certified)
        for table in reviewed.PEOPLE:
            view(table, f"SELECT * FROM {_read(table, people[table])}")
    for name, table in stored.items():
        if table == "names":
            files = ["labels/names/human/*.parquet"] if named else []
            files += people[table] if people is not None else []
        else:
            files = [
                f"labels/{table}/{runs[table]}/{session}-{_CLIP}.parquet"
                if table in CLIP_TABLES
                else f"labels/{table}/{runs[table]}/{session}-all.parquet"
                for session, runs in sorted(current.items())
                if table in runs
            ]
        view(name, f"SELECT * FROM {_read(table, files)}")
    for name, body in effective.items():
        view(name, body)
    return "\n".join(lines) + "\n"


CLIP_TABLES = frozenset(
    {"quality", "surface", "instances", "proposals", "observations", "depths", "reconciled"}
    | {"detections", "masklets", "glances", "statements"}
)
"""Tables stored one segment per clip; the others are one segment per session."""

_CLIP = "[0-9][0-9][0-9][0-9][0-9]"


def _read(table: str, files: Sequence[str]) -> str:
    # The empty segment gives the view its columns before anything is labelled.
    listed = ", ".join("'" + f.replace("'", "''") + "'" for f in [f"empty/{table}.parquet", *files])
    return f"read_parquet([{listed}])"
