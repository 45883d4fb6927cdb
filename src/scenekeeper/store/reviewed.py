"""SQL views over labels that people have reviewed; without reviews see :mod:`.views`.

Human beats machine, and of two people's words the later counts. Names that were given to objects
and phrases that were given to tracks are compared by time.
"""

from __future__ import annotations

AUTO = ("objects", "instances", "quality", "relations", "captions", "object_captions", "changes")
"""Tables whose machine-made rows are a view of their own, with ``_auto`` behind its name."""

PEOPLE = ("rulings", "drawn", "sayings", "trust")
"""Tables that a view shows as they are stored."""

# People said that there is no such object, and nobody has said since that there is.
_GONE = """NOT coalesce(g.holds, true) AND g.event > coalesce({event}, 0)
  AND g.t_ns > coalesce(n.t_ns, 0)"""

_CERTIFIED = "coalesce(i.certified, false)"

EFFECTIVE = {
    "same_object": """
SELECT subject, object FROM sayings WHERE kind = 'same' AND holds""",
    "names": """
SELECT coalesce(s.object, l.object) AS object, arg_max(l.phrase, l.t_ns) AS phrase,
       arg_max(l.author, l.t_ns) AS author, max(l.t_ns) AS t_ns,
       arg_max(l.status, l.t_ns) AS status
FROM names_log l LEFT JOIN same_object s ON s.subject = l.object
GROUP BY coalesce(s.object, l.object) HAVING arg_max(coalesce(l.phrase, ''), l.t_ns) <> ''""",
    "objects": f"""
WITH ruled AS (
  SELECT session, track, bool_or(stays) AS stays, max(event) FILTER (stays) AS event,
         min(phrase) FILTER (stays) AS phrase, max(t_ns) FILTER (stays) AS t_ns,
         count(DISTINCT coalesce(phrase, '')) FILTER (stays) AS phrases,
         bool_and(status <> 'auto') FILTER (stays) AS told
  FROM (SELECT *, there AND as_track IS NULL AS stays FROM rulings) GROUP BY ALL
)
SELECT o.* REPLACE (coalesce(s.object, o.object) AS object,
    CASE WHEN r.phrases = 1 AND r.t_ns >= coalesce(n.t_ns, 0) THEN r.phrase
         ELSE coalesce(n.phrase, o.phrase) END AS phrase,
    CASE WHEN n.status IS NOT NULL THEN n.status
         WHEN r.told OR g.holds THEN 'verified' ELSE o.status END AS status)
FROM objects_auto o
LEFT JOIN same_object s ON s.subject = o.object
LEFT JOIN names n ON n.object = coalesce(s.object, o.object)
LEFT JOIN sayings g ON g.kind = 'object' AND g.subject = coalesce(s.object, o.object)
LEFT JOIN ruled r ON r.session = o.session AND r.track = o.track
WHERE coalesce(r.stays, true) AND NOT ({_GONE.format(event="r.event")})
QUALIFY row_number() OVER (PARTITION BY o.session, coalesce(s.object, o.object)
                           ORDER BY s.object IS NOT NULL, o.frames DESC, o.object) = 1""",
    "instances_ruled": """
SELECT i.session, i.frame_id, i.t_ns, i.instance, coalesce(r.as_track, i.track) AS track,
       CASE WHEN d.event IS NULL THEN i.box_xyxy ELSE d.box_xyxy END AS box_xyxy,
       CASE WHEN d.event IS NULL THEN i.mask ELSE d.mask END AS mask, i.height, i.width,
       CASE WHEN d.event IS NULL THEN i.area ELSE d.area END AS area, i.phrase, i.score,
       coalesce(t.p, i.p) AS p, i.signals, i.flags, i.status, r.phrase AS said,
       r.t_ns AS said_t_ns, r.status AS ruled, greatest(r.event, d.event) AS event, t.certified
FROM instances_auto i
LEFT JOIN rulings r
  ON r.session = i.session AND r.track = i.track AND i.frame_id BETWEEN r.first AND r.last
LEFT JOIN drawn d ON NOT d.added AND d.session = i.session AND d.frame_id = i.frame_id
  AND d.track = i.track
LEFT JOIN trust t ON t.session = i.session AND t.track = i.track
WHERE coalesce(r.there, true)
UNION ALL
SELECT d.session, d.frame_id, f.t_ns,
       (999999 + row_number() OVER (PARTITION BY d.session, d.frame_id ORDER BY d.event, d.track))
         ::INTEGER, d.track, d.box_xyxy, d.mask, f.height, f.width, d.area, d.phrase, 1, 1,
       MAP([]::VARCHAR[], []::FLOAT[]), []::VARCHAR[], d.status,
       CASE WHEN d.t_ns IS NOT NULL THEN d.phrase END, d.t_ns, d.status, d.event, false
FROM drawn d JOIN frames f USING (session, frame_id) WHERE d.added""",
    "instances": f"""
SELECT i.* EXCLUDE (said, said_t_ns, ruled, event, certified) REPLACE (
    CASE WHEN i.said IS NOT NULL AND i.said_t_ns >= coalesce(n.t_ns, 0) THEN i.said
         ELSE coalesce(n.phrase, o.phrase, i.phrase) END AS phrase,
    CASE WHEN i.ruled IN ('verified', 'corrected') THEN 1 ELSE i.p END::FLOAT AS p,
    CASE WHEN i.ruled <> 'auto' AND NOT coalesce(i.said_t_ns < n.t_ns, false) THEN i.ruled
         WHEN n.object IS NOT NULL OR g.holds THEN 'propagated'
         WHEN {_CERTIFIED} THEN 'certified' ELSE i.status END AS status),
  coalesce(s.object, o.object) AS object
FROM instances_ruled i
LEFT JOIN objects_auto o ON o.session = i.session AND o.track = i.track
LEFT JOIN same_object s ON s.subject = o.object
LEFT JOIN names n ON n.object = coalesce(s.object, o.object)
LEFT JOIN sayings g ON g.kind = 'object' AND g.subject = coalesce(s.object, o.object)
WHERE NOT ({_GONE.format(event="i.event")})""",
    "relations": """
WITH said AS (SELECT * FROM sayings WHERE kind = 'relation'),
machine AS (
  SELECT * REPLACE (CASE WHEN predicate = 'next to' THEN least(subject, object)
                         ELSE subject END AS subject,
                    CASE WHEN predicate = 'next to' THEN greatest(subject, object)
                         ELSE object END AS object)
  FROM (SELECT a.* REPLACE (coalesce(p.object, a.subject) AS subject,
                            coalesce(q.object, a.object) AS object)
        FROM relations_auto a LEFT JOIN same_object p ON p.subject = a.subject
        LEFT JOIN same_object q ON q.subject = a.object)
),
every AS (
  SELECT m.* REPLACE (CASE WHEN said.holds THEN 1 ELSE m.score END::FLOAT AS score,
      CASE WHEN said.holds THEN m.source || '+person' ELSE m.source END AS source)
  FROM machine m LEFT JOIN said ON said.session = m.session AND said.subject = m.subject
    AND said.predicate = m.predicate AND said.object = m.object
  WHERE coalesce(said.holds, true) AND m.subject <> m.object
  UNION ALL
  SELECT session, subject, predicate, object, 1, 'person', '', NULL, NULL FROM said
  WHERE holds AND NOT EXISTS (
    SELECT 1 FROM machine m WHERE m.session = said.session AND m.subject = said.subject
      AND m.predicate = said.predicate AND m.object = said.object)
)
SELECT r.* FROM every r
SEMI JOIN objects a ON a.session = r.session AND a.object = r.subject
SEMI JOIN objects b ON b.session = r.session AND b.object = r.object
QUALIFY row_number() OVER (
  PARTITION BY r.session, r.subject, r.predicate, r.object, r.frame ORDER BY r.score DESC) = 1""",
    "captions": """
SELECT c.* REPLACE (coalesce(s.text, c.text) AS text,
                    CASE WHEN s.text IS NULL THEN c.source ELSE 'person' END AS source,
                    coalesce(s.status, c.status) AS status)
FROM captions_auto c
LEFT JOIN sayings s ON s.kind = 'caption' AND s.session = c.session AND s.subject = c.frame_id
WHERE coalesce(s.holds, true)
UNION ALL
SELECT f.session, f.frame_id, f.t_ns, s.text, 'person', s.status
FROM sayings s JOIN frames f ON f.session = s.session AND f.frame_id = s.subject
WHERE s.kind = 'caption' AND s.text IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM captions_auto c WHERE c.session = s.session AND c.frame_id = s.subject)""",
    "object_captions": """
SELECT c.* REPLACE (coalesce(m.object, c.object) AS object, coalesce(s.text, c.text) AS text,
                    CASE WHEN s.text IS NULL THEN c.source ELSE 'person' END AS source,
                    coalesce(s.status, c.status) AS status)
FROM object_captions_auto c LEFT JOIN same_object m ON m.subject = c.object
LEFT JOIN sayings s ON s.kind = 'object caption' AND s.session = c.session
  AND s.subject = coalesce(m.object, c.object)
WHERE coalesce(s.holds, true) AND (c.object IS NULL OR EXISTS (
  SELECT 1 FROM objects o WHERE o.session = c.session AND o.object = coalesce(m.object, c.object)))
""",
    "changes": """
SELECT c.* REPLACE (coalesce(m.object, c.object) AS object,
                    coalesce(k.object, c.new_object) AS new_object)
FROM changes_auto c LEFT JOIN same_object m ON m.subject = c.object
LEFT JOIN same_object k ON k.subject = c.new_object
WHERE NOT EXISTS (SELECT 1 FROM sayings g WHERE g.kind = 'object' AND NOT g.holds
                  AND g.subject = coalesce(m.object, c.object))""",
    "quality": """
SELECT q.*, coalesce(i.instances, 0) AS instances, coalesce(i.small, 0) AS small,
       coalesce(i.truncated, 0) AS truncated, coalesce(i.lookalikes, 0) AS lookalikes
FROM quality_auto q LEFT JOIN (
  SELECT session, frame_id, count(*) AS instances,
         count(*) FILTER (list_contains(flags, 'small')) AS small,
         count(*) FILTER (list_contains(flags, 'truncated')) AS truncated,
         count(*) FILTER (list_contains(flags, 'lookalike')) AS lookalikes
  FROM instances_ruled GROUP BY ALL) i USING (session, frame_id)""",
}


def effective(certified: bool) -> dict[str, str]:
    """Per view its query, in an order in which each finds those that it reads.

    Args:
        certified: whether what was certified still is.
    """
    return {
        name: body if certified else body.replace(_CERTIFIED, "false")
        for name, body in EFFECTIVE.items()
    }
