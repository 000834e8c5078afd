"""Whether a fitted model set is fit to be shown to people: checks of its card against thresholds of the settings.

Each check says what was found, what is needed, and whether it passes, in one sentence. A set that fails one is not
activated unless somebody says so.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from mastery.errors import Conflict
from mastery.insight.words import counted, percent
from mastery.pipelines.models.card import ModelCard
from mastery.pipelines.models.fit import FEW_ANSWERS
from mastery.scorers import SPECS, shown_by_default
from mastery.settings.model import GateSettings

EARLIER = "was not measured when this set was fitted, by an earlier version; fit again to have it measured"
DEGENERATE_TOPICS = "degenerate_topics"
"""The measure of a fit that counts them."""


class Drift(BaseModel):
    """How the score that people see would change, on a sample of whole buckets of students."""

    against: str = Field(description="Version of the active set.")
    old_scorer: str
    new_scorer: str
    student_topics: int
    mean_difference: float = Field(description="Mean of |new − old|.")
    band_changes: float = Field(description="Share of student-topics in another band.")


class Check(BaseModel):
    """One threshold."""

    name: str = Field(description="As in the settings, after `gate.`.")
    passed: bool | None = Field(description="Null: not measured, which hinders nothing.")
    value: float | None
    threshold: float
    sentence: str


class Gate(BaseModel):
    """What a model set has to pass before it is activated without force."""

    version: str
    passed: bool
    scorer: str | None = Field(description="Whose predictions were judged: of those fitted, the one people are shown.")
    checks: list[Check]
    warnings: list[str] = Field([], description="What else should be known before it is activated.")

    @property
    def failed(self) -> list[str]:
        """The sentences of the checks that failed."""
        return [check.sentence for check in self.checks if check.passed is False]


class Unknown(BaseModel):
    """Answers of the lake on topics that a set knows nothing of, in a sample of whole buckets of students."""

    share: float = Field(description="Of all answers.")
    sentences: list[str]


def judge(
    card: ModelCard, limits: GateSettings, chosen: str | None, drift: Drift | None, unknown: Unknown | None
) -> Gate:
    """Return the gate of a fitted set.

    Args:
        chosen: The setting `scorer`; None for the default one.
        drift: Against the active set; None where that cannot be used, or is the set itself.
        unknown: What the set knows nothing of; None where there are no answers, or it was fitted to no topics.
    """
    name = judged(card, chosen)
    checks = [
        _at_least("answers", card.data.answers, limits.answers, "quiz answer"),
        _at_least("students", card.data.students, limits.students, "student"),
        _auc(card, name, limits.auc),
        _ece(card, name, limits.ece),
        _pooled(card, limits.pooled),
        _degenerate(card, limits.degenerate),
        _unknown(unknown, limits.unknown),
        _drift(drift, limits.drift),
    ]
    passed = all(check.passed is not False for check in checks)
    return Gate(
        version=card.version,
        passed=passed,
        scorer=name,
        checks=checks,
        warnings=[] if unknown is None else unknown.sentences,
    )


def judged(card: ModelCard, chosen: str | None) -> str | None:
    """Return whose predictions are judged: of the scorers that the fit found, the chosen one, else the one that people
    would be shown. None where it found none that has scores.
    """
    names = [name for name, one in card.scorers.items() if one.fitted and name in SPECS and SPECS[name].has_scores]
    return None if not names else chosen if chosen in names else shown_by_default(names)


def refuse(gate: Gate) -> None:
    """Raise Conflict where a check failed."""
    if not gate.passed:
        why = "; ".join(gate.failed)
        raise Conflict(
            f"{gate.version} is not activated: {why}. Fit again once there are more data, or change the threshold "
            "(settings gate.…); to activate it all the same, say --force (in Python, force=True)"
        )


def _at_least(name: str, number: int, least: int, noun: str) -> Check:
    told = f"{name}: it was fitted to {counted(number, noun)}; {least:,} or more are needed"
    return Check(name=name, passed=number >= least, value=number, threshold=least, sentence=told)


def _auc(card: ModelCard, name: str | None, least: float) -> Check:
    def check(passed: bool | None, told: str, value: float | None = None) -> Check:
        return Check(name="auc", passed=passed, value=value, threshold=least, sentence=f"auc: {told}")

    if name is None:
        return check(None, "no scorer whose score people are shown was fitted, so there is nothing to judge")
    one = card.scorers[name]
    area = one.held_out.get("auc")
    if area is None:
        told = f"whether {name} tells right answers from wrong ones is not known: those held out all ended alike"
        return check(False, told)
    if one.auc_95 is None:
        return check(None, f"how certain it is {EARLIER}")
    low = one.auc_95[0]
    found = (
        f"of a right and a wrong answer of students whom it had not seen, {name} rates the right one higher in "
        f"{percent(area)} of cases"
    )
    if low is None:
        return check(False, f"{found}, and how certain that is cannot be told of one student")
    sure = f"almost certainly in {percent(low)} or more" if low >= 0.005 else "so few that it may be none"
    told = f"{found}, and {sure}; above {percent(least)} is needed (guessing: 50 %)"
    return check(low > least, told, low)


def _ece(card: ModelCard, name: str | None, most: float) -> Check:
    off = None if name is None else card.scorers[name].held_out.get("ece")
    if off is None:
        told = "ece: there are no held-out answers to compare probabilities with"
        return Check(name="ece", passed=None, value=None, threshold=most, sentence=told)
    told = (
        f"ece: probabilities that {name} gave are {off * 100:.1f} points off the share of right answers that came, on "
        f"average; up to {most * 100:.1f} are accepted"
    )
    return Check(name="ece", passed=off <= most, value=off, threshold=most, sentence=told)


def _pooled(card: ModelCard, most: float) -> Check:
    few, topics = card.data.pooled_topics, card.data.topics
    if few is None or topics == 0:
        told = f"pooled: the number of topics with few answers {EARLIER}"
        return Check(name="pooled", passed=None, value=None, threshold=most, sentence=told)
    told = (
        f"pooled: {few:,} of {counted(topics, 'topic')} {'has' if few == 1 else 'have'} fewer than {FEW_ANSWERS} "
        f"answers, too few for numbers of their own; up to {percent(most)} are accepted"
    )
    return Check(name="pooled", passed=few / topics <= most, value=few / topics, threshold=most, sentence=told)


def _degenerate(card: ModelCard, most: float) -> Check:
    found = [
        (float(count), one.topics)
        for one in card.scorers.values()
        if one.fitted and one.topics and isinstance(count := one.measures.get(DEGENERATE_TOPICS), float | int)
    ]
    if not found:
        told = "degenerate: no scorer whose numbers tell of learning was fitted"
        return Check(name="degenerate", passed=None, value=None, threshold=most, sentence=told)
    count, topics = max(found, key=lambda one: one[0] / one[1])
    told = (
        f"degenerate: on {count:,.0f} of {counted(topics, 'topic')} the numbers cannot describe learning (guesses and "
        f"slips that hide knowing, or answers from which nobody learns); up to {percent(most)} are accepted"
    )
    return Check(name="degenerate", passed=count / topics <= most, value=count / topics, threshold=most, sentence=told)


def _unknown(found: Unknown | None, most: float) -> Check:
    if found is None:
        told = "unknown: there are no answers to look for its topics in"
        return Check(name="unknown", passed=None, value=None, threshold=most, sentence=told)
    told = (
        f"unknown: {percent(found.share)} of the answers are on topics that the fit has not seen; up to "
        f"{percent(most)} are accepted"
    )
    return Check(name="unknown", passed=found.share <= most, value=found.share, threshold=most, sentence=told)


def _drift(drift: Drift | None, most: float) -> Check:
    if drift is None or drift.student_topics == 0:
        told = "drift: there are no scores of another active set to compare with"
        return Check(name="drift", passed=None, value=None, threshold=most, sentence=told)
    scorers = drift.new_scorer if drift.new_scorer == drift.old_scorer else f"{drift.old_scorer} → {drift.new_scorer}"
    value = drift.mean_difference
    told = (
        f"drift: the score that people see ({scorers}) changes by {counted(round(value * 100), 'point')} on average, "
        f"and {percent(drift.band_changes)} of student-topics get another band; up to {most * 100:.0f} points are "
        "accepted"
    )
    return Check(name="drift", passed=value <= most, value=value, threshold=most, sentence=told)
