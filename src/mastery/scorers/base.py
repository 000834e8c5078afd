"""What a scorer is: columns of state, parameters, and four functions on grouped arrays.

    start     the state of a student-topic (and of a student) before any event
    fold      observations, in time order, into states; emits the score at the end of each active day
    predict   folds too, and says before each answer how likely it is to be right
    read      a score, its 90 % interval and its contributions from a state, at any time at or after the last event

A scorer holds no data. States and parameters are rows of named float64 columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mastery.arrays import Floats, Int32s, Int64s
from mastery.errors import BadInput
from mastery.features.batch import Batch


@dataclass(frozen=True)
class Parameter:
    """What a scorer works with: its name, default, bounds (inclusive) and meaning; a vector where `size` is not 1."""

    name: str
    default: float
    low: float
    high: float
    doc: str
    size: int = 1


def width(parameters: Sequence[Parameter]) -> int:
    """Return how many columns the parameters take."""
    return sum(parameter.size for parameter in parameters)


def place_of(parameters: Sequence[Parameter], name: str) -> slice:
    """Return the columns of one parameter."""
    names = [parameter.name for parameter in parameters]
    at = names.index(name)
    start = width(parameters[:at])
    return slice(start, start + parameters[at].size)


@dataclass(frozen=True)
class Model:
    """The parameters of one scorer for the topics and items of one batch.

    Attributes:
        params: float64[T, K]. By topic code; columns as in `Scorer.parameters`.
        items: float64[I, L]. By item code; columns as in `Scorer.item_parameters`. A row of NaN where nothing is known
            of the item: then the topic's own numbers stand for it.
        shared: What all topics and items have in common, by name; none for most scorers.
    """

    params: Floats
    items: Floats
    shared: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class States:
    """float64[P, len(slot_state)] by slot and float64[S, len(student_state)] by student."""

    slot: Floats
    student: Floats


class Scores(NamedTuple):
    """Scores of P slots at one time; kernels write into one from `empty_scores`.

    Attributes:
        score, lower, upper: float64[P]. 0 ≤ lower ≤ score ≤ upper ≤ 1; 90 % of intervals should contain the truth.
        contributions: float64[P, len(Scorer.contributions)]. They add up to the score on the scorer's scale.
    """

    score: Floats
    lower: Floats
    upper: Floats
    contributions: Floats


def empty_scores(slots: int, contributions: int) -> Scores:
    """Return scores to be written, the contributions laid out one after the other: they are read as columns."""
    return Scores(np.empty(slots), np.empty(slots), np.empty(slots), np.empty((slots, contributions), order="F"))


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """One model of mastery.

    Attributes:
        version: Raised when the meaning of a state or a score changes.
        scale: What the contributions add up to: the score's log-odds, or the score itself.
        slot_state, student_state: Names of the state columns.
        parameters: What `Model.params` holds, in order.
        item_parameters: What `Model.items` holds, in order.
        contributions: Names from mastery.tables.CONTRIBUTIONS, in the order of `Scores.contributions`.
        start_slots: (params, slot_topic) → float64[P, len(slot_state)].
        start_students: (params, students) → float64[S, len(student_state)].
        fold_rows: (batch, model, slot_state, student_state, history, as_of_us): both states and
            history float64[3, H] (or [3, 0] when nobody asks) are written in place.
        predict_rows: (batch, model, slot_state, student_state) → float64[n]: the probability of a right answer on the
            row's item, from everything before the row's event; NaN on rows without weight. Rows of one event (one
            `Batch.row`) are predicted before any of them is folded. Both states are written in place and end as
            `fold_rows` leaves them, bit for bit.
        read_slots: (slot_state, student_state, slot_student, slot_topic, params, as_of_us) → Scores.
        check: (model): raises BadInput on parameters that break a law.
        own_scale: Whether a score stands for a probability by the guess and slip among its own parameters, and not by
            those of the scale that scorers share.
        reach: (params) → float64[T] twice, by topic: scores that no number of answers brings it below or above. None:
            it goes as far as 0 and 1.
    """

    name: str
    version: int
    scale: Literal["log_odds", "index"]
    slot_state: tuple[str, ...]
    student_state: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    item_parameters: tuple[Parameter, ...]
    contributions: tuple[str, ...]
    start_slots: Callable[[Floats, Int32s], Floats]
    start_students: Callable[[Floats, int], Floats]
    fold_rows: Callable[[Batch, Model, Floats, Floats, Floats, int], None]
    predict_rows: Callable[[Batch, Model, Floats, Floats], Floats]
    read_slots: Callable[[Floats, Floats, Int32s, Int32s, Floats, int], Scores]
    check: Callable[[Model], None]
    own_scale: bool = False
    reach: Callable[[Floats], tuple[Floats, Floats]] | None = None

    def column(self, parameter: str) -> int:
        """Return the column of a parameter in `Model.params`, the first one of a vector."""
        return place_of(self.parameters, parameter).start


def defaults(scorer: Scorer, topics: int) -> Floats:
    """Return float64[topics, K]: every topic with the scorer's default parameters."""
    return np.tile(np.concatenate([np.full(p.size, p.default) for p in scorer.parameters]), (topics, 1))


Walk = Callable[[Batch, Model, Floats, Floats, Floats, Floats, int], None]
"""(batch, model, slot_state, student_state, history, probability, as_of_us): one loop that both folds and predicts.

history is [3, 0] where nobody asks for it, and probability [0]; see `Scorer.fold_rows` and `Scorer.predict_rows`.
"""


def folding_by(walk: Walk) -> Callable[[Batch, Model, Floats, Floats, Floats, int], None]:
    """Return `Scorer.fold_rows` of a scorer that folds and predicts in one loop."""

    def fold_rows(
        batch: Batch, model: Model, slot_state: Floats, student_state: Floats, history: Floats, as_of_us: int
    ) -> None:
        walk(batch, model, slot_state, student_state, history, np.empty(0), as_of_us)

    return fold_rows


def predicting_by(walk: Walk) -> Callable[[Batch, Model, Floats, Floats], Floats]:
    """Return `Scorer.predict_rows` of a scorer that folds and predicts in one loop."""

    def predict_rows(batch: Batch, model: Model, slot_state: Floats, student_state: Floats) -> Floats:
        probability = np.full(batch.slot.size, np.nan)
        walk(batch, model, slot_state, student_state, np.empty((3, 0)), probability, 0)
        return probability

    return predict_rows


def walk_of(kernel: Callable[..., None]) -> Walk:
    """Return the walk of a kernel that takes (arrays of the batch, params, items) and then what a `Walk` takes."""

    def walk(
        batch: Batch,
        model: Model,
        slot_state: Floats,
        student_state: Floats,
        history: Floats,
        probability: Floats,
        as_of_us: int,
    ) -> None:
        kernel(batch.arrays, model.params, model.items, slot_state, student_state, history, probability, as_of_us)

    return walk


def reading_by(
    kernel: Callable[..., None], contributions: int
) -> Callable[[Floats, Floats, Int32s, Int32s, Floats, int], Scores]:
    """Return `Scorer.read_slots` of a kernel that takes the same arguments, and last the scores to be written, which
    have that many contributions.
    """

    def read_slots(
        slot_state: Floats,
        student_state: Floats,
        slot_student: Int32s,
        slot_topic: Int32s,
        params: Floats,
        as_of_us: int,
    ) -> Scores:
        scores = empty_scores(slot_topic.size, contributions)
        kernel(slot_state, student_state, slot_student, slot_topic, params, as_of_us, scores)
        return scores

    return read_slots


def check_bounds(
    name: str, parameters: Sequence[Parameter], params: Floats, what: str = "topic", rows: Int64s | None = None
) -> None:
    """Raise BadInput at the first parameter outside its bounds, or not a number.

    Args:
        name: The scorer.
        parameters: What the columns are.
        params: float64[N, K].
        what: Whose they are.
        rows: int64[N]. What the rows are called; their places where None.
    """
    for parameter in parameters:
        mine = params[:, place_of(parameters, parameter.name)]
        bad = ~((mine >= parameter.low) & (mine <= parameter.high))
        if bad.any():
            place, k = (int(i) for i in np.argwhere(bad)[0])
            raise BadInput(
                f"{name}: parameter {parameter.name!r} of {what} row {place if rows is None else rows[place]} is "
                f"{mine[place, k]:g}; expected a number from {parameter.low:g} to {parameter.high:g}: {parameter.doc}"
            )


def check_items(name: str, parameters: Sequence[Parameter], items: Floats) -> None:
    """Raise BadInput at the first item whose numbers are out of bounds. A row of NaN says that nothing is known."""
    known = np.flatnonzero(~np.isnan(items).all(axis=1))
    check_bounds(name, parameters, items[known], "item", known)


def mean_row(params: Floats) -> Floats:
    """Return float64[K], the mean of float64[T, K], within its rows: rounded, the mean of ten times 0.3 is below 0.3,
    which may be a bound.
    """
    row: Floats = np.clip(params.mean(axis=0), params.min(axis=0), params.max(axis=0))
    return row


def check_guess_and_slip(name: str, guess: Floats, slip: Floats, what: str = "topic") -> None:
    """Raise BadInput at the first row of a topic, or of `what`, where guess + slip ≥ 1."""
    bad = np.flatnonzero(guess + slip >= 1.0)
    if bad.size:
        r = int(bad[0])
        raise BadInput(
            f"{name}: guess {guess[r]:g} + slip {slip[r]:g} of {what} row {r} is not below 1; "
            "a right answer would lower the score. Lower one of them"
        )


def check_topics(name: str, parameters: Sequence[Parameter], params: Floats) -> None:
    """Raise BadInput where a parameter of a topic is out of bounds, or its guess + slip ≥ 1."""
    check_bounds(name, parameters, params)
    guess, slip = (params[:, place_of(parameters, word).start] for word in ("guess", "slip"))
    check_guess_and_slip(name, guess, slip)


def start(scorer: Scorer, model: Model, batch: Batch) -> States:
    """Return the states of the batch's slots and students before any event."""
    return States(
        scorer.start_slots(model.params, batch.slot_topic),
        scorer.start_students(model.params, len(batch.students)),
    )


def fold(scorer: Scorer, model: Model, batch: Batch, states: States, as_of_us: int, history: bool = True) -> Floats:
    """Fold the batch into `states`, in place; return the history float64[3, H] (score, lower, upper by cell).

    A day's score is read at its end, or at `as_of_us` when that comes first. Without `history` the array is [3, 0].

    Law: folding a then b equals folding a + b, bit for bit, however the events are cut.
    """
    _check_uses(model, batch)
    out = np.empty((3, batch.cell_slot.size if history else 0))
    scorer.fold_rows(batch, model, states.slot, states.student, out, as_of_us)
    return out


def predict(scorer: Scorer, model: Model, batch: Batch, states: States) -> Floats:
    """Return float64[n]: before each row, the probability of a right answer on its item; folds the batch into `states`.

    NaN on rows that say nothing about mastery.
    """
    _check_uses(model, batch)
    return scorer.predict_rows(batch, model, states.slot, states.student)


def _check_uses(model: Model, batch: Batch) -> None:
    """Raise BadInput where a kernel would read beyond the rows of items."""
    if model.items.shape[1] and model.items.shape[0] < batch.use_item.size:
        raise BadInput(
            f"the model has {model.items.shape[0]} rows of items, and the batch {batch.use_item.size} uses of items on "
            "topics; expected a row for each: Parameters.model(batch.topics, batch.uses)"
        )


def read(scorer: Scorer, model: Model, batch: Batch, states: States, as_of_us: int) -> Scores:
    """Return every slot's score at `as_of_us`."""
    return scorer.read_slots(states.slot, states.student, batch.slot_student, batch.slot_topic, model.params, as_of_us)
