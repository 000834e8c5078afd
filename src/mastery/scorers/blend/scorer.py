"""The blend: what all scorers say together, as one weighted sum of log-odds, calibrated.

Stacking in the manner of Wolpert (1992), Stacked generalization, Neural Networks 5(2), with weights that are not
negative as in Breiman (1996), Stacked regressions, Machine Learning 24(1), eq. 1; the weights are found on answers of
students that no member has learnt from (mastery.scorers.blend.fit).

    z     = bias + Σ w_k · logit(p_k)                     p_k: what member k expects, all w_k ≥ 0
    p     = σ(calibrated(z))                              a line in pieces that never falls
    last  = clamp((p − guess) / (1 − slip − guess))       the scale that all scorers share
    score = rest + λ(Δt) · (last − rest),                 rest = min(prior, last), λ slower the more days of study

A score is about answers without help: `unaided` is added to the calibrated log-odds before they become one. With
much more evidence on the topic than the fit saw, nobody knows what the members' sum stands for: trees stay where their
data ended, a recurrence runs on. There one of them that keeps up with the share of right answers has the say:

    share = n² / (n² + plenty²)                           n: evidence on the topic; plenty: the most that the fit saw
    p     = σ((1 − share) · calibrated(z) + share · logit(p_k))

For one
item p_k is the member's probability on that item, and p, without `unaided`, is the answer (`p_correct`). For a score
p_k is its probability at the topic's mean item as of the student's last event. Each step never falls when a member
rises, so a blend of monotone members keeps laws 6 and 7. The blend folds nothing: it reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import Batch
from mastery.features.counters import ACTIVE_DAYS, EVIDENCE, NEVER
from mastery.kernels import kernel
from mastery.log_odds import bounded_log_odds, bounded_sigmoid, log_odds
from mastery.scorers.base import Model, Parameter, Scores, check_topics, width
from mastery.scorers.blend.interval_numbers import FITTED, UNFITTED
from mastery.scorers.blend.starter_numbers import STARTER
from mastery.scorers.derived import Derived, Inputs, probability_of
from mastery.scorers.interval import forgotten, growth_parameter, interval, interval_parameters, retention, steadied
from mastery.scorers.parameters import Parameters, check_array
from mastery.scorers.spec import Intervals, ScorerSpec, Stage

NAME, VERSION = "blend", 2

T = TypeVar("T")

PARAMETERS = (
    Parameter("guess", 0.20, 0.0, 0.999, "probability of a right answer without any mastery"),
    Parameter("slip", 0.10, 0.0, 0.999, "probability of a wrong answer with full mastery"),
    Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the gain over the prior is forgotten"),
    growth_parameter(),
    Parameter("prior", 0.50, 0.001, 0.999, "score of a student nobody has seen: nothing is forgotten below it"),
    *interval_parameters(FITTED),
)
GUESS, SLIP, HALF_LIFE, GROWTH, PRIOR, INTERVAL = range(6)

WEIGHT_OF = "weight of "
"""The weight of a member stands in `shared` under this and its name."""

PLENTY_FOR = "plenty for "
"""`Mixture.plenty` stands in `shared` under this and the name of the anchor."""

CONTRIBUTIONS = (
    "start",
    "answers_right",
    "answers_wrong",
    "practice",
    "assignments",
    "learning",
    "past_answers",
    "other_topics",
    "video",
    "hints",
    "recency",
    "calibration",
    "limit",
    "forgetting",
)
"""Parts of members come together under their names; a name that is not among these counts as `other_topics`."""
START, OTHER, CALIBRATION, LIMIT, FORGETTING = (
    CONTRIBUTIONS.index(name) for name in ("start", "other_topics", "calibration", "limit", "forgetting")
)

NOT_YET = int(NEVER)
"""The time of the last activity where there was none: nothing has been seen that could be forgotten."""


@dataclass(frozen=True)
class Mixture:
    """What a blend has found in the answers of held-out students.

    Attributes:
        members: Names of scorers, in the order they are added up.
        weights: float64[M], none below 0.
        bias: In logits.
        knots_x, knots_y: float64[N], N ≥ 2. The calibration, on logits: x ascends, y never falls; the outer pieces go
            on beyond the ends.
        unaided: What is added in logits where nobody helps: a score's answers are without hints and no second tries.
        anchor: Who has the say where a score rests on far more evidence than the fit saw; None for nobody.
        plenty: Evidence at which it has half the say.
    """

    members: tuple[str, ...]
    weights: Floats
    bias: float
    knots_x: Floats
    knots_y: Floats
    unaided: float = 0.0
    anchor: str | None = None
    plenty: float = math.inf

    def shared(self) -> dict[str, Floats]:
        """Return it as arrays by name: what `Parameters.shared` holds."""
        return (
            {
                "bias": np.array([self.bias]),
                "knots_x": self.knots_x,
                "knots_y": self.knots_y,
                "unaided": np.array([self.unaided]),
            }
            | {WEIGHT_OF + name: np.array([weight]) for name, weight in zip(self.members, self.weights, strict=True)}
            | ({} if self.anchor is None else {PLENTY_FOR + self.anchor: np.array([self.plenty])})
        )


def mixture(shared: Mapping[str, Floats]) -> Mixture:
    """Return the mixture that `Parameters.shared` of a blend holds, without the members that weigh nothing.

    Raises:
        BadInput: a weight is negative, or the calibration falls somewhere: a right answer could lower a score.
    """
    of_members = [name for name in sorted(shared) if name.startswith(WEIGHT_OF)]
    for name in ("bias", "unaided", *of_members):
        check_array(f"blend: {name}", shared.get(name), np.float64, (1,))
        if name not in of_members and not np.isfinite(shared[name][0]):
            raise BadInput(f"blend: {name} is {shared[name][0]:g}; expected a finite number")
    weights = {name.removeprefix(WEIGHT_OF): float(shared[name][0]) for name in of_members}
    for name, weight in weights.items():
        if not weight >= 0.0:
            raise BadInput(f"blend: the weight of {name} is {weight:g}; expected a number that is not negative")
    weights = {name: weight for name, weight in weights.items() if weight > 0.0}
    anchors = [name for name in sorted(shared) if name.startswith(PLENTY_FOR)]
    for name in anchors:
        check_array(f"blend: {name}", shared[name], np.float64, (1,))
        if len(anchors) > 1 or not shared[name][0] > 0.0:
            raise BadInput(f"blend: {name} is {shared[name][0]:g}; expected one such number, above 0")
    found = Mixture(
        tuple(weights),
        np.array([*weights.values()], np.float64),
        float(shared["bias"][0]),
        np.asarray(shared.get("knots_x", ()), np.float64),
        np.asarray(shared.get("knots_y", ()), np.float64),
        float(shared["unaided"][0]),
        *((anchors[0].removeprefix(PLENTY_FOR), float(shared[anchors[0]][0])) if anchors else ()),
    )
    x, y = found.knots_x, found.knots_y
    if x.shape != y.shape or x.ndim != 1 or x.size < 2 or not (np.all(np.diff(x) > 0.0) and np.all(np.diff(y) >= 0.0)):
        raise BadInput("blend: the calibration is not a line in pieces that never falls; fit the blend again")
    return found


@kernel
def calibrated(z: float, knots_x: Floats, knots_y: Floats) -> float:
    """Return the logit that stands for logit z: a line in pieces, the outer ones going on beyond the ends."""
    low, high = 0, knots_x.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if knots_x[middle] <= z:
            low = middle
        else:
            high = middle
    rise = knots_y[high] - knots_y[low]
    found = knots_y[low] + (z - knots_x[low]) / (knots_x[high] - knots_x[low]) * rise
    # Rounding could let the line fall at a knot.
    if z <= knots_x[low]:
        return float(min(knots_y[low], found))
    if z <= knots_x[high]:
        return float(min(knots_y[high], max(knots_y[low], found)))
    return float(max(knots_y[high], found))


@kernel
def _predict(
    probabilities: Floats, weights: Floats, bias: float, knots_x: Floats, knots_y: Floats, out: Floats
) -> None:
    for i in range(out.size):
        z = bias
        for k in range(weights.size):
            z += weights[k] * bounded_log_odds(probabilities[k, i]) if not math.isnan(probabilities[k, i]) else math.nan
        out[i] = math.nan if math.isnan(z) else bounded_sigmoid(calibrated(z, knots_x, knots_y))


def predict(mix: Mixture, probabilities: Mapping[str, Floats]) -> Floats:
    """Return float64[n]: the probability of a right answer on each row's item, from what every member says of it.

    NaN where a member says nothing.

    Raises:
        BadInput: what a member says is missing.
    """
    rows = len(next(iter(probabilities.values()), np.zeros(0)))
    said = np.array([_of_member(name, probabilities) for name in mix.members]).reshape(len(mix.members), rows)
    out = np.empty(rows)
    _predict(said, mix.weights, mix.bias, mix.knots_x, mix.knots_y, out)
    return out


def predict_rows(_: Batch, parameters: Parameters, probabilities: Mapping[str, Floats], __: int) -> Floats:
    """See ScorerSpec.predict."""
    return predict(mixture(parameters.shared), probabilities)


class Members(NamedTuple):
    """What M members say of P slots at the student's last event: scores and probabilities, float64[M, P] each."""

    scores: Floats
    probabilities: Floats


class Anchor(NamedTuple):
    """What the anchor says of P slots at the student's last event, and its share of the say, float64[P] each."""

    scores: Floats
    probabilities: Floats
    share: Floats


class Curve(NamedTuple):
    """A `Mixture` as kernels take it."""

    weights: Floats
    bias: float
    knots_x: Floats
    knots_y: Floats
    unaided: float


class Slots(NamedTuple):
    """What is known of P slots.

    Attributes:
        slot_topic: int32[P]. Topic code.
        last_at_us: int64[P]. Time of the last evidence on the slot.
        evidence: float64[P]. How many observations on the slot weigh anything.
        active_days: float64[P]. Days with activity on the slot.
    """

    slot_topic: Int32s
    last_at_us: Int64s
    evidence: Floats
    active_days: Floats


@kernel
def _read(
    members: Members,
    anchor: Anchor,
    curve: Curve,
    slots: Slots,
    params: Floats,
    as_of_us: int,
    out: Floats,
    contributions: Floats,
) -> None:
    scores, probabilities = members.scores, members.probabilities
    weights, bias, knots_x, knots_y = curve.weights, curve.bias, curve.knots_x, curve.knots_y
    slot_topic, last_at_us = slots.slot_topic, slots.last_at_us
    evidence, active_days = slots.evidence, slots.active_days
    for p in range(slot_topic.size):
        t = slot_topic[p]
        guess, room = params[t, GUESS], 1.0 - params[t, SLIP] - params[t, GUESS]
        kept = 1.0
        if last_at_us[p] != NOT_YET:
            half_life_days = steadied(params[t, HALF_LIFE], params[t, GROWTH], active_days[p])
            kept = retention(as_of_us - last_at_us[p], half_life_days)
        z, own = bias, bias
        for k in range(weights.size):
            z += weights[k] * bounded_log_odds(probabilities[k, p])
            own += weights[k] * log_odds(scores[k, p])
        summed = calibrated(z, knots_x, knots_y) + curve.unaided
        share, anchored = anchor.share[p], bounded_log_odds(anchor.probabilities[p])
        reached = (1.0 - share) * summed + share * anchored
        last = bounded_sigmoid(bounded_log_odds((bounded_sigmoid(reached) - guess) / room))
        value = forgotten(last, params[t, PRIOR], kept)
        contributions[p, START] += (1.0 - share) * bias
        contributions[p, CALIBRATION] += (1.0 - share) * (summed - z)
        contributions[p, LIMIT] += (1.0 - share) * (z - own) + bounded_log_odds(last) - reached
        contributions[p, LIMIT] += share * (anchored - log_odds(anchor.scores[p]))
        contributions[p, FORGETTING] += bounded_log_odds(value) - bounded_log_odds(last)
        out[0, p] = value
        out[1, p], out[2, p] = interval(value, evidence[p] * kept, params, t, INTERVAL)


def blended(
    mix: Mixture,
    scores: Mapping[str, Scores],
    probabilities: Mapping[str, Floats],
    contribution_names: Mapping[str, Sequence[str]],
    slots: Slots,
    params: Floats,
    as_of_us: int,
) -> Scores:
    """Return the blend's scores of P slots.

    Args:
        scores: By member, as of the student's last event: nothing is forgotten in them since.
        probabilities: float64[P] by member: the probability of a right answer that its score stands for.
        contribution_names: By member, the names of its contributions, log-odds of its score.
        params: float64[T, len(PARAMETERS)] by topic code.

    Contributions are NaN where those of a member are.

    Law: the contributions add up to the log-odds of the score as exactly as those of the members do.

    Raises:
        BadInput: a member has not been read.
    """
    count = slots.slot_topic.size
    read = [_of_member(name, scores) for name in mix.members]
    out, total = np.empty((3, count)), np.zeros((count, len(CONTRIBUTIONS)), order="F")
    anchor = _anchor(mix, scores, probabilities, slots.evidence)
    said = [(weight * (1.0 - anchor.share), name) for name, weight in zip(mix.members, mix.weights, strict=True)]
    for share, name in said if mix.anchor is None else [*said, (anchor.share, mix.anchor)]:
        for column, word in enumerate(contribution_names[name]):
            booked = CONTRIBUTIONS.index(word) if word in CONTRIBUTIONS else OTHER
            total[:, booked] += share * scores[name].contributions[:, column]
    last = np.array([one.score for one in read]).reshape(len(read), count)
    expected = np.array([_of_member(name, probabilities) for name in mix.members]).reshape(len(read), count)
    curve = Curve(mix.weights, mix.bias, mix.knots_x, mix.knots_y, mix.unaided)
    _read(Members(last, expected), anchor, curve, slots, params, as_of_us, out, total)
    return Scores(out[0], out[1], out[2], total)


def _anchor(
    mix: Mixture, scores: Mapping[str, Scores], probabilities: Mapping[str, Floats], evidence: Floats
) -> Anchor:
    if mix.anchor is None:
        half = np.full(evidence.size, 0.5)
        return Anchor(half, half, np.zeros(evidence.size))
    squared = evidence * evidence
    share = squared / (squared + mix.plenty * mix.plenty)
    return Anchor(_of_member(mix.anchor, scores).score, _of_member(mix.anchor, probabilities), share)


def read(inputs: Inputs, parameters: Parameters, as_of_us: int) -> Scores:
    """See Derived.read."""
    mix = mixture(parameters.shared)
    params = parameters.topics.take(inputs.topics, parameters.default)
    evidence, active_days = (inputs.counters[:, column].astype(np.float64) for column in (EVIDENCE, ACTIVE_DAYS))
    guess, slip = params[inputs.slot_topic, GUESS], params[inputs.slot_topic, SLIP]
    probabilities = {
        name: probability_of(inputs, name, guess, slip)
        for name in {*mix.members, *([mix.anchor] if mix.anchor else [])}
        if name in inputs.scores
    }
    return blended(
        mix,
        inputs.scores,
        probabilities,
        inputs.contribution_names,
        Slots(inputs.slot_topic, inputs.last_at_us, evidence, active_days),
        params,
        as_of_us,
    )


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds, guess + slip ≥ 1, or the mixture breaks a law."""
    check_array("blend: parameters", model.params, np.float64, (len(model.params), width(PARAMETERS)))
    check_topics(NAME, PARAMETERS, model.params)
    mixture(model.shared)


def _of_member(name: str, given: Mapping[str, T]) -> T:
    if name not in given:
        raise BadInput(f"the blend has a member {name!r} that says nothing here; there are: {', '.join(sorted(given))}")
    return given[name]


DERIVED = Derived(
    name=NAME,
    version=VERSION,
    scale="log_odds",
    parameters=PARAMETERS,
    contributions=CONTRIBUTIONS,
    read=read,
)

SPEC = ScorerSpec(
    name=NAME,
    label="All together (blend)",
    stage=Stage.BLEND,
    fit="mastery.scorers.blend.fit:fit",
    derived=DERIVED,
    predict="mastery.scorers.blend.scorer:predict_rows",
    check="mastery.scorers.blend.scorer:check",
    works_unfitted=True,
    starter=STARTER,
    intervals=Intervals(UNFITTED, FITTED),
    on_shared_scale=True,
    shown_rank=2,
    item_rank=2,
)

UNCONSTRAINED_SPEC = ScorerSpec(
    name="blend_unconstrained",
    label="All together, unconstrained",
    stage=Stage.BLEND,
    fit="mastery.scorers.blend.fit:fit",
    predict="mastery.scorers.blend.scorer:predict_rows",
    check="mastery.scorers.blend.scorer:check",
    monotone=False,
    item_rank=3,
)
