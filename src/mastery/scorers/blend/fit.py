"""The blend, fitted: weights by log loss on answers that no member has learnt from, then a calibration.

Stacked regression with weights that are not negative (Breiman 1996, Stacked regressions, Machine Learning 24(1)), for
log loss: a convex problem with bounds, solved by L-BFGS-B.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from mastery.arrays import Bools, Floats
from mastery.evaluation.calibration import fit_calibration
from mastery.features.batch import Batch
from mastery.kernels import kernel
from mastery.log_odds import FARTHEST, bounded_log_odds_of, steep_sigmoid
from mastery.scorers import SPECS, source_of
from mastery.scorers.base import place_of
from mastery.scorers.blend.scorer import GUESS, NAME, PARAMETERS, PRIOR, SLIP, Mixture, predict
from mastery.scorers.fits import Fit
from mastery.scorers.parameters import KeyedRows, Parameters, no_rows
from mastery.scorers.stacked import Stacked
from mastery.sums import weigh_rows

RIDGE = 10.0
"""Weights are pulled towards equal shares, and the bias towards 0, as by this many certain answers: it decides between
members that say the same, and between everything where there is next to nothing to learn from."""

MOST_STEPS = 1_000
ENOUGH = 1e-7
"""The search stops where no weight changes the log loss of an answer by more than this for each unit it moves."""

ENOUGH_FIRST = 20.0
"""With this many first answers, a topic's own share of right ones weighs as much as everybody's."""

MOST_SHARE, LEAST_PLENTY = 0.999, 200.0
"""Of a thousand student-topics one has more evidence than the fit knows of. With 200 pieces the anchor has 8 % of the
say at 60: on a simulated school with short topics the RMSE of scores with 25 to 60 pieces went from 0.0637 to 0.0650
(with 100 to 0.0685), and nine intervals in ten still contained the truth."""

CV_FOLDS = 5
"""What a blend is worth is measured on one fold of the students after the other, with weights from the others."""


@kernel
def _look(logits: Floats, y: Floats, at: Floats, gradient: Floats) -> float:
    """Return the log loss, summed, of weights and bias; write its gradient."""
    members = at.size - 1
    gradient[:] = 0.0
    loss = 0.0
    for i in range(y.size):
        z = at[members]
        for k in range(members):
            z += at[k] * logits[k, i]
        loss += max(z, 0.0) - z * y[i] + math.log1p(math.exp(-abs(z)))
        off = steep_sigmoid(z) - y[i]
        for k in range(members):
            gradient[k] += off * logits[k, i]
        gradient[members] += off
    return loss


def stack(logits: Floats, y: Floats, ridge: float = RIDGE) -> tuple[Floats, float]:
    """Return (weights float64[M], bias): what makes bias + Σ weight · logit predict best, weights not negative.

    Args:
        logits: float64[M, n].
        y: float64[n].
    """
    members, an_answer = logits.shape[0], 1.0 / (y.size + 1)
    pull = np.append(np.full(members, 1.0 / max(members, 1)), 0.0)
    gradient = np.empty(members + 1)

    def loss(at: Floats) -> tuple[float, Floats]:
        value = float(_look(logits, y, at, gradient)) + 0.5 * ridge * float(np.sum((at - pull) ** 2))
        return an_answer * value, an_answer * (gradient + ridge * (at - pull))

    found = minimize(
        loss,
        pull,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * members + [(None, None)],
        options={"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "ftol": 0.0, "gtol": ENOUGH},
    )
    return found.x[:members], float(found.x[members])


def fit_mixture(stacked: Stacked) -> tuple[Mixture, str]:
    """Return the mixture, and the name of its calibration: the one that helps students who did not make it."""
    members = tuple(sorted(stacked.probabilities))
    logits = logits_of(stacked, members)
    weights, bias = stack(logits, stacked.y)
    z = np.clip(weigh_rows(weights, logits) + bias, -FARTHEST, FARTHEST)
    calibration = fit_calibration(z, stacked.y, stacked.student)
    return Mixture(members, weights, bias, calibration.knots_x, calibration.knots_y), calibration.name


def score_weights(stacked: Stacked, steady: Sequence[str]) -> dict[str, float] | None:
    """Return what members weigh in scores: of those that are steady, the weights that answer best, adding up to 1.

    None without any, or where none of them weighs anything.
    """
    members = tuple(name for name in sorted(stacked.probabilities) if name in steady)
    weights, _ = stack(logits_of(stacked, members), stacked.y) if members else (np.zeros(0), 0.0)
    total = float(weights.sum())
    return (
        {name: float(w) / total for name, w in zip(members, weights, strict=True) if w > 0.0} if total > 0.0 else None
    )


def logits_of(stacked: Stacked, members: tuple[str, ...]) -> Floats:
    """Return float64[M, n]: what members say, as logits within ± `FARTHEST`."""
    said = [bounded_log_odds_of(stacked.probabilities[name]) for name in members]
    return np.array(said).reshape(len(members), stacked.y.size)


def cross_fitted(stacked: Stacked) -> Floats:
    """Return float64[n]: what a blend says of each answer that was fitted without its fold of the students."""
    _, code = np.unique(stacked.student, return_inverse=True)
    cv_fold = code % CV_FOLDS
    out = np.empty(stacked.y.size)
    for mine in np.unique(cv_fold):
        there = cv_fold == mine
        mix, _ = fit_mixture(stacked.take(~there))
        out[there] = predict(mix, stacked.take(there).probabilities)
    return out


def fit(
    batch: Batch, answers: Bools, stacked: Stacked, given: Mapping[str, Parameters], name: str
) -> tuple[Fit, Floats]:
    """Return the blend called `name`, and what blends that have not seen its student say of each answer; see Stage.

    Args:
        answers: bool[n]. Rows of the batch that are right or wrong.
        stacked: m of them, with what the members say.
        given: Parameters by scorer; see `scale_of`.
    """
    anchor = next((one for one, spec in SPECS.items() if spec.keeps_up and one in given and name == NAME), None)
    steady = [one for one, spec in SPECS.items() if spec.steady] if name == NAME else []
    scale = scale_of(batch, answers, given)
    return fit_blend(stacked, scale, name, anchor, plenty(batch), steady), cross_fitted(stacked)


def plenty(batch: Batch) -> float:
    """Return the evidence on one topic that next to nobody has more of, `LEAST_PLENTY` or more."""
    evidence = np.bincount(batch.slot[batch.weight > 0.0], minlength=batch.slot_topic.size)
    evidence = np.sort(evidence[evidence > 0])
    most = float(evidence[int(MOST_SHARE * (evidence.size - 1))]) if evidence.size else 0.0
    return max(LEAST_PLENTY, most)


def fit_blend(
    stacked: Stacked,
    scale: Parameters,
    name: str = NAME,
    anchor: str | None = None,
    plenty: float = math.inf,
    steady: Sequence[str] = (),
) -> Fit:
    """Return the blend of these answers, called `name` in notes.

    Args:
        scale: See `scale_of`.
        anchor, plenty: See `Mixture`.
        steady: The members that scores are made of.
    """
    mix, calibration = fit_mixture(stacked)
    mix = replace(mix, score_weights=score_weights(stacked, steady), anchor=anchor, plenty=plenty)
    notes: tuple[str, ...] = ()
    if np.unique(stacked.y).size < 2:
        notes = (f"{name}: {stacked.y.size} held-out answers, not of both outcomes; members weigh about the same",)
    measures: dict[str, float | str] = {
        f"weight of {name}": float(weight) for name, weight in zip(mix.members, mix.weights, strict=True)
    }
    measures |= {f"score weight of {name}": weight for name, weight in (mix.score_weights or {}).items()}
    measures |= {"bias": mix.bias, "calibration": calibration, "answers": float(stacked.y.size)}
    measures |= {} if anchor is None else {"anchor": anchor, "plenty": plenty}
    return Fit(Parameters(scale.default, scale.topics, no_rows(0), mix.shared()), notes, measures)


def scale_of(batch: Batch, rows: Bools, given: Mapping[str, Parameters]) -> Parameters:
    """Return guess, slip, half_life_days and prior of every topic: the scale that scorers share, as far as found.

    The prior is what is to be expected of a student's first answer on the topic, on that scale.

    Args:
        rows: bool[n]. Answers that are right or wrong.
        given: Guess, slip and half-lives are taken from the scorers that tell them, from the default topic where one
            knows none.
    """
    default = np.array([parameter.default for parameter in PARAMETERS])
    topics = np.tile(default, (len(batch.topics), 1))
    for name in ("guess", "slip", "half_life_days"):
        source = source_of(name)
        if source.name in given:
            mine, theirs = place_of(PARAMETERS, name), place_of(source.parameters, name)
            default[mine] = given[source.name].default[theirs]
            topics[:, mine] = given[source.name].model(batch.topics, []).params[:, theirs]
    _, first = np.unique(batch.slot[rows], return_index=True)
    topic = batch.slot_topic[batch.slot[rows][first]]
    right = np.bincount(topic, batch.y[rows][first], len(batch.topics))
    count = np.bincount(topic, minlength=len(batch.topics))
    everywhere = (right.sum() + 0.5 * ENOUGH_FIRST) / (count.sum() + ENOUGH_FIRST)
    share = (right + everywhere * ENOUGH_FIRST) / (count + ENOUGH_FIRST)
    for row, probability in ((topics, share), (default[None, :], np.array([everywhere]))):
        mastery = (probability - row[:, GUESS]) / (1.0 - row[:, SLIP] - row[:, GUESS])
        row[:, PRIOR] = np.clip(mastery, PARAMETERS[PRIOR].low, PARAMETERS[PRIOR].high)
    return Parameters(default, KeyedRows(tuple(batch.topics), topics), no_rows(0))
