"""Prints what the tests ran, folder by folder, from the .coverage that `make test` wrote.

Compiled kernels are not counted: numba runs them as machine code, which coverage cannot see into.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from coverage import Coverage
from rich.console import Console
from rich.table import Table

SOURCE = Path("src/mastery").resolve()


def folder_of(file: Path) -> str:
    """Return the folder of a file below the package: two levels for pipelines, scorers and apps, else one."""
    inside = file.relative_to(SOURCE).parts[:-1]
    depth = 2 if inside[:1] in (("pipelines",), ("scorers",), ("apps",)) else 1
    return "/".join(inside[:depth]) or "."


def main() -> None:
    """Print the table."""
    data = Coverage()
    data.load()
    lines: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file in data.get_data().measured_files():
        _, statements, _, missing, _ = data.analysis2(file)
        for of in (folder_of(Path(file)), "together"):
            lines[of][0] += len(statements)
            lines[of][1] += len(missing)
    together = lines.pop("together", [0, 0])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("coverage of src/mastery", "lines", "not run", "run"):
        table.add_column(title, justify="left" if title.startswith("coverage") else "right")
    for folder, (count, missed) in [*sorted(lines.items()), ("all", together)]:
        table.add_row(folder, f"{count:,}", f"{missed:,}", f"{1 - missed / max(count, 1):.0%}")
    console = Console()
    console.print(table)
    console.print("Compiled kernels and commands run as processes of their own are not counted.", style="dim")


if __name__ == "__main__":
    main()
