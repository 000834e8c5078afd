"""ml, the monotone form: boosted trees over counts of a student's answers and what the other scorers make of them.

Chen & Guestrin (2016), XGBoost: a scalable tree boosting system, KDD, with monotone constraints; fitted by
mastery.scorers.boosting.fit and read here without the library (mastery.scorers.boosting.trees).

    m     = base + Σ trees(features)                      log-odds of a right answer
    p     = σ(m)                                          at one item, or at the topic's mean item
    last  = clamp((p − guess) / (1 − slip − guess))       the scale that all scorers share
    score = rest + λ(Δt) · (last − rest),                 rest = min(prior, last), λ slower the more days of study

Every feature that a better answer moves, it moves the way that the trees are held to (`FEATURES`), so scores keep laws
6 and 7 as far as the scorers they read keep them. What each step does: docs/scorers/ml.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mastery.arrays import Floats, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import Batch
from mastery.features.counters import ANSWERS, EVIDENCE, RIGHT
from mastery.kernels import inlined_kernel, kernel
from mastery.log_odds import FARTHEST, bounded_sigmoid, log_odds, log_odds_of, sigmoid_of
from mastery.scorers.base import Model, Parameter, Scores, check_items, check_topics, width
from mastery.scorers.boosting.features import ANSWERED, FEATURES, MEMBERS, pre_answer_features, slot_features
from mastery.scorers.boosting.interval_numbers import FITTED
from mastery.scorers.boosting.trees import check_trees, trees_of
from mastery.scorers.derived import BEFORE_ALL_US, Columns, Derived, Inputs, among, forget, probability_of
from mastery.scorers.interval import growth_parameter, interval, interval_parameters
from mastery.scorers.parameters import Parameters, check_array
from mastery.scorers.spec import Intervals, ScorerSpec, Stage

NAME, VERSION = "ml", 3

PARAMETERS = (
    Parameter("base", 0.0, -10.0, 10.0, "log-odds of a right answer on the topic, over all students"),
    Parameter("guess", 0.20, 0.0, 0.999, "probability of a right answer without any mastery"),
    Parameter("slip", 0.10, 0.0, 0.999, "probability of a wrong answer with full mastery"),
    Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the gain over the prior is forgotten"),
    growth_parameter(),
    Parameter("prior", 0.50, 1e-6, 1.0 - 1e-6, "score of a student nobody has seen: nothing is forgotten below it"),
    *interval_parameters(FITTED),
)
BASE, GUESS, SLIP, HALF_LIFE, GROWTH, PRIOR, INTERVAL = range(7)
ITEM_PARAMETERS = (Parameter("base", 0.0, -10.0, 10.0, "log-odds of a right answer on the item, over all students"),)

CONTRIBUTIONS = (
    "start",
    "answers_right",
    "answers_wrong",
    "practice",
    "assignments",
    "learning",
    "other_topics",
    "video",
    "hints",
    "recency",
    "limit",
    "forgetting",
)
START, ANSWERS_RIGHT, ANSWERS_WRONG, OTHER, LIMIT, FORGETTING = (
    CONTRIBUTIONS.index(name)
    for name in ("start", "answers_right", "answers_wrong", "other_topics", "limit", "forgetting")
)

CONTRIBUTION_OF = np.array(
    [-1 if feature.booked_as == ANSWERED else CONTRIBUTIONS.index(feature.booked_as) for feature in FEATURES], np.int64
)
"""By feature: the contribution of a score that it is booked under, −1 where its sign decides."""


@inlined_kernel
def mastery(margin: float, guess: float, slip: float) -> float:
    """Return the score that a probability of σ(margin) at the mean item stands for."""
    known = (bounded_sigmoid(margin) - guess) / (1.0 - slip - guess)
    least = bounded_sigmoid(-FARTHEST)
    return min(1.0 - least, max(least, known))


@kernel
def _last(margins: Floats, evidence: Floats, slot_topic: Int32s, params: Floats, out: Floats, limit: Floats) -> None:
    for p in range(slot_topic.size):
        t = slot_topic[p]
        out[0, p] = mastery(margins[p], params[t, GUESS], params[t, SLIP])
        out[1, p], out[2, p] = interval(out[0, p], evidence[p], params, t, INTERVAL)
        limit[p] = log_odds(out[0, p]) - margins[p]


@kernel
def _booked(by_feature: Floats, counters: Int64s, booked_as: Int64s, contributions: Floats) -> None:
    """Add by_feature float64[P, F], what each feature contributes, to the contributions of the score.

    What answers owe is booked by its sign; where the student has no such answer on the topic, it comes from others.
    """
    for p in range(by_feature.shape[0]):
        right, wrong = counters[p, RIGHT] > 0, counters[p, ANSWERS] > counters[p, RIGHT]
        for f in range(by_feature.shape[1]):
            owed, contribution = by_feature[p, f], booked_as[f]
            if contribution < 0:
                if owed >= 0.0:
                    contribution = ANSWERS_RIGHT if right else OTHER
                else:
                    contribution = ANSWERS_WRONG if wrong else OTHER
            contributions[p, contribution] += owed


def member_probabilities(inputs: Inputs, members: Int64s, params: Floats) -> Floats:
    """Return float64[len(MEMBERS), P]: what each member expects at the mean item; NaN where it is not asked.

    Raises:
        BadInput: a member that the trees were fitted with gives no scores.
    """
    probabilities = np.full((len(MEMBERS), inputs.slot_topic.size), np.nan)
    guess, slip = params[inputs.slot_topic, GUESS], params[inputs.slot_topic, SLIP]
    for k in np.flatnonzero(members):
        if MEMBERS[k] not in inputs.scores:
            raise BadInput(
                f"ml was fitted with the scores of {MEMBERS[k]}, which this model set does not hold; "
                f"fit ml again, or add {MEMBERS[k]} to the set"
            )
        probabilities[k] = probability_of(inputs, MEMBERS[k], guess, slip)
    return probabilities


def scores_at_last_activity(inputs: Inputs, parameters: Parameters, params: Floats) -> Scores:
    """Return the scores at last activity; params: float64[T, K] of the inputs' topics."""
    shared, slots = parameters.shared, inputs.slot_topic.size
    probabilities = member_probabilities(inputs, shared["members"], params)
    base = np.ascontiguousarray(params[:, BASE])
    features = slot_features(inputs.slot_student, inputs.slot_topic, inputs.counters, base, probabilities)
    trees, start = trees_of(shared), float(shared["start"][0])
    evidence, slot_topic = inputs.counters[:, EVIDENCE].astype(np.float64), inputs.slot_topic
    if inputs.wanted is not None:
        features, evidence = features[inputs.wanted], evidence[inputs.wanted]
        slot_topic = slot_topic[inputs.wanted]
    out, limit = np.empty((3, evidence.size)), np.empty(evidence.size)
    _last(start + trees.margins(features), evidence, slot_topic, params, out, limit)
    if not inputs.explain:
        found = Scores(out[0], out[1], out[2], np.broadcast_to(np.nan, (evidence.size, len(CONTRIBUTIONS))))
        return found if inputs.wanted is None else among(found, inputs.wanted, slots)
    contributions = np.zeros((slots, len(CONTRIBUTIONS)))
    by_feature, expected = trees.contributions(features)
    contributions[:, START] = start + expected
    _booked(by_feature, inputs.counters, CONTRIBUTION_OF, contributions)
    contributions[:, LIMIT] += limit
    return Scores(out[0], out[1], out[2], contributions)


def read(inputs: Inputs, parameters: Parameters, as_of_us: int) -> Scores:
    """See Derived.read. Law: the contributions add up to the log-odds of the score to 1e-9."""
    params = parameters.topics.take(inputs.topics, parameters.default)
    last = inputs.scores[NAME] if NAME in inputs.scores else scores_at_last_activity(inputs, parameters, params)
    if as_of_us == BEFORE_ALL_US:
        return last
    out = forget(last.score, inputs, params, Columns(HALF_LIFE, GROWTH, PRIOR, INTERVAL), as_of_us)
    if not inputs.explain:
        return Scores(out[0], out[1], out[2], last.contributions)
    contributions = last.contributions.copy()
    contributions[:, FORGETTING] = log_odds_of(out[0]) - log_odds_of(last.score)
    return Scores(out[0], out[1], out[2], contributions)


def predict(batch: Batch, parameters: Parameters, probabilities: Mapping[str, Floats]) -> Floats:
    """Return float64[n]: before each row's event, the probability of a right answer on its item; NaN without weight.

    `probabilities` holds what each member that the trees were fitted with predicts of the same rows.
    """
    model, shared = parameters.model(batch.topics, batch.uses), parameters.shared
    wanted = [MEMBERS[k] for k in np.flatnonzero(shared["members"])]
    missing = [name for name in wanted if name not in probabilities]
    if missing:
        raise BadInput(
            f"ml was fitted with what {missing[0]} predicts; it is not among {', '.join(sorted(probabilities))}"
        )
    rows = np.flatnonzero(batch.weight > 0.0)
    topic_base, item_base = bases(batch, model)
    features, _ = pre_answer_features(
        batch, rows, topic_base, item_base, {name: probabilities[name] for name in wanted}
    )
    out = np.full(batch.slot.size, np.nan)
    out[rows] = sigmoid_of(float(shared["start"][0]) + trees_of(shared).margins(features))
    return out


def predict_rows(batch: Batch, parameters: Parameters, probabilities: Mapping[str, Floats], _: int) -> Floats:
    """See ScorerSpec.predict."""
    return predict(batch, parameters, probabilities)


def bases(batch: Batch, model: Model) -> tuple[Floats, Floats]:
    """Return float64[n] each: the log-odds of each row's topic, and of its item (the topic's where it is unknown)."""
    topic = model.params[batch.slot_topic[batch.slot], BASE]
    if model.items.shape[0] == 0:
        return topic, topic
    own = model.items[np.maximum(batch.use, 0), 0]
    return topic, np.where((batch.use < 0) | np.isnan(own), topic, own)


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds, guess + slip ≥ 1, or the trees are none."""
    check_array("ml: parameters", model.params, np.float64, (len(model.params), width(PARAMETERS)))
    check_topics(NAME, PARAMETERS, model.params)
    check_array("ml: items", model.items, np.float64, (len(model.items), width(ITEM_PARAMETERS)))
    check_items(NAME, ITEM_PARAMETERS, model.items)
    check_array("ml: start", model.shared.get("start"), np.float64, (1,))
    check_array("ml: members", model.shared.get("members"), np.int64, (len(MEMBERS),))
    check_trees(model.shared, len(FEATURES))


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
    label="Boosted trees (ML)",
    stage=Stage.PROBABILITIES,
    fit="mastery.scorers.boosting.fit:fit_to_probabilities",
    needs=("bkt", *MEMBERS),
    derived=DERIVED,
    predict="mastery.scorers.boosting.scorer:predict_rows",
    check="mastery.scorers.boosting.scorer:check",
    intervals=Intervals(None, FITTED),
    on_shared_scale=True,
    steady=True,
)

UNCONSTRAINED_SPEC = ScorerSpec(
    name="ml_unconstrained",
    label="Boosted trees, unconstrained",
    stage=Stage.PROBABILITIES,
    fit="mastery.scorers.boosting.fit_unconstrained:fit_to_probabilities",
    needs=("bkt", "elo", "irt", "linear_rnn", "linear_rnn_unconstrained"),
    predict="mastery.scorers.boosting.unconstrained:predict_rows",
    check="mastery.scorers.boosting.unconstrained:check",
    monotone=False,
)
