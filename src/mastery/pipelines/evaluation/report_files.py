"""An evaluation as files in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from mastery.errors import BadInput
from mastery.pipelines.evaluation.evaluate import Evaluation
from mastery.pipelines.evaluation.report import as_json, markdown


def write_report(evaluation: Evaluation, out: Path) -> tuple[list[Path], str | None]:
    """Write evaluation.json, evaluation.md and reliability.png into a folder; return the files, and a note.

    Without matplotlib no picture is drawn, and the note says so; None where there is nothing to note.

    Raises:
        BadInput: `out` is a file.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; expected a folder to write the evaluation to")
    out.mkdir(parents=True, exist_ok=True)
    text, page, picture = out / "evaluation.json", out / "evaluation.md", out / "reliability.png"
    text.write_text(json.dumps(as_json(evaluation), indent=1) + "\n", "utf-8")
    said = markdown(evaluation)
    try:
        from mastery.pipelines.evaluation.charts import draw_reliability
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "matplotlib":
            raise
        page.write_text(said, "utf-8")
        return [text, page], "no picture is drawn: matplotlib is missing; install student-mastery-engine[charts]"
    draw_reliability(evaluation, picture)
    page.write_text(f"{said}\n![Reliability of each scorer]({picture.name})\n", "utf-8")
    return [text, page, picture], None
