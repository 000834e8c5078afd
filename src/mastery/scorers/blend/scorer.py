"""The blend: what all scorers say together, as one weighted sum of log-odds, calibrated.

Stacking in the manner of Wolpert (1992), Stacked generalization, Neural Networks 5(2), with weights that are not
negative as in Breiman (1996), Stacked regressions, Machine Learning 24(1), eq. 1; the weights are found on answers of
students that no member has learnt from (mastery.scorers.blend.fit).

The answer to one item (`p_correct`), p_k: the probability that member k gives it:

    z     = bias + Σ w_k · logit(p_k)                     all w_k ≥ 0
    p     = σ(calibrated(z))                              a line in pieces that never falls

A score, p_k: the probability at the topic's mean item as of the student's last event, of the members that move with the
answers alone (`ScorerSpec.steady`):

    z     = Σ v_k · logit(p_k)                            all v_k ≥ 0, Σ v_k = 1: among its members
    last  = clamp((σ(z) − guess) / (1 − slip − guess))    the scale that all scorers share
    score = rest + λ(Δt) · (last − rest),                 rest = min(prior, last), λ slower the more days of study

A fit moves `last` to where simulated students like the school's truly are (mastery.scorers.blend.correct):

    last' = σ(moved(logit(last)) + learnt(a))             a: answers on the topic up to the last right one

Neither `moved` nor `learnt` ever falls. With more evidence than the fit saw they fade, like all that it found.

So a right answer never lowers a score, and a wrong one never raises it. Δt is the time since something was done on the
topic that was not answered wrong: what was forgotten, a wrong answer does not bring back. With much more evidence on
the topic than the fit saw, nobody knows what the members' sum stands for: trees stay where their data ended. There a
scorer that keeps up with the share of right answers has the say, its score read as a part of the way it can go:

    share = n² / (n² + plenty²)                           n: evidence on the topic; plenty: the most that the fit saw
    p     = σ((1 − share) · z + share · logit(p_k)),      p_k of (score_k − low) / (high − low)

Each step never falls when a member rises, so a blend of monotone members keeps laws 6 and 7. A mixture without v_k
makes scores of w_k / Σ w, calibrated like the answers. The blend folds nothing: it reads.
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
from mastery.features.counters import ANSWERS_TO_RIGHT, EVIDENCE
from mastery.kernels import kernel
from mastery.log_odds import bounded_log_odds, bounded_sigmoid, log_odds
from mastery.scorers.base import Model, Parameter, Scores, check_topics, width
from mastery.scorers.blend.interval_numbers import FITTED, UNFITTED
from mastery.scorers.blend.starter_numbers import STARTER
from mastery.scorers.derived import Derived, Inputs, probability_of, retained
from mastery.scorers.interval import forgotten, growth_parameter, interval, interval_parameters
from mastery.scorers.parameters import Parameters, check_array
from mastery.scorers.spec import Intervals, ScorerSpec, Stage

NAME, VERSION = "blend", 4

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

SCORE_WEIGHT_OF = "score weight of "
"""Likewise, what it weighs in scores."""

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

AS_IS = np.array([-1.0, 1.0])
"""Knots of a calibration that changes nothing."""

LEAST_SUM = 1e-6
"""Weights that add up to less say nothing; they are left as they are."""


LEAST_WAY = 1e-3
"""Of a scorer that hardly moves on a topic, parts of its way say nothing; its scores are left as they are."""


class Curve(NamedTuple):
    """What kernels make scores by: weights that add up to 1, and a calibration."""

    weights: Floats
    knots_x: Floats
    knots_y: Floats


LEARNT_AT = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Numbers of answers up to the last right one, for which a correction says by how much scores are moved."""


class Correction(NamedTuple):
    """What moves scores to where simulated students like the deployment's truly are; see mastery.scorers.blend.correct.

    Attributes:
        knots_x, knots_y: float64[N], N ≥ 2. On log-odds of the score: a line as that of `Mixture`.
        learnt: float64[len(LEARNT_AT)]. What is added after it, by the number of answers up to the last right one;
            never falls.
    """

    knots_x: Floats
    knots_y: Floats
    learnt: Floats


UNCORRECTED = Correction(AS_IS, AS_IS, np.zeros(len(LEARNT_AT)))

CORRECTED_BY = ("score knots_x", "score knots_y", "learnt")
"""The fields of a `Correction` stand in `shared` under these."""


def learnt_by(answers: Int64s, learnt: Floats) -> Floats:
    """Return float64[n] of int64[n]: a line through `learnt` at the logs of 1 + `LEARNT_AT`, level beyond."""
    found: Floats = np.interp(np.log1p(answers), np.log1p(LEARNT_AT), learnt)
    return found


@dataclass(frozen=True)
class Mixture:
    """What a blend has found in the answers of held-out students.

    Attributes:
        members: Names of scorers, in the order they are added up.
        weights: float64[M], none below 0.
        bias: In logits.
        knots_x, knots_y: float64[N], N ≥ 2. The calibration, on logits: x ascends, y never falls; the outer pieces go
            on beyond the ends.
        score_weights: By member, what it weighs in scores; None: what it weighs in answers.
        anchor: Who has the say where a score rests on far more evidence than the fit saw; None for nobody.
        plenty: Evidence at which it has half the say.
        correction: What is made of scores at the end; None: nothing.
    """

    members: tuple[str, ...]
    weights: Floats
    bias: float
    knots_x: Floats
    knots_y: Floats
    score_weights: Mapping[str, float] | None = None
    anchor: str | None = None
    plenty: float = math.inf
    correction: Correction | None = None

    def of_scores(self) -> tuple[tuple[str, ...], Curve]:
        """Return the members that scores are made of, and how: weights that add up to 1, then a calibration.

        Without weights of their own, that of answers: bias and the sum of the weights are part of its calibration.
        """
        if self.score_weights is not None:
            weights = np.array([*self.score_weights.values()])
            return tuple(self.score_weights), Curve(weights / weights.sum(), AS_IS, AS_IS)
        total = float(self.weights.sum())
        total = total if total > LEAST_SUM else 1.0
        return self.members, Curve(self.weights / total, (self.knots_x - self.bias) / total, self.knots_y)

    def shared(self) -> dict[str, Floats]:
        """Return it as arrays by name: what `Parameters.shared` holds."""
        return (
            {
                "bias": np.array([self.bias]),
                "knots_x": self.knots_x,
                "knots_y": self.knots_y,
            }
            | {WEIGHT_OF + name: np.array([weight]) for name, weight in zip(self.members, self.weights, strict=True)}
            | {SCORE_WEIGHT_OF + name: np.array([weight]) for name, weight in (self.score_weights or {}).items()}
            | ({} if self.anchor is None else {PLENTY_FOR + self.anchor: np.array([self.plenty])})
            | ({} if self.correction is None else dict(zip(CORRECTED_BY, self.correction, strict=True)))
        )


def mixture(shared: Mapping[str, Floats]) -> Mixture:
    """Return the mixture that `Parameters.shared` of a blend holds, without the members that weigh nothing.

    Raises:
        BadInput: a weight is negative, or the calibration falls somewhere: a right answer could lower a score.
    """
    check_array("blend: bias", shared.get("bias"), np.float64, (1,))
    if not np.isfinite(shared["bias"][0]):
        raise BadInput(f"blend: bias is {shared['bias'][0]:g}; expected a finite number")
    weights, score_weights = (_weights(shared, prefix) for prefix in (WEIGHT_OF, SCORE_WEIGHT_OF))
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
        score_weights or None,
        anchors[0].removeprefix(PLENTY_FOR) if anchors else None,
        float(shared[anchors[0]][0]) if anchors else math.inf,
        _correction(shared),
    )
    _check_line(found.knots_x, found.knots_y)
    return found


def _correction(shared: Mapping[str, Floats]) -> Correction | None:
    if not any(name in shared for name in CORRECTED_BY):
        return None
    found = Correction(*(np.asarray(shared.get(name, ()), np.float64) for name in CORRECTED_BY))
    _check_line(found.knots_x, found.knots_y)
    check_array("blend: learnt", found.learnt, np.float64, (len(LEARNT_AT),))
    if not (np.isfinite(found.learnt).all() and np.all(np.diff(found.learnt) >= 0.0)):
        raise BadInput("blend: what is learnt falls with the number of answers; fit the blend again")
    return found


def _check_line(x: Floats, y: Floats) -> None:
    if x.shape != y.shape or x.ndim != 1 or x.size < 2 or not (np.all(np.diff(x) > 0.0) and np.all(np.diff(y) >= 0.0)):
        raise BadInput("blend: the calibration is not a line in pieces that never falls; fit the blend again")


def _weights(shared: Mapping[str, Floats], prefix: str) -> dict[str, float]:
    """Return the weights that are not 0 by member."""
    found = {}
    for name in sorted(name for name in shared if name.startswith(prefix)):
        check_array(f"blend: {name}", shared[name], np.float64, (1,))
        weight = float(shared[name][0])
        if not weight >= 0.0:
            raise BadInput(f"blend: the {name} is {weight:g}; expected a number that is not negative")
        if weight > 0.0:
            found[name.removeprefix(prefix)] = weight
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
    """What the anchor says of P slots at the student's last event, and its share of the say, float64[P] each.

    `probabilities` are of the scores as parts of the way that the anchor can go; `scores` are its own.
    """

    scores: Floats
    probabilities: Floats
    share: Floats


class Slots(NamedTuple):
    """What is known of P slots: topic codes, int32[P], and counters, int64[P, len(COUNTERS)]."""

    slot_topic: Int32s
    counters: Int64s


class Moves(NamedTuple):
    """A `Correction` as kernels take it: its line, and what is added for each of P slots, float64[P]."""

    knots_x: Floats
    knots_y: Floats
    learnt: Floats


@kernel
def _read(
    members: Members,
    anchor: Anchor,
    curve: Curve,
    moves: Moves,
    slots: Slots,
    params: Floats,
    as_of_us: int,
    out: Floats,
    contributions: Floats,
) -> None:
    scores, probabilities = members.scores, members.probabilities
    slot_topic, counters = slots.slot_topic, slots.counters
    for p in range(slot_topic.size):
        t = slot_topic[p]
        guess, room = params[t, GUESS], 1.0 - params[t, SLIP] - params[t, GUESS]
        kept, known = retained(counters[p], params[t, HALF_LIFE], params[t, GROWTH], as_of_us)
        z = own = 0.0
        for k in range(curve.weights.size):
            z += curve.weights[k] * bounded_log_odds(probabilities[k, p])
            own += curve.weights[k] * log_odds(scores[k, p])
        summed = calibrated(z, curve.knots_x, curve.knots_y)
        share, anchored = anchor.share[p], bounded_log_odds(anchor.probabilities[p])
        reached = (1.0 - share) * summed + share * anchored
        plain = bounded_log_odds((bounded_sigmoid(reached) - guess) / room)
        moved = calibrated(plain, moves.knots_x, moves.knots_y) + moves.learnt[p]
        last = bounded_sigmoid((1.0 - share) * moved + share * plain)  # plain + … moved − plain would round down, too
        value = forgotten(last, params[t, PRIOR], kept)
        contributions[p, CALIBRATION] += (1.0 - share) * (summed - z) + bounded_log_odds(last) - plain
        contributions[p, LIMIT] += (1.0 - share) * (z - own) + plain - reached
        contributions[p, LIMIT] += share * (anchored - log_odds(anchor.scores[p]))
        contributions[p, FORGETTING] += bounded_log_odds(value) - bounded_log_odds(last)
        out[0, p] = value
        out[1, p], out[2, p] = interval(value, counters[p, EVIDENCE] * known, params, t, INTERVAL)


def blended(
    mix: Mixture,
    scores: Mapping[str, Scores],
    probabilities: Mapping[str, Floats],
    contribution_names: Mapping[str, Sequence[str]],
    slots: Slots,
    params: Floats,
    as_of_us: int,
    anchored: Floats | None = None,
) -> Scores:
    """Return the blend's scores of P slots.

    Args:
        scores: By member, as of the student's last event: nothing is forgotten in them since.
        probabilities: float64[P] by member: the probability of a right answer that its score stands for.
        contribution_names: By member, the names of its contributions, log-odds of its score.
        params: float64[T, len(PARAMETERS)] by topic code.
        anchored: float64[P]. The probability that the anchor's score stands for as a part of the way that it can go;
            None: the one of its score.

    Contributions are NaN where those of a member are.

    Law: the contributions add up to the log-odds of the score as exactly as those of the members do.

    Raises:
        BadInput: a member has not been read.
    """
    count = slots.slot_topic.size
    names, curve = mix.of_scores()
    read = [_of_member(name, scores) for name in names]
    out, total = np.empty((3, count)), np.zeros((count, len(CONTRIBUTIONS)), order="F")
    anchored = probabilities.get(mix.anchor or "") if anchored is None else anchored
    anchor = _anchor(mix, scores, anchored, slots.counters[:, EVIDENCE].astype(np.float64))
    said = [(weight * (1.0 - anchor.share), name) for name, weight in zip(names, curve.weights, strict=True)]
    for share, name in said if mix.anchor is None else [*said, (anchor.share, mix.anchor)]:
        for column, word in enumerate(contribution_names[name]):
            booked = CONTRIBUTIONS.index(word) if word in CONTRIBUTIONS else OTHER
            total[:, booked] += share * scores[name].contributions[:, column]
    last = np.array([one.score for one in read]).reshape(len(read), count)
    expected = np.array([_of_member(name, probabilities) for name in names]).reshape(len(read), count)
    correction = UNCORRECTED if mix.correction is None else mix.correction
    learnt = learnt_by(slots.counters[:, ANSWERS_TO_RIGHT], correction.learnt)
    moves = Moves(correction.knots_x, correction.knots_y, learnt)
    _read(Members(last, expected), anchor, curve, moves, slots, params, as_of_us, out, total)
    return Scores(out[0], out[1], out[2], total)


def _anchor(mix: Mixture, scores: Mapping[str, Scores], anchored: Floats | None, evidence: Floats) -> Anchor:
    if mix.anchor is None or anchored is None:
        half = np.full(evidence.size, 0.5)
        return Anchor(half, half, np.zeros(evidence.size))
    squared = evidence * evidence
    share = squared / (squared + mix.plenty * mix.plenty)
    return Anchor(_of_member(mix.anchor, scores).score, anchored, share)


def read(inputs: Inputs, parameters: Parameters, as_of_us: int) -> Scores:
    """See Derived.read."""
    mix = mixture(parameters.shared)
    params = parameters.topics.take(inputs.topics, parameters.default)
    guess, slip = params[inputs.slot_topic, GUESS], params[inputs.slot_topic, SLIP]
    probabilities = {
        name: probability_of(inputs, name, guess, slip) for name in mix.of_scores()[0] if name in inputs.scores
    }
    return blended(
        mix,
        inputs.scores,
        probabilities,
        inputs.contribution_names,
        Slots(inputs.slot_topic, inputs.counters),
        params,
        as_of_us,
        None if mix.anchor is None else guess + (1.0 - guess - slip) * far(inputs, mix.anchor),
    )


def far(inputs: Inputs, name: str) -> Floats:
    """Return float64[P]: a scorer's scores as parts of the way that it can go.

    irt on a topic that tells little of abilities reads 17 after 3,000 wrong answers and 85 after as many right ones.

    Raises:
        BadInput: the scorer has not been read.
    """
    score = _of_member(name, inputs.scores).score
    if name not in inputs.reach:
        return score
    low, high = (end[inputs.slot_topic] for end in inputs.reach[name])
    way = high - low
    found: Floats = np.where(way > LEAST_WAY, np.clip((score - low) / np.maximum(way, LEAST_WAY), 0.0, 1.0), score)
    return found


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
    correct="mastery.scorers.blend.correct:corrected",
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
