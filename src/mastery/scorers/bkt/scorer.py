"""Bayesian Knowledge Tracing, with forgetting by elapsed time inside its chain.

Corbett & Anderson (1995), Knowledge tracing: modeling the acquisition of procedural knowledge, UMUAI 4(4), eqs. 1-3;
forgetting as in Khajah, Lindsey & Mozer (2016), How deep is knowledge tracing?, EDM, but per elapsed day. Between two
events a known topic becomes unknown with probability 1 − λ(Δt), λ(Δt) = 2^(−Δt / half-life): a proper hidden Markov
model.

Everything runs on the odds o = P(known) / P(unknown), where the three steps are cheap and their logs are what is
booked:

    forget   o ← λ o / (1 + (1 − λ) o)
    answer   o ← o · ((1 − slip) / guess)^(w y) · (slip / (1 − guess))^(w (1 − y))
    forget   o ← o · (1 − f) / (1 + f o)                    by answers: off unless it was fitted
    learn    o ← (o + l) / (1 − l)

Forgetting by answers comes before learning, so that its probability does not depend on p_learn: what stays known is
1 − p_forget (1 − p_learn), and learn + forget never exceeds 1. guess and slip may be the item's own. At a topic's first
event the start moves with how the student did so far, o ← o · e^(pull · excess / (answers + pull_answers)); excess
is the sum of weight · (y − expected share of the topic) over the answers before; and so do the odds of every
probability of learning, by pull_learning. After Pardos & Heffernan (2010), Modeling individualization in a Bayesian
networks implementation of knowledge tracing, UMAP, and Yudelson, Koedinger & Gordon (2013), Individualized Bayesian
knowledge tracing models, AIED. The excess only grows with right answers, so no right answer can lower a score.

The kernel keeps the product of the factors of forgetting and takes its log when it is read; what learning added is the
rest of the log-odds: a log per step and event halved its speed. What each parameter does: docs/scorers/bkt.md.
"""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats, Int32s
from mastery.features.batch import Batch
from mastery.features.columns import KINDS
from mastery.scorers.base import (
    Model,
    Parameter,
    Scorer,
    Scores,
    check_guess_and_slip,
    check_items,
    check_topics,
    empty_scores,
    predicting_by,
)
from mastery.scorers.bkt.interval_numbers import FITTED, UNFITTED
from mastery.scorers.bkt.kernels import (
    FORGET,
    FORGOT,
    GUESS_PRACTICE,
    INIT,
    INTERVAL,
    ITEM_GUESS,
    ITEM_SLIP,
    LAST,
    LEARN,
    ODDS,
    SLIP_PRACTICE,
    STATE,
    STUDENT_STATE,
    fold_answer,
    fold_in_order,
    fold_slots,
    needs_no_order,
    read_states,
)
from mastery.scorers.bkt.starter_numbers import STARTER
from mastery.scorers.interval import interval_parameters
from mastery.scorers.spec import Intervals, ScorerSpec, Stage

PARAMETERS = (
    Parameter("p_init", 0.30, 0.001, 0.999, "probability that a topic is known before any event"),
    Parameter("guess", 0.20, 0.001, 0.999, "probability of a right answer without knowing"),
    Parameter("slip", 0.10, 0.001, 0.999, "probability of a wrong answer in spite of knowing"),
    Parameter("half_life_days", 120.0, 0.1, 36_500.0, "days after which half of the known is forgotten"),
    Parameter("p_learn", 0.10, 0.0, 0.99, "probability of learning from answering one question"),
    Parameter("p_learn_practice", 0.14, 0.0, 0.99, "probability of learning from one practice session"),
    Parameter("p_learn_assignment", 0.10, 0.0, 0.99, "probability of learning from one assignment"),
    Parameter("p_learn_video", 0.06, 0.0, 0.99, "probability of learning from a video watched in full"),
    Parameter("p_learn_tutor", 0.08, 0.0, 0.99, "probability of learning from a tutor chat that resolved everything"),
    Parameter("p_forget", 0.0, 0.0, 0.5, "probability of forgetting with one answer, before learning from it"),
    Parameter("guess_practice", 0.20, 0.001, 0.499, "guess in practice sessions and assignments"),
    Parameter("slip_practice", 0.10, 0.001, 0.499, "slip in practice sessions and assignments"),
    Parameter("expected_share", 0.65, 0.0, 1.0, "share of right answers on the topic, over all students"),
    Parameter("pull", 0.0, 0.0, 12.0, "log-odds at the start for each unit of excess"),
    Parameter(
        "pull_learning", 0.0, 0.0, 12.0, "log-odds added to every probability of learning for each unit of excess"
    ),
    Parameter("pull_answers", 5.0, 1.0, 100.0, "answers that halve the excess of having none"),
    *interval_parameters(UNFITTED),
)
ITEM_PARAMETERS = (
    Parameter("guess", 0.20, 0.001, 0.999, "probability of a right answer on the item without knowing its topic"),
    Parameter("slip", 0.10, 0.001, 0.999, "probability of a wrong answer on the item in spite of knowing its topic"),
)

CONTRIBUTIONS = (
    "start", "answers_right", "answers_wrong", "practice", "assignments", "learning", "other_topics", "limit",
    "forgetting",
)  # fmt: skip


def start_slots(params: Floats, slot_topic: Int32s) -> Floats:
    """Return the state of each slot before any event: odds of p_init, nothing booked."""
    state = np.zeros((slot_topic.size, len(STATE)))
    initial = params[slot_topic, INIT]
    state[:, ODDS] = initial / (1.0 - initial)
    state[:, LAST] = np.nan
    state[:, FORGOT] = 1.0
    return state


def start_students(params: Floats, students: int) -> Floats:
    """Return float64[S, 2]: nothing done yet."""
    return np.zeros((students, len(STUDENT_STATE)))


def is_plain(model: Model) -> bool:
    """Tell whether no slot needs more than its own rows, one after the other, with its topic's probabilities.

    Law: both folds leave the same bits where either will do, so how a batch is cut never shows.
    """
    return bool(needs_no_order(model.params, model.items))


def fold_rows(
    batch: Batch, model: Model, slot_state: Floats, student_state: Floats, history: Floats, as_of_us: int
) -> None:
    """See Scorer.fold_rows."""
    if not is_plain(model):
        _in_order(batch, model, slot_state, student_state, history, np.empty(0), as_of_us)
        return
    fold_slots(batch.by_slot, batch.slot_topic, batch.cell_end_us, model.params, slot_state, history, as_of_us)


def _in_order(
    batch: Batch,
    model: Model,
    slot_state: Floats,
    student_state: Floats,
    history: Floats,
    probability: Floats,
    as_of_us: int,
) -> None:
    """Fold in time order, and predict: P(right) = P(known) (1 − slip) + (1 − P(known)) guess."""
    items = model.items if model.items.shape[1] else np.full((batch.use_item.size, len(ITEM_PARAMETERS)), np.nan)
    fold_in_order(batch.arrays, model.params, items, slot_state, student_state, history, probability, as_of_us)


def update(
    model: Model,
    slot_state: Floats,
    student_state: Floats,
    *,
    slot: int,
    student: int,
    topic: int,
    item: int,
    at_us: int,
    y: float,
    weight: float = 1.0,
) -> float:
    """Fold one quiz answer into the states of a loaded record, in place; return P(known) right after it.

    The same bits as `fold_rows` of a batch with that answer, without making a batch. slot, student: rows of the states;
    topic, item: rows of the model, item −1 for none. Answers must come in time order.
    """
    known: float = fold_answer(
        slot_state, slot, student_state, student, model.params, model.items, topic, item, at_us, y, weight
    )
    return known


def read_slots(
    slot_state: Floats, student_state: Floats, slot_student: Int32s, slot_topic: Int32s, params: Floats, as_of_us: int
) -> Scores:
    """See Scorer.read_slots. The score is P(known) itself."""
    scores = empty_scores(slot_topic.size, len(CONTRIBUTIONS))
    read_states(slot_state, slot_topic, params, as_of_us, scores)
    return scores


def check(model: Model) -> None:
    """Raise BadInput where a parameter is out of bounds, or guess + slip ≥ 1: right answers would count against."""
    params = model.params
    check_topics("bkt", PARAMETERS, params)
    check_guess_and_slip("bkt", params[:, GUESS_PRACTICE], params[:, SLIP_PRACTICE], "practice on topic")
    if model.items.shape[1]:
        check_items("bkt", ITEM_PARAMETERS, model.items)
        check_guess_and_slip("bkt", model.items[:, ITEM_GUESS], model.items[:, ITEM_SLIP], "item")


assert LEARN + KINDS.index("feedback") == FORGET
assert [parameter.name for parameter in PARAMETERS].index("below_1") == INTERVAL

SCORER = Scorer(
    name="bkt",
    version=2,
    scale="log_odds",
    slot_state=STATE,
    student_state=STUDENT_STATE,
    parameters=PARAMETERS,
    item_parameters=ITEM_PARAMETERS,
    contributions=CONTRIBUTIONS,
    start_slots=start_slots,
    start_students=start_students,
    fold_rows=fold_rows,
    predict_rows=predicting_by(_in_order),
    read_slots=read_slots,
    check=check,
    own_scale=True,  # its score is P(known), and its own chain says the rest
)

SPEC = ScorerSpec(
    name=SCORER.name,
    label="Knowledge tracing (BKT)",
    stage=Stage.ANSWERS,
    fit="mastery.scorers.bkt.fit:fit",
    scorer=SCORER,
    one_answer="mastery.scorers.bkt.one_answer:steps",
    works_unfitted=True,
    starter=STARTER,
    intervals=Intervals(UNFITTED, FITTED),
    tells=("guess", "slip"),
)
