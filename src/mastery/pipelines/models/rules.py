"""Where the rules that people write come from, and how they are written: a shipped form by name, or a file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from mastery.errors import BadInput, did_you_mean, why_unreadable
from mastery.scorers import written
from mastery.scorers.scoring_rules import ScoringRules
from mastery.scorers.spec import load


def shipped_rules() -> dict[str, str]:
    """Return the YAML text of each form that is shipped, by name."""
    folder = files("mastery") / "rules"
    return {
        entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def load_rules(name_or_path: str) -> ScoringRules:
    """Return a shipped form by its name, or the rules in a YAML file.

    Raises:
        BadInput: neither a name nor a readable file, or rules that cannot be used.
    """
    shipped = shipped_rules()
    if name_or_path in shipped:
        return _parsed(shipped[name_or_path], f"rules {name_or_path!r}")
    try:
        text = Path(name_or_path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"rules {name_or_path!r}: no such form{did_you_mean(name_or_path, list(shipped))}, and not a file that "
            f"can be read ({why_unreadable(error)}); known forms: {', '.join(shipped)}"
        ) from error
    return _parsed(text, name_or_path)


def text_of(rules: ScoringRules) -> str:
    """Return the rules as a YAML text that `load_rules` reads back from a file."""
    text: str = load(written()[1].text)(rules)
    return text


def _parsed(text: str, source: str) -> ScoringRules:
    rules: ScoringRules = load(written()[1].parse)(text, source)
    return rules
