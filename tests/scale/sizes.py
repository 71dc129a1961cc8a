"""The size of tables and indexes by row, and the form of their B-trees."""

from dataclasses import dataclass

from tests.scale.filling import Raw


@dataclass(frozen=True)
class Relation:
    """A table or an index; the trail's months are one."""

    table: str
    name: str
    rows: int
    bytes: int
    levels: int | None
    """The levels of an index's largest tree, its leaves included."""
    leaf_entries: float | None
    """The rows on a leaf."""
    fan_out: float | None
    """The pages below an inner page."""

    @property
    def bytes_per_row(self) -> float:
        return self.bytes / max(1, self.rows)


_RELATIONS = """
    WITH parts AS (
        SELECT c.oid, greatest(c.reltuples, 0) AS rows, c.relam,
               coalesce(whole.relname, c.relname) AS name, coalesce(table_whole.relname, t.relname) AS of
        FROM pg_class c
        LEFT JOIN pg_index x ON x.indexrelid = c.oid
        JOIN pg_class t ON t.oid = coalesce(x.indrelid, c.oid)
        LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
        LEFT JOIN pg_class whole ON whole.oid = i.inhparent
        LEFT JOIN pg_inherits ti ON ti.inhrelid = t.oid
        LEFT JOIN pg_class table_whole ON table_whole.oid = ti.inhparent
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
    ), indexes AS MATERIALIZED (
        -- Of no other kind: the function fails for these.
        SELECT p.oid FROM parts p WHERE p.relam = (SELECT a.oid FROM pg_am a WHERE a.amname = 'btree')
    ), trees AS MATERIALIZED (
        SELECT i.oid, s.tree_level + 1 AS levels, s.leaf_pages AS leaves, s.internal_pages AS inner
        FROM indexes i CROSS JOIN LATERAL pgstatindex(i.oid::regclass) s
    )
    SELECT p.of, regexp_replace(p.name, '^audit_(\\d{4}_\\d{2}|earlier|later)', 'audit') AS name,
           sum(p.rows)::bigint AS rows, sum(pg_relation_size(p.oid))::bigint AS bytes,
           max(tree.levels) AS levels,
           CASE WHEN sum(tree.leaves) > 0 THEN (sum(p.rows) / sum(tree.leaves))::float8 END AS leaf_entries,
           CASE WHEN sum(tree.inner) > 0 THEN (sum(tree.leaves + tree.inner - 1) / sum(tree.inner))::float8 END
           AS fan_out
    FROM parts p
    LEFT JOIN trees tree ON tree.oid = p.oid
    GROUP BY 1, 2
    HAVING sum(p.rows) >= $1
    ORDER BY sum(sum(pg_relation_size(p.oid))) OVER (PARTITION BY p.of) DESC, p.of, 4 DESC
"""


async def relations(raw: Raw, at_least: int = 1) -> list[Relation]:
    """Return tables and indexes of at least so many rows, the largest table first. Reads all of the indexes."""
    await raw.execute("CREATE EXTENSION IF NOT EXISTS pgstattuple")
    return [Relation(*row) for row in await raw.fetch(_RELATIONS, at_least)]
