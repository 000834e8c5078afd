"""Item response theory, online: what is known of a student's ability and of each topic, as probabilities on a fixed
grid.

Birnbaum (1968), Some latent trait models, in Lord & Novick, Statistical theories of mental test scores; Barton & Lord
(1981), An upper asymptote for the three-parameter logistic item-response model. A topic's proficiency φ is the
student's ability θ and what is particular to the topic:

    θ ~ N(0, 1),   φ | θ ~ N(θ, spread²),   P(right | φ) = lower + (upper − lower) · σ(a (φ − b))

    seen_t(φ)    likelihood of the answers on topic t; after each answer it is times P or 1 − P, then spread out by
                 `drift` to its neighbours, because students change: old answers count less and less
    ability(θ)   ∝ N(θ) · Π_t M_t(θ),   M_t(θ) = Σ_φ K(φ | θ) · seen_t(φ)       K: the normal density on the grid
    topic t(φ)   ∝ seen_t(φ) · Σ_θ K(φ | θ) · ability(θ) / M_t(θ)

Without drift it is Bayes' rule on the grid. **Law 6 holds by proof**: P / (1 − P) rises with φ, so a better answer
changes seen_t by a factor that rises with φ. Such an order of likelihood ratios outlives products, and sums against K
and against the spreading out, which are totally positive (Karlin & Rinott 1980, Classes of orderings of measures and
related correlation inequalities I, Journal of Multivariate Analysis 10(4)). So M_t, ability and every topic can only
move up, whatever comes later; and a topic's own answers are not counted twice. The score grows with the mean of φ.

Time does nothing to a state: forgetting is applied when a score is read.
"""

from __future__ import annotations

import math

import numpy as np

from mastery.arrays import Floats, Int32s
from mastery.features.batch import BatchArrays
from mastery.kernels import kernel
from mastery.log_odds import log_odds, sigmoid, sigmoid_of
from mastery.scorers.base import (
    Model,
    Parameter,
    Scorer,
    Scores,
    check_items,
    check_topics,
    folding_by,
    predicting_by,
    reading_by,
    walk_of,
)
from mastery.scorers.interval import forgotten, interval, interval_parameters, retention
from mastery.scorers.irt.grid import (
    NODES,
    SEEN,
    CurveAnswer,
    learn,
    make_scratch,
    moments,
    node_values,
    tables_of,
    weigh,
)
from mastery.scorers.irt.interval_numbers import FITTED
from mastery.scorers.irt.reach import ends
from mastery.scorers.spec import Intervals, ScorerSpec, Stage

LAST, RIGHT, WRONG, PRACTISED, ASSIGNED = range(5)  # SEEN and what follows: what has been seen of the topic, by node
STATE = (
    "last_at_us", "from_right", "from_wrong", "from_practice", "from_assignments",
    *(f"seen_{node:02d}" for node in range(NODES)),
)  # fmt: skip
STUDENT_STATE = tuple(f"ability_{node:02d}" for node in range(NODES))

PARAMETERS = (
    Parameter("discrimination", 1.0, 0.05, 6.0, "a of the topic's mean item: how steeply its probability rises"),
    Parameter("difficulty", 0.0, -10.0, 10.0, "b of the topic's mean item, in standard deviations of ability"),
    Parameter("guess", 0.20, 0.0, 0.999, "probability of a right answer without any mastery: 0 of the score"),
    Parameter("slip", 0.10, 0.0, 0.999, "probability of a wrong answer with full mastery: 1 of the score"),
    Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the gain over the prior is forgotten"),
    Parameter("spread", 0.8, 0.3, 3.0, "standard deviation of a student's topics around the ability"),
    Parameter("drift", 0.08, 0.02, 0.24, "share of what is known of a topic that moves to each neighbour per answer"),
    Parameter("lower", 0.0, 0.0, 0.45, "probability of a right answer that no ability is too low for"),
    Parameter("upper", 1.0, 0.55, 1.0, "probability of a right answer that no ability exceeds"),
    *interval_parameters(FITTED),
)
SLOPE, DIFFICULTY, GUESS, SLIP, HALF_LIFE, SPREAD, DRIFT, LOWER, UPPER, INTERVAL = range(10)
ITEM_PARAMETERS = PARAMETERS[:2]

CONTRIBUTIONS = ("start", "answers_right", "answers_wrong", "practice", "assignments", "other_topics", "forgetting")

INFORMATION = 0.18
"""What one answer tells, on average, in 1 / variance, as in elo: the evidence of an interval is counted in answers."""

LEAST_SCORE = 1e-6
"""Scores are read within this of 0 and 1: their log-odds are the contributions."""

FOR_RIGHT = np.array([RIGHT, PRACTISED, ASSIGNED, RIGHT, RIGHT, RIGHT])
FOR_WRONG = np.array([WRONG, PRACTISED, ASSIGNED, WRONG, WRONG, WRONG])
"""By kind of event: the column that what was right in it goes to, and that for what was wrong."""


def information(
    theta: Floats | float, a: Floats | float, b: Floats | float, c: Floats | float = 0.0, upper: Floats | float = 1.0
) -> Floats:
    """Return what an answer to an item tells about an ability: P′² / (P (1 − P)), in 1 / variance of θ.

    Birnbaum (1968), section 20.2. With c = 0 and upper = 1 that is a² P (1 − P), highest at θ = b. Arguments are
    broadcast against each other.
    """
    x = np.clip(np.asarray(a) * (np.asarray(theta) - np.asarray(b)), -300.0, 300.0)
    p, q = sigmoid_of(x), sigmoid_of(-x)
    span = np.asarray(upper) - np.asarray(c)
    right, wrong = c + span * p, (1.0 - np.asarray(upper)) + span * q
    found: Floats = (np.asarray(a) * span * p * q) ** 2 / (right * wrong)
    return found


@kernel
def mastery(mean: float, params: Floats, t: int) -> float:
    """Return the score of a proficiency on the topic's mean item: guessing and slipping taken out."""
    probability = sigmoid(params[t, SLOPE] * (mean - params[t, DIFFICULTY]))
    right = params[t, LOWER] + (params[t, UPPER] - params[t, LOWER]) * probability
    share = (right - params[t, GUESS]) / (1.0 - params[t, GUESS] - params[t, SLIP])
    return min(1.0 - LEAST_SCORE, max(LEAST_SCORE, share))


@kernel
def score(mean: float, sd: float, params: Floats, t: int, elapsed_us: float) -> tuple[float, float, float]:
    """Return (score, lower, upper) a time after the last answer; mean, sd: of what is known of the topic.

    The evidence is what has been added to the precision, 1 / sd², in answers; as much of it counts as is retained.
    """
    prior, kept = mastery(0.0, params, t), retention(elapsed_us, params[t, HALF_LIFE])
    value = forgotten(mastery(mean, params, t), prior, kept)
    evidence = max(0.0, 1.0 / (sd * sd) - 1.0 / (1.0 + params[t, SPREAD] * params[t, SPREAD])) / INFORMATION
    lower, upper = interval(value, evidence * kept, params, t, INTERVAL)
    return value, lower, upper


@kernel
def probability_of(
    mean: float, state: Floats, p: int, weights: Floats, curve: int, curves: Floats, params: Floats, t: int, at_us: int
) -> float:
    """Return the probability of a right answer on an item's curve at a time, forgetting included."""
    x = params[t, SLOPE] * (mean - params[t, DIFFICULTY])
    last = sigmoid(x)
    prior = sigmoid(-(params[t, SLOPE] * params[t, DIFFICULTY]))
    now = forgotten(last, prior, retention(at_us - state[p, LAST], params[t, HALF_LIFE]))
    odds = 1.0 if now >= last else now * (1.0 - last) / ((1.0 - now) * last)
    mass = right = 0.0
    for g in range(NODES):
        w = weights[g] * state[p, SEEN + g]
        mass += w
        right += w * odds * curves[curve, NODES + g] / (odds * curves[curve, NODES + g] + curves[curve, g])
    return min(1.0, max(0.0, params[t, LOWER] + (params[t, UPPER] - params[t, LOWER]) * right / mass))


@kernel
def book(state: Floats, p: int, kind: int, y: float, moved: float) -> None:
    """Book the step of an event under what it was: right, wrong, or in part and then by its direction.

    A wrong answer to a hard item may tell less than the spreading out takes back, and moves the mean up: after 3,000
    wrong answers steps up came to 30 log-odds. That is no right answer.
    """
    right = y >= 1.0 or (y > 0.0 and moved > 0.0)
    state[p, FOR_RIGHT[kind] if right else FOR_WRONG[kind]] += moved


@kernel
def _fold(
    batch: BatchArrays, params: Floats, items: Floats, state: Floats, students: Floats, history: Floats,
    probability: Floats, as_of_us: int,
) -> None:  # fmt: skip
    student_ptr, slot_topic, slot = batch.student_ptr, batch.slot_topic, batch.slot
    item, at_us, kind, y, weight, row = batch.use, batch.at_us, batch.kind, batch.y, batch.weight, batch.row
    day_end_us, day_ptr, cell_ptr, cell_slot = batch.day_end_us, batch.day_ptr, batch.cell_ptr, batch.cell_slot
    tables, which = tables_of(params, items, SPREAD)
    scratch, weights = make_scratch(), np.empty(NODES)
    (curves, kernels), others = tables, scratch.others
    topics, d = params.shape[0], 0
    for s in range(student_ptr.size - 1):
        for i in range(student_ptr[s], student_ptr[s + 1]):
            if probability.size and (i == student_ptr[s] or row[i] != row[i - 1]):
                j = i
                while j < student_ptr[s + 1] and row[j] == row[i]:
                    if weight[j] > 0.0:
                        p, t = slot[j], slot_topic[slot[j]]
                        c = topics + item[j] if item[j] >= 0 and not math.isnan(items[item[j], 0]) else t
                        mean, _ = weigh(students, s, state, p, kernels, which[t], others, weights)
                        probability[j] = probability_of(mean, state, p, weights, c, curves, params, t, at_us[j])
                    j += 1
            if weight[i] > 0.0:
                p, t = slot[i], slot_topic[slot[i]]
                c = topics + item[i] if item[i] >= 0 and not math.isnan(items[item[i], 0]) else t
                before, _ = weigh(students, s, state, p, kernels, which[t], others, weights)
                answer = CurveAnswer(c, y[i], weight[i], params[t, LOWER], params[t, UPPER], params[t, DRIFT])
                learn(students, s, state, p, tables, which[t], scratch, answer)
                after, _ = moments(state, p, weights)
                moved = log_odds(mastery(after, params, t)) - log_odds(mastery(before, params, t))
                state[p, LAST] = at_us[i]
                book(state, p, kind[i], y[i], moved)
            if i + 1 == day_ptr[d + 1]:
                if history.shape[1]:
                    at = min(day_end_us[d], as_of_us)
                    for cell in range(cell_ptr[d], cell_ptr[d + 1]):
                        p, t = cell_slot[cell], slot_topic[cell_slot[cell]]
                        mean, sd = weigh(students, s, state, p, kernels, which[t], others, weights)
                        low_to_high = score(mean, sd, params, t, at - state[p, LAST])
                        history[0, cell], history[1, cell], history[2, cell] = low_to_high
                d += 1


@kernel
def _read(
    state: Floats, students: Floats, slot_student: Int32s, slot_topic: Int32s, params: Floats, as_of_us: int,
    scores: Scores,
) -> None:  # fmt: skip
    """Write every slot's score: the topic's mean item at the mean of what is known of the topic."""
    made, lower, upper, contributions = scores
    (_, kernels), which = tables_of(params, np.empty((0, 2)), SPREAD)
    others, weights = np.empty(NODES), np.empty(NODES)
    for p in range(state.shape[0]):
        t = slot_topic[p]
        mean, sd = weigh(students, slot_student[p], state, p, kernels, which[t], others, weights)
        made[p], lower[p], upper[p] = score(mean, sd, params, t, as_of_us - state[p, LAST])
        last = log_odds(mastery(mean, params, t))
        contributions[p, 0] = log_odds(mastery(0.0, params, t))
        contributions[p, 1], contributions[p, 2] = state[p, RIGHT], state[p, WRONG]
        contributions[p, 3], contributions[p, 4] = state[p, PRACTISED], state[p, ASSIGNED]
        # What no answer of this topic did was done by those on others, through the ability.
        contributions[p, 5] = last - (
            contributions[p, 0] + contributions[p, 1] + contributions[p, 2] + contributions[p, 3] + contributions[p, 4]
        )
        contributions[p, 6] = log_odds(made[p]) - last


def start_slots(params: Floats, slot_topic: Int32s) -> Floats:
    """Return the state of each slot before any event: every proficiency as likely as any."""
    state = np.zeros((slot_topic.size, len(STATE)))
    state[:, SEEN:] = 1.0
    state[:, LAST] = np.nan
    return state


def start_students(params: Floats, students: int) -> Floats:
    """Return the state of each student before any event: ability N(0, 1) on the grid."""
    density = np.exp(-0.5 * node_values() ** 2)
    tiled: Floats = np.tile(density / density.sum(), (students, 1))
    return tiled


def reach(params: Floats) -> tuple[Floats, Floats]:
    """Return float64[T] twice: the scores that endless wrong and endless right answers on a topic end at."""
    found = np.empty((2, params.shape[0]))
    for t, row in enumerate(params):
        for end, mean in enumerate(ends(*row[[SLOPE, DIFFICULTY, SPREAD, DRIFT, LOWER, UPPER]].tolist())):
            found[end, t] = mastery(mean, params, t)
    return found[0], found[1]


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds, or guess + slip ≥ 1."""
    check_topics("irt", PARAMETERS, model.params)
    check_items("irt", ITEM_PARAMETERS, model.items)


WALK = walk_of(_fold)

SCORER = Scorer(
    name="irt",
    version=2,
    scale="log_odds",
    slot_state=STATE,
    student_state=STUDENT_STATE,
    parameters=PARAMETERS,
    item_parameters=ITEM_PARAMETERS,
    contributions=CONTRIBUTIONS,
    start_slots=start_slots,
    start_students=start_students,
    fold_rows=folding_by(WALK),
    predict_rows=predicting_by(WALK),
    read_slots=reading_by(_read, len(CONTRIBUTIONS)),
    check=check,
    reach=reach,
)

SPEC = ScorerSpec(
    name=SCORER.name,
    label="Item response (IRT)",
    stage=Stage.ANSWERS,
    fit="mastery.scorers.irt.fit:fit",
    needs=("bkt",),
    scorer=SCORER,
    one_answer="mastery.scorers.irt.one_answer:steps",
    intervals=Intervals(None, FITTED),
    on_shared_scale=True,
    keeps_up=True,
)
