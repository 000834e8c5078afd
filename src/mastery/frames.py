"""Frames of other libraries at the door: pandas, polars, pyarrow and DuckDB relations in, their own kind back out.

narwhals tells the libraries apart and imports none of them; nothing of ours depends on pandas, polars or DuckDB here.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mastery.arrays import Floats
from mastery.errors import BadInput

EXPECTED = "a frame of pandas, polars or pyarrow, a DuckDB relation, or the path of a file"


@dataclass(frozen=True)
class Frame:
    """A frame as it came in, and its rows as an Arrow table.

    Attributes:
        native: The frame itself; a lazy one computed once, so that its rows have one order.
        table: The same columns, row by row, but for those that were left out. An index of pandas is no column.
        left_out: Columns that Arrow has no type for and nobody needs, with what is wrong with each.
        kind: pandas, polars, pyarrow or duckdb: what frames made for the same caller should be.
        lazy: Whether it came as a lazy frame of polars.
    """

    native: Any
    table: pa.Table
    kind: str
    lazy: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)

    def with_column(self, name: str, values: Floats) -> Any:
        """Return the frame in its own kind with one more column, the last; NaN becomes null.

        Rows, their order and the other columns stay as they are. A column of that name is replaced, where it stands.
        """
        import narwhals as nw

        column = pa.array(values, pa.float64(), from_pandas=True)
        if self.kind in ("pyarrow", "duckdb"):
            place = self.native.schema.get_field_index(name)
            found = (
                self.native.append_column(name, column) if place < 0 else self.native.set_column(place, name, column)
            )
            return frame_of(found, self.kind)
        known = nw.from_native(self.native, eager_only=True)
        # pandas keeps its index: a series of another index is put in by position.
        series = nw.new_series(name, column.to_numpy(zero_copy_only=False), nw.Float64, backend=known.implementation)
        found = known.with_columns(series)
        if self.kind == "polars":  # where a missing number is null, not NaN
            found = found.with_columns(nw.when(~nw.col(name).is_nan()).then(nw.col(name)).alias(name))
        return found.lazy().to_native() if self.lazy else found.to_native()


def read_frame(source: Any, needed: Container[str] | None = None) -> Frame:
    """Return a frame with its rows as an Arrow table.

    Args:
        needed: Columns that must be readable; another one that is not is left out of the table. None for all.

    Raises:
        BadInput: It is no frame, or a needed column holds what Arrow has no type for.
    """
    import narwhals as nw

    if isinstance(source, pa.Table):
        return Frame(source, source, "pyarrow")
    try:
        known = nw.from_native(source)
    except TypeError:
        given = type(source)
        name = given.__qualname__ if given.__module__ == "builtins" else f"{given.__module__}.{given.__qualname__}"
        raise BadInput(f"{name} cannot be read; expected {EXPECTED}") from None
    except ValueError as error:  # two columns of one name
        raise BadInput(f"the frame cannot be read: {_on_one_line(error)}") from None
    try:
        if isinstance(known, nw.LazyFrame):
            kind = "duckdb" if known.implementation.is_duckdb() else "polars"
            eager = known.collect("pyarrow" if kind == "duckdb" else "polars")
            return Frame(eager.to_native(), _plain(eager.to_arrow()), kind, lazy=kind == "polars")
        pandas = known.implementation.is_pandas()
        native = known.to_native()
        table, left_out = _arrow(known, pandas, needed)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise BadInput(
            f"the frame cannot be read ({_on_one_line(error)}); give each column one type: texts, numbers or times"
        ) from None
    return Frame(native, table, str(known.implementation.to_native_namespace().__name__), left_out=left_out)


def _arrow(known: Any, pandas: bool, needed: Container[str] | None) -> tuple[pa.Table, dict[str, str]]:
    """Return an eager frame of narwhals as Arrow, and the columns that were left out, with what is wrong with each."""

    def converted(frame: Any) -> pa.Table:
        found = pa.Table.from_pandas(frame.to_native(), preserve_index=False) if pandas else frame.to_arrow()
        return _plain(found)

    try:
        return converted(known), {}
    except (pa.ArrowException, TypeError, ValueError):
        if needed is None:
            raise
    columns, left_out = {}, {}
    for name in known.columns:
        try:
            columns[str(name)] = converted(known.select(name)).column(0)
        except (pa.ArrowException, TypeError, ValueError) as error:
            if name in needed:
                raise
            left_out[str(name)] = _on_one_line(error)
    return pa.table(columns), left_out


def frame_of(table: pa.Table, kind: str) -> Any:
    """Return an Arrow table as a frame of a kind: pandas, polars, pyarrow or duckdb.

    Raises:
        BadInput: The kind is unknown, or its library is not installed.
    """
    if kind == "pyarrow":
        return table
    if kind not in ("pandas", "polars", "duckdb"):
        raise BadInput(f"unknown kind of frame {kind!r}; expected pandas, polars, pyarrow or duckdb")
    try:
        __import__(kind)
    except ImportError:
        raise BadInput(f"{kind} is not installed; install it, or ask for frames of pyarrow") from None
    library = sys.modules[kind]
    if kind == "pandas":
        return table.to_pandas()
    return library.from_arrow(table)


def _plain(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None)


def _on_one_line(error: Exception) -> str:
    """Return what another library says of its error, on one line; the second argument of pyarrow's names the column."""
    said = "; ".join(map(str, error.args)) if error.args else str(error)
    return " ".join(said.split())
