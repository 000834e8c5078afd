"""One table as delta-rs opens it, and what it says of itself from what it has read of the log.

Most of that is in memory once the table is open. The number of an application transaction, a vacuum and a commit read
the log again, and fail where it is another one by then; see `Handle`.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError

from mastery.errors import Conflict
from mastery.lake import leftovers
from mastery.lake.location import TableLocation
from mastery.lake.object_store import unreachable
from mastery.tables import Table


def open_table(place: TableLocation, table: Table, options: Mapping[str, str] | None) -> DeltaTable | None:
    """Return the table that lies in a folder; None where none does.

    Raises:
        Conflict: Something else lies there; see `leftovers.obstacle`, and `check`.
    """
    for last_look in (False, True):
        try:
            delta = DeltaTable(place.uri, storage_options=None if options is None else dict(options))
            check(place, table, delta)
            return delta
        except TableNotFoundError:
            found = leftovers.obstacle(place, table)
            if found is None:
                return None
        except (DeltaError, OSError) as error:
            found = unreachable(error, place.uri) or Conflict(
                f"{place.uri} cannot be read as a Delta table: {first_line(error)}"
            )
            found.__cause__ = error
        if last_look:  # otherwise somebody may have made it, or put it back, while it was looked at
            raise found
    return None


def check(place: TableLocation, table: Table, delta: DeltaTable) -> None:
    """Raise Conflict unless the table has our partitions and, if it is not published, our columns and types."""
    odd = other_columns(table, delta)
    if odd and not (table.published or table.grows):  # those are read by name; see `columns.by_name`
        raise Conflict(
            f"table {table.name!r} in {place.uri} differs from this version's in {', '.join(odd)}; "
            "it was made by another version or program: ingest the files again into a new home, or use the version "
            "that made this one"
        )
    if tuple(delta.metadata().partition_columns) != table.partition_by:
        raise Conflict(
            f"table {table.name!r} in {place.uri} is cut by {delta.metadata().partition_columns}, "
            f"expected {list(table.partition_by)}; another program made it: use another home"
        )


def other_columns(table: Table, delta: DeltaTable) -> list[str]:
    """Return the columns that are not the same in a table as it is and as this version of the program has it."""
    have = {field.name: field.type for field in Schema.from_arrow(delta.schema()).fields}
    want = {field.name: field.type for field in Schema.from_arrow(table.schema).fields}
    return sorted(name for name in have.keys() | want.keys() if have.get(name) != want.get(name))


def latest(delta: DeltaTable | None, column: str) -> int | None:
    """Return the greatest value of a time column in microseconds, from the statistics of the files."""
    return None if delta is None else pc.max(instants(delta, column)["at"]).as_py()


def instants(delta: DeltaTable | None, column: str) -> pa.Table:
    """Return `path` and `at`, the latest instant in microseconds, of each live file; null where the log does not say
    it: of rows without one, and of files that another program has merged.
    """
    assert delta is not None
    actions, said = pa.table(delta.get_add_actions(flatten=True)), f"max.{column}"
    if said not in actions.column_names:
        return pa.table({"path": actions.column("path"), "at": pa.nulls(actions.num_rows, pa.int64())})
    at = actions.column(said).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return pa.table({"path": actions.column("path"), "at": at})


def first_line(error: Exception) -> str:
    """Return what delta-rs says without the chain of causes that follows it."""
    return str(error).strip().partition("\n")[0]
