"""ml, the unconstrained form: boosted trees over what is known before an answer, for the probability of a right
answer to one item.

Features of the student's own past (answer_features), encodings of other students' answers in the same context
(encodings), the logits of other scorers, and how the student's answers came out against one of them (residuals).
Chen & Guestrin (2016), XGBoost: a scalable tree boosting system, KDD.

It says how likely the next answer is right, for choosing items and for calibration, and nothing that people see as a
score: encodings are not monotone in the answers, so it is **exempt from law 6**. Counterexample: where
a wrong answer shows the solution, the next try is likelier right than after a right one; a test has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mastery.arrays import Floats, Floats32
from mastery.errors import BadInput
from mastery.features.answer_log import Clock
from mastery.features.batch import Batch
from mastery.log_odds import bounded_log_odds_of
from mastery.scorers.base import Model
from mastery.scorers.boosting.answer_features import FEATURES, answer_features
from mastery.scorers.boosting.booster import check_booster
from mastery.scorers.boosting.encodings import check_encodings, encode
from mastery.scorers.boosting.encodings import names as encoding_names
from mastery.scorers.boosting.residuals import RESIDUALS, write_residuals
from mastery.scorers.parameters import Parameters, array_text, check_array

if TYPE_CHECKING:
    from xgboost import Booster

NAME = "ml_unconstrained"

LEAST = 1e-6
"""No probability is less: in float32 a logit of 17 is a probability of 1, whose log loss is infinite."""

RESIDUALS_OF = "linear_rnn_unconstrained"
"""Whose probabilities past answers are held against, where its logits are given."""

CLOCKS: tuple[Clock, ...] = ("start", "answer")


def column_names(extra: Mapping[str, Floats]) -> tuple[str, ...]:
    """Return the names of all features: of answers, of encodings, of what other scorers say, and of residuals."""
    return (*FEATURES, *encoding_names(), *sorted(extra), *(RESIDUALS if RESIDUALS_OF in extra else ()))


def empty_matrix(batch: Batch, extra: Mapping[str, Floats]) -> Floats32:
    """Return float32[n, F] to write features into. Row by row: so XGBoost takes it without a copy."""
    return np.empty((batch.row.size, len(column_names(extra))), np.float32)


def write_known(batch: Batch, clock: Clock, extra: Mapping[str, Floats], matrix: Floats32) -> None:
    """Write all columns but the encodings.

    Raises:
        BadInput: an extra feature has another number of rows than the batch.
    """
    answer_features(batch, clock, matrix)
    at = len(FEATURES) + len(encoding_names())
    for k, name in enumerate(sorted(extra)):
        if extra[name].shape != (batch.row.size,):
            raise BadInput(
                f"ml_unconstrained: feature {name!r} has shape {extra[name].shape}; expected ({batch.row.size},), "
                "a logit for each row of the batch"
            )
        matrix[:, at + k] = extra[name]
    if RESIDUALS_OF in extra:
        write_residuals(batch, extra[RESIDUALS_OF], matrix[:, at + len(extra) :])


def encoded(matrix: Floats32) -> Floats32:
    """Return the columns of the matrix that hold encodings."""
    return matrix[:, len(FEATURES) : len(FEATURES) + len(encoding_names())]


def pack(names: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Return names as bytes, for `Parameters.shared`."""
    return np.frombuffer("\x1f".join(names).encode(), np.uint8).copy()


def unpack(packed: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the names that were packed."""
    return tuple(packed.tobytes().decode().split("\x1f")) if packed.size else ()


def predict_rows(batch: Batch, parameters: Parameters, probabilities: Mapping[str, Floats], threads: int) -> Floats:
    """See ScorerSpec.predict."""
    wanted = unpack(parameters.shared["extra"])
    missing = [name for name in wanted if name not in probabilities]
    if missing:
        raise BadInput(
            f"{NAME} was fitted with what {missing[0]} predicts; it is not among {', '.join(sorted(probabilities))}"
        )
    extra = {name: bounded_log_odds_of(probabilities[name]) for name in wanted}
    return predict_unconstrained(batch, parameters, extra, threads=threads)


def trees_of(shared: Mapping[str, npt.NDArray[Any]], threads: int = 1) -> Booster | None:
    """Return the boosted trees; None where there was too little to grow any."""
    if shared["trees"].size == 0:
        return None
    from xgboost import Booster  # 1.6 s, so only where it is needed

    trees = Booster({"nthread": threads})
    trees.load_model(bytearray(shared["trees"].tobytes()))
    return trees


def check(model: Model) -> None:
    """Check arrays from outside.

    Raises:
        BadInput: One is missing or of another type or shape, or the trees are none that `predict_unconstrained` can
            walk: XGBoost itself checks no node.
    """
    shared = model.shared
    for name in ("extra", "columns", "trees"):
        packed = shared.get(name)
        if packed is None or packed.dtype != np.uint8 or packed.ndim != 1:
            raise BadInput(f"{NAME}: {name} is {array_text(packed)}; expected bytes")
    check_array(f"{NAME}: clock", shared.get("clock"), np.int8, (1,))
    if not 0 <= int(shared["clock"][0]) < len(CLOCKS):
        raise BadInput(f"{NAME}: clock is {int(shared['clock'][0])}; expected a number below {len(CLOCKS)}")
    check_encodings(shared)
    try:
        extra = unpack(shared["extra"])
        columns = unpack(shared["columns"])
    except UnicodeDecodeError:
        raise BadInput(f"{NAME}: extra and columns are not text in UTF-8; expected names") from None
    if extra != tuple(sorted(extra)) or columns != column_names(dict.fromkeys(extra, np.empty(0))):
        raise BadInput(f"{NAME} was fitted by another version of the engine, on other columns. Fit it again")
    check_booster(shared["trees"].tobytes(), len(columns))


def predict_unconstrained(
    batch: Batch, parameters: Parameters, extra: Mapping[str, Floats], *, threads: int = 1
) -> Floats:
    """Return float64[n]: before each row, the probability of a right answer to its item, for students that are new.

    For students the fit has seen, the encodings hold their own answers, and the probabilities are too good to be true.
    NaN on rows that say nothing about mastery.

    Args:
        extra: Logits of other scorers, float64[n] by name: those the fit was given.

    Raises:
        BadInput: the logits are not those the fit was given, or its columns are not those of this version.
    """
    shared = parameters.shared
    wanted = unpack(shared["extra"])
    if wanted != tuple(sorted(extra)):
        raise BadInput(
            f"ml_unconstrained was fitted with the logits of {', '.join(wanted) or 'no other scorer'}; given: "
            f"{', '.join(sorted(extra)) or 'none'}. Give the same ones"
        )
    if unpack(shared.get("columns", pack(()))) != column_names(extra):
        raise BadInput(
            "ml_unconstrained was fitted by another version of the engine, on other columns. Fit it again (mastery fit)"
        )
    probability = np.full(batch.row.size, float(shared["encoding_mean"][0]))
    trees = trees_of(shared, threads)
    if trees is not None and batch.row.size:
        matrix = empty_matrix(batch, extra)
        write_known(batch, CLOCKS[int(shared["clock"][0])], extra, matrix)
        encode(batch, shared, encoded(matrix))
        probability[:] = trees.inplace_predict(matrix, validate_features=False)
    np.clip(probability, LEAST, 1.0 - LEAST, out=probability)
    probability[batch.weight <= 0.0] = np.nan
    return probability
