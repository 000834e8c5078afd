"""The weakest student-topics of a tenant, kept while gold is written, so that nobody reads all of gold to see ten."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mastery.insight.ranking import weakest
from mastery.tables import CLASS_WEAKEST

KEPT = 200
"""How many are published of each scorer."""


class ClassWeakest:
    """Keeps the weakest of rows of gold that are given to it in any order. See `mastery.insight.ranking.weakest`."""

    def __init__(self, min_evidence: int) -> None:
        self._min_evidence = min_evidence
        self._found: dict[tuple[str, str], pa.Table] = {}

    def add(self, rows: pa.Table) -> None:
        """Add rows of gold."""
        for batch in rows.select(["score_source", *COLUMNS]).to_batches():  # each mostly of one scorer and tenant
            self._add(pa.table(batch))

    def _add(self, rows: pa.Table) -> None:
        for name in ("score_source", "tenant"):
            found = pc.unique(rows[name])
            if len(found) > 1:
                for one in found:
                    self._add(rows.filter(pc.equal(rows[name], one)))
                return
        if rows.num_rows:
            key = rows["tenant"][0].as_py(), rows["score_source"][0].as_py()
            self._merge(key, weakest(rows.select(COLUMNS), KEPT, self._min_evidence).cast(ROWS))

    def merge(self, other: ClassWeakest) -> None:
        """Add what another one has kept of other students."""
        for key, rows in other._found.items():
            self._merge(key, rows)

    def _merge(self, key: tuple[str, str], rows: pa.Table) -> None:
        both = pa.concat_tables([self._found[key], rows]) if key in self._found else rows
        self._found[key] = weakest(both, KEPT, self._min_evidence)

    def rows(self) -> pa.Table:
        """Return the rows of CLASS_WEAKEST, by tenant and scorer, the weakest first."""
        found = [CLASS_WEAKEST.schema.empty_table()]
        for (_, source), mine in sorted(self._found.items(), key=lambda one: one[0]):
            more = {
                "score_source": pa.repeat(source, mine.num_rows),
                "place": pa.array(range(mine.num_rows), pa.int64()),
                "min_evidence": pa.repeat(pa.scalar(self._min_evidence, pa.int32()), mine.num_rows),
            }
            columns = {**dict(zip(mine.column_names, mine.columns, strict=True)), **more}
            found.append(pa.table({name: columns[name] for name in CLASS_WEAKEST.schema.names}))
        return pa.concat_tables(found)


COLUMNS = [name for name in CLASS_WEAKEST.schema.names if name not in ("score_source", "place", "min_evidence")]

ROWS = pa.schema([CLASS_WEAKEST.schema.field(name) for name in COLUMNS])
