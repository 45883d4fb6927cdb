"""The query behind :mod:`scenekeeper.review.signals`: one row per track, a column per signal.

Every ``WITH`` below is one source of doubt, keyed by session and track. Values are as measured. An
entry of a map is ``map_extract(...)[1]``: brackets alone give a list in older releases of DuckDB.
``least`` and ``greatest`` pass over what is null.
"""

from __future__ import annotations

from collections.abc import Mapping

from scenekeeper.schema import UNNAMED
from scenekeeper.store import Dataset

Runs = Mapping[str, Mapping[str, str]]

_QUERY = f"""
WITH thing AS (
  SELECT session, track, object, phrase, p, names, score AS existence, center, extent,
         row_number() OVER (PARTITION BY session, track ORDER BY object) AS n
  FROM objects_auto
),
label AS (
  SELECT i.session, i.track, i.frame_id, i.phrase, i.score, i.p, i.flags,
         (box_xyxy[1] + box_xyxy[3]) / 2 AS x, (box_xyxy[2] + box_xyxy[4]) / 2 AS y,
         greatest(coalesce(i.area, (box_xyxy[3] - box_xyxy[1]) * (box_xyxy[4] - box_xyxy[2])), 1)
           AS area,
         list_contains(i.flags, 'truncated') AS cut,
         {{hops}}
  FROM instances_auto i WHERE i.track >= 0
),
step AS (
  SELECT session, track, cut OR lag(cut) OVER w AS cut,
         frame_id - lag(frame_id) OVER w AS gap, lag(frame_id, 2) OVER w - 2 * lag(frame_id) OVER w
           + frame_id AS uneven,
         abs(ln(area / lag(area) OVER w)) AS grown,
         sqrt((x - 2 * lag(x) OVER w + lag(x, 2) OVER w) ^ 2
            + (y - 2 * lag(y) OVER w + lag(y, 2) OVER w) ^ 2) / sqrt(area) AS jerk
  FROM label WINDOW w AS (PARTITION BY session, track ORDER BY frame_id)
),
motion AS (
  SELECT session, track,
         ln(quantile_cont(grown, .95) FILTER (gap <= 3 AND NOT cut) + .01) AS "area jumps",
         ln(quantile_cont(jerk, .95) FILTER (gap <= 3 AND uneven = 0 AND NOT cut) + .01) AS "jerk"
  FROM step GROUP BY ALL
),
camera(session, camera, fx, fy, cx, cy) AS ({{cameras}}),
settled AS ({{settled}}),
pose AS (
  SELECT f.session, f.frame_id, coalesce(s.pose, f.pose) AS T, c.* EXCLUDE (session, camera)
  FROM frames f JOIN camera c USING (session, camera) LEFT JOIN settled s USING (session, frame_id)
  WHERE coalesce(s.pose, f.pose) IS NOT NULL
),
turned AS (
  SELECT l.session, l.track, l.x, l.y, l.area, fx, fy, cx, cy,
         T[4] AS a, T[5] AS b, T[6] AS c, T[7] AS d,
         center[1] - T[1] AS u, center[2] - T[2] AS v, center[3] - T[3] AS w
  FROM label l JOIN thing o ON o.session = l.session AND o.track = l.track AND o.n = 1
  JOIN pose p ON p.session = l.session AND p.frame_id = l.frame_id WHERE NOT l.cut
),
seen AS (
  SELECT session, track, x, y, area, fx, fy, cx, cy,
         (1 - 2 * (b * b + c * c)) * u + 2 * (a * b + c * d) * v + 2 * (a * c - b * d) * w AS u,
         2 * (a * b - c * d) * u + (1 - 2 * (a * a + c * c)) * v + 2 * (b * c + a * d) * w AS v,
         2 * (a * c + b * d) * u + 2 * (b * c - a * d) * v + (1 - 2 * (a * a + b * b)) * w AS w
  FROM turned
),
placed AS (
  SELECT session, track, ln(median(
           CASE WHEN w > .05 THEN
             sqrt((fx * u / w + cx - x) ^ 2 + (fy * v / w + cy - y) ^ 2) / sqrt(area)
           ELSE 10 END) + .02) AS off
  FROM seen GROUP BY ALL
),
picture AS (
  SELECT session, frame_id, list_contains(flags, 'blurred') AS blurred,
         list_contains(flags, 'dark') OR list_contains(flags, 'bright') AS exposed
  FROM quality_auto
),
track AS (
  SELECT l.session, l.track, count(*) AS frames,
         min(frame_id) AS first, max(frame_id) AS last, sqrt(median(area)) AS size_px,
         avg(p) AS p, avg(score) AS score, min(score) AS least, max(score) - min(score) AS spread,
         1 - count(DISTINCT frame_id) / (max(frame_id) - min(frame_id) + 1) AS gaps,
         avg(cut::INT) AS cut, avg(list_contains(l.flags, 'lookalike')::INT) AS alike,
         avg(list_contains(l.flags, 'added')::INT) AS added,
         avg(list_contains(l.flags, 'redrawn')::INT) AS redrawn,
         avg(blurred::INT) AS blurred, avg(exposed::INT) AS exposed,
         least(avg(mask_iou), avg(objectness), avg(stability), avg(detector_iou)) AS mask,
         avg(entropy) AS entropy
  FROM label l LEFT JOIN picture USING (session, frame_id) GROUP BY l.session, l.track
),
word AS (
  SELECT session, track, phrase, count(*) AS n FROM label GROUP BY session, track, phrase
),
main_word AS (
  SELECT session, track, list(phrase ORDER BY n DESC, phrase)[1] AS said
  FROM word GROUP BY session, track
),
named AS (
  SELECT t.*, coalesce(o.phrase, m.said) AS phrase, o.object, o.existence, o.names AS posterior,
         coalesce(o.p, t.p, t.score) AS belief,
         o.extent
  FROM track t JOIN main_word m USING (session, track)
  LEFT JOIN (FROM thing WHERE n = 1) o USING (session, track)
),
renamed AS (
  SELECT l.session, l.track, avg((l.phrase <> n.phrase)::INT) AS changing
  FROM label l JOIN named n USING (session, track)
  WHERE l.phrase <> '{UNNAMED}' AND n.phrase <> '{UNNAMED}' GROUP BY ALL
),
raw AS ({{raw}}),
spoken AS ({{spoken}}),
overruled AS (
  SELECT r.session, r.track, avg((r.action = 'kept')::INT) AS kept,
         avg((r.phrase <> n.phrase)::INT)
           FILTER (r.phrase <> '{UNNAMED}' AND n.phrase <> '{UNNAMED}') AS overruled
  FROM raw r JOIN named n USING (session, track) GROUP BY ALL
),
told AS (
  SELECT s.session, s.subject AS track,
         avg((NOT contains(lower(s.text), lower(list_last(string_split(n.phrase, ' ')))))::INT)
           AS otherwise,
         avg(coalesce(s.text_entropy, -ln(s.text_p_min + 1e-3))) AS unsure
  FROM spoken s JOIN named n ON s.session = n.session AND s.subject = n.track
  WHERE s.kind = 'object' AND n.phrase <> '{UNNAMED}' GROUP BY ALL
),
counted AS (
  SELECT l.session, l.track, avg(abs(s.count_gap)) AS gap
  FROM label l JOIN spoken s USING (session, frame_id)
  WHERE s.kind = 'caption' GROUP BY ALL
),
size AS (
  SELECT session, track, ln(list_max(extent)) AS side, phrase FROM named
  WHERE extent IS NOT NULL AND list_max(extent) > 0
),
said AS (
  SELECT session, track, phrase, count(*) AS n FROM (
    SELECT session, track, phrase FROM label UNION ALL SELECT session, track, phrase FROM raw)
  WHERE phrase <> '{UNNAMED}' GROUP BY session, track, phrase
),
shares AS (
  SELECT session, track, phrase, n / sum(n) OVER (PARTITION BY session, track) AS share FROM said
),
votes AS (
  SELECT session, track,
         map_from_entries(list((phrase, share) ORDER BY share DESC, phrase)) AS names
  FROM shares GROUP BY session, track
),
usual AS (
  SELECT phrase, median(side) AS middle, greatest(mad(side), .15) AS spread
  FROM size GROUP BY phrase HAVING count(*) >= 5 AND phrase <> '{UNNAMED}'
)
SELECT n.session, n.track, n.object, n.phrase, n.frames, n.first, n.last, n.size_px,
       n.belief AS p, coalesce(n.posterior, v.names) AS names,
       -{{logit_existence}} AS "weak existence",
       -{{logit_score}} AS "weak score",
       CASE WHEN n.spread > 0 THEN {{logit_score}} - {{logit_least}} END AS "weakest score",
       -{{logit_mask}} AS "weak mask",
       {{rival}} AS "rival name",
       n.entropy AS "torn detector",
       (n.phrase = '{UNNAMED}')::INT AS "unnamed",
       greatest(r.changing, o.overruled) AS "changing names",
       d.otherwise AS "disagreement",
       d.unsure AS "unsure words",
       c.gap AS "count",
       n.gaps AS "gaps",
       m."area jumps",
       m."jerk",
       abs(z.side - u.middle) / (1.4826 * u.spread) AS "odd size",
       f.off AS "3D residual",
       n.added AS "expected but missed",
       n.redrawn AS "redrawn",
       o.kept AS "not placed",
       -ln(n.frames) AS "short",
       -ln(n.size_px) AS "small",
       n.cut AS "cut off",
       n.blurred AS "blur",
       n.exposed AS "exposure",
       n.alike AS "look-alike"
FROM named n LEFT JOIN motion m USING (session, track) LEFT JOIN renamed r USING (session, track)
LEFT JOIN overruled o USING (session, track) LEFT JOIN told d USING (session, track)
LEFT JOIN counted c USING (session, track) LEFT JOIN size z USING (session, track)
LEFT JOIN placed f USING (session, track) LEFT JOIN votes v USING (session, track)
LEFT JOIN usual u ON u.phrase = n.phrase
ORDER BY n.session, n.track
"""

_HOPS = ("mask_iou", "objectness", "stability", "detector_iou", "entropy")
_SAID = ("text_entropy", "text_p_min", "count_gap")

_RIVAL = """CASE WHEN n.posterior IS NOT NULL AND len(map_values(n.posterior)) > 1 THEN
         ln(greatest(list_sort(map_values(n.posterior), 'DESC')[2], 1e-3)
            / greatest(list_max(map_values(n.posterior)), 1e-3)) END"""


def signals_sql(dataset: Dataset, runs: Runs) -> str:
    """The query over a dataset's views.

    Args:
        dataset: whose tables are asked.
        runs: per session, the run in force of each table.
    """
    logits = {f"logit_{name}": _logit(f"n.{name}") for name in ("existence", "score", "least")}
    return _QUERY.format(
        hops=_entries("i.signals", _HOPS),
        cameras=_cameras(dataset, runs),
        settled=_settled(dataset, runs),
        raw=_raw(dataset, runs),
        spoken=_spoken(dataset, runs),
        rival=_RIVAL,
        logit_mask=_logit("n.mask"),
        **logits,
    )


def _logit(column: str) -> str:
    clipped = f"greatest(least({column}, .995), .005)"
    return f"CASE WHEN {column} IS NOT NULL THEN ln({clipped} / (1 - {clipped})) END"


def _entries(column: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"map_extract({column}, '{name}')[1] AS {name}" for name in names)


def _raw(dataset: Dataset, runs: Runs) -> str:
    """What models said of a label before the world decided, with what became of it."""
    before, decided = [], []
    for session, of in runs.items():
        if "reconciled" not in of or "instances" not in of:
            continue
        run = dataset.run_facts("instances", of["instances"]).get("reads", {}).get("instances")
        models = _segments(dataset, "instances", run, session) if run else []
        verdicts = _segments(dataset, "reconciled", of["reconciled"], session)
        if models and verdicts:
            before += models
            decided += verdicts
    if not before:
        return "SELECT session, track, phrase, '' AS action FROM instances_auto WHERE FALSE"
    return f"""
  SELECT d.session, d.track, b.phrase, d.action
  FROM read_parquet({decided}) d JOIN read_parquet({before}) b USING (session, frame_id, instance)
  WHERE d.action <> 'removed'"""


def _spoken(dataset: Dataset, runs: Runs) -> str:
    """What describers said; a dataset of an earlier release has no view of it."""
    files = [
        file
        for session, of in runs.items()
        if "statements" in of
        for file in _segments(dataset, "statements", of["statements"], session)
    ]
    if files:
        columns = f"session, frame_id, subject, kind, text, {_entries('signals', _SAID)}"
        return f"SELECT {columns} FROM read_parquet({files})"
    return """
  SELECT session, frame_id, 0::BIGINT AS subject, '' AS kind, '' AS text, 0.0 AS text_entropy,
         0.0 AS text_p_min, 0.0 AS count_gap FROM instances_auto WHERE FALSE"""


def _cameras(dataset: Dataset, runs: Runs) -> str:
    """Pinholes of every session; lenses' distortion is small beside a box."""
    rows = []
    for session in runs:
        for camera in dataset.session(session).cameras:
            if camera.intrinsics is not None:
                (fx, _, cx), (_, fy, cy), _ = camera.intrinsics.tolist()
                name = camera.name.replace("'", "''")
                rows.append(f"('{session}', '{name}', {fx}, {fy}, {cx}, {cy})")
    if rows:
        return "VALUES " + ", ".join(rows)
    return "SELECT '', '', 1.0, 1.0, 0.0, 0.0 WHERE FALSE"


def _settled(dataset: Dataset, runs: Runs) -> str:
    """Poses as the world settled them; without, the recorded ones count."""
    files = [
        str(file.relative_to(dataset.path))
        for session, of in runs.items()
        if "sightings" in of
        and (file := dataset.segment("sightings", of["sightings"], session)).exists()
    ]
    if files:
        return f"SELECT session, frame_id, pose FROM read_parquet({files}) WHERE instance = -1"
    return "SELECT session, frame_id, pose FROM frames WHERE FALSE"


def _segments(dataset: Dataset, table: str, run: str, session: str) -> list[str]:
    folder = dataset.path / "labels" / table / run
    files = sorted(folder.glob(f"{session}-{'[0-9]' * 5}.parquet"))
    return [str(file.relative_to(dataset.path)) for file in files]
