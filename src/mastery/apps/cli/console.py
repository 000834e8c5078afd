"""What people see: plain lines, tables, bars. Standard output is for results, standard error for all else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
    from rich.table import Table
    from rich.text import Text

PIPED_WIDTH = 140
"""Columns of a line where no terminal says how many it has."""

COLOURS = {
    "needs_help": "dark_orange3",
    "developing": "orange3",
    "proficient": "steel_blue1",
    "mastered": "dodger_blue1",
    "not_enough_evidence": "bright_black",
}
"""Colour of each band: the dashboard's, as near as a terminal comes."""

WORDS = {
    "needs_help": "needs help",
    "developing": "developing",
    "proficient": "proficient",
    "mastered": "mastered",
    "not_enough_evidence": "too little evidence",
}

NARROW_BAR = 12
"""Characters of an interval where there is little room."""

GAP = 3
"""Characters between two columns of a table."""

SPARKS = "▁▂▃▄▅▆▇█"


JOINED = "\ue000"
"""Stands for a space at which no line is broken: rich breaks lines at every kind of space."""


def console(*, error: bool = False) -> Console:
    """Return where to print. A pipe gets wide lines without colours, unless COLUMNS says otherwise."""
    import os

    from rich.console import Console
    from rich.segment import Segment

    class PipedConsole(Console):
        """Leaves it to `main` to end the process when nobody reads any more; rich would exit with 1."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            raise BrokenPipeError

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text.replace(JOINED, " "), style, control)

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    return PipedConsole(stderr=error, width=width, highlight=False)


def say(message: str) -> None:
    """Print a line for people on standard error, where it spoils no pipe."""
    sys.stderr.write(printable(message) + "\n")


def printable(text: str) -> str:
    """Return the text with what a terminal would obey (escape sequences, line ends) written out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def prose(text: str) -> Text:
    """Return a sentence in which no line is broken between a number and its %."""
    from rich.text import Text

    return Text(printable(text).replace(" %", f"{JOINED}%"))


def number(value: int) -> str:
    """Return a count with its thousands apart."""
    return f"{value:,}"


def hundredths(share: float) -> str:
    """Return a share in [0, 1] as whole hundredths, rounded down: 0.599 is not yet 60."""
    return str(int(share * 100 + 1e-9))


def heading(topic_id: str, title: str | None, student_id: str) -> Text:
    """Return the line above what is shown of one student on one topic."""
    from rich.text import Text

    return Text("", "bold").append_text(titled(topic_id, title)).append(f", student {student_id}")


def origin(as_of: datetime, source: str, model_version: str) -> Text:
    """Return the line that says of which moment, by whom and with which model set it is."""
    from rich.text import Text

    return Text(f"as of {as_of:%-d %B %Y %H:%M %Z} · {source} · model {model_version}\n", "bright_black")


def plain_table(*columns: str, right: tuple[str, ...] = (), wrap: Mapping[str, int] | None = None) -> Table:
    """Return an empty table without lines.

    Args:
        columns: Their heads.
        right: Those that hold numbers.
        wrap: Column → characters that it takes at least. Where any is named, no other column is wrapped.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name in columns:
        whole = name in right or (wrap is not None and name not in wrap)
        least = None if wrap is None else wrap.get(name)
        justify: JustifyMethod = "right" if name in right else "left"
        table.add_column(name, justify=justify, no_wrap=whole, min_width=least, overflow="fold")
    return table


def numbers_table(out: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of numbers with a name in the first column; where it does not fit, the numbers of each name stand
    one below the other, each with its head.
    """
    first, *others = heads
    wide = plain_table(*heads, right=tuple(others), wrap={})
    narrow = plain_table(first, "", wrap={"": 20})
    for name, *cells in rows:
        wide.add_row(name, *cells)
        narrow.add_row(name, below(*(f"{head} {cell}" for head, cell in zip(others, cells, strict=True))))
    return first_that_fits(out, wide, narrow)


def first_that_fits(out: Console, *tables: Table) -> Table:
    """Return the first table that fits into the width; where none does, the last with its cells below each other."""
    for table in tables:
        widths = _widths(out, table)
        spare = out.width - GAP * (len(widths) - 1) - sum(least for least, _ in widths)
        if spare >= 0:
            _deal_out(table, widths, spare)
            return table
    return _below_each_other(tables[-1])


def _below_each_other(table: Table) -> Table:
    """Return the table in one column: the cells of a row below each other, then its numbers with their heads.

    rich would cut the end of each line where columns side by side have no room.
    """
    heads = [str(column.header) for column in table.columns]
    narrow = plain_table(", ".join(filter(None, heads)))
    narrow.show_header, narrow.leading = table.show_header, 1
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        columns = list(zip(heads, table.columns, cells, strict=True))
        numbers = [f"{head}: {cell}" for head, column, cell in columns if column.justify == "right" and str(cell)]
        narrow.add_row(below(*(cell for _, column, cell in columns if column.justify != "right"), ", ".join(numbers)))
    return narrow


def _widths(out: Console, table: Table) -> list[tuple[int, int]]:
    """Return of each column the characters that it needs so that no word, and no cell that is not wrapped, is cut; and
    those with which nothing is wrapped.
    """
    from rich.measure import Measurement

    unbounded = out.options.update(max_width=10_000)
    found = []
    for column in table.columns:
        cells = [Measurement.get(out, unbounded, cell) for cell in (column.header, *column.cells)]
        most = max(column.min_width or 0, *(cell.maximum for cell in cells))
        least = max(column.min_width or 0, *(cell.minimum for cell in cells))
        found.append((most if column.no_wrap else least, most))
    return found


def _deal_out(table: Table, widths: Sequence[tuple[int, int]], spare: int) -> None:
    """Set the widths of columns, what is to spare dealt out to those that still wrap.

    rich takes from the widest column first, gives it its least width back, and cuts the end of each line instead.
    """
    given = [least for least, _ in widths]
    while spare > 0 and (wrapped := [k for k, (_, most) in enumerate(widths) if given[k] < most]):
        for k in wrapped[:spare]:
            more = min(max(1, spare // len(wrapped)), widths[k][1] - given[k])
            given[k] += more
            spare -= more
    for column, width in zip(table.columns, given, strict=True):
        column.width = width


def titled(topic_id: str, title: str | None) -> Text:
    """Return what people call a topic, and the id that commands want beside it."""
    from rich.text import Text

    if title is None:
        return Text(printable(topic_id))
    return Text(printable(title)).append(f" ({printable(topic_id)})", "bright_black")


def below(*parts: Text | str) -> Text:
    """Return texts one below the other, for a narrow terminal."""
    from rich.text import Text

    return Text("\n").join(part if isinstance(part, Text) else Text(printable(part)) for part in parts if part)


def band(name: str) -> Text:
    """Return a band in words, in its colour."""
    from rich.text import Text

    return Text(WORDS[name], COLOURS[name])


def interval_bar(score: float, lower: float, upper: float, name: str, width: int = 20) -> Text:
    """Return 0 to 1 as a line of `width` characters: the interval drawn through, the score a dot on it."""
    from rich.text import Text

    def place(share: float) -> int:
        return min(width - 1, int(share * width))

    first, at, last = place(lower), place(score), place(upper)
    bar = Text("·" * first, "bright_black")
    bar.append("━" * (at - first), COLOURS[name])
    bar.append("●", f"bold {COLOURS[name]}")
    bar.append("━" * (last - at), COLOURS[name])
    bar.append("·" * (width - 1 - last), "bright_black")
    return bar


def stacked_bar(counts: dict[str, int], width: int = 16) -> Text:
    """Return counts by band as one line in the bands' colours."""
    from rich.text import Text

    bar = Text()
    total = sum(counts.values())
    if total == 0:
        return bar
    marks = {"needs_help": "█", "developing": "▓", "proficient": "▒", "mastered": "░", "not_enough_evidence": "·"}
    so_far = 0
    for name, mark in marks.items():
        first = round(width * so_far / total)
        so_far += counts.get(name, 0)
        bar.append(mark * (round(width * so_far / total) - first), COLOURS[name])
    return bar


def sparkline(shares: Sequence[float | None], width: int = 60) -> str:
    """Return shares in [0, 1] as small blocks, the newest last; of more than `width` the last ones. None is a dot."""
    return "".join("·" if share is None else _spark(share) for share in shares[-width:])


def _spark(share: float) -> str:
    return SPARKS[min(len(SPARKS) - 1, int(share * len(SPARKS)))]
