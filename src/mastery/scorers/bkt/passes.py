"""One pass up and down the tree of a topic's histories: how likely its answers are, and what they count for.

The forward-backward passes of Baum, Petrie, Soules & Weiss (1970), A maximization technique occurring in the
statistical analysis of probabilistic functions of Markov chains, Ann. Math. Stat. 41(1), on trees: what lies behind a
node is the sum over its branches: every student is counted, and a beginning that many share is walked once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from mastery.arrays import Floats, Int32s
from mastery.kernels import kernel
from mastery.log_odds import sigmoid
from mastery.scorers.bkt.histories import GROUP, KIND, OPPORTUNITY, RIGHTS, TILT, WRONGS

PROBABILITIES = (
    "p_init", "guess", "slip", "guess_practice", "slip_practice", "p_forget", "forgetting_per_day", "pull",
    "pull_learning", "p_learn", "p_learn_practice", "p_learn_assignment", "p_learn_video", "p_learn_tutor",
)  # fmt: skip
INIT, GUESS, SLIP, GUESS_PRACTICE, SLIP_PRACTICE, FORGET, RATE, PULL, PULL_LEARNING, LEARN = range(10)

MARGIN = 0.02
"""guess + slip stays below 1 by this much."""

LEAST = 0.002
"""No probability that is fitted comes closer to 0 or 1."""

SLOWEST, FASTEST = math.log(2.0) / 36_500.0, math.log(2.0) / 0.1
"""Forgetting per day, by the bounds of the half-life."""

STEEPEST = 12.0
MOST_LEARNT = 0.99


class Tree(NamedTuple):
    """The histories of one topic; see `mastery.scorers.bkt.histories.Histories`. The last four are room to work in."""

    parent: Int32s
    code: Int32s
    emission: Int32s
    step: Int32s
    through: Floats
    ends: Floats
    kinds: Floats
    emissions: Int32s
    days: Floats
    excess: Floats
    filtered: Floats
    scale: Floats
    back_known: Floats
    back_not: Floats


class Probabilities(NamedTuple):
    """What a pass needs.

    Attributes:
        known, not_known: float64[E]. Likelihood of each emission.
        learn, forget: float64[C]. After an event of each code.
        kept: float64[BINS + 1]. What is retained over each step of time.
        prior: float64[EXCESS_BINS]. P(known) before the first event.
    """

    known: Floats
    not_known: Floats
    learn: Floats
    forget: Floats
    kept: Floats
    prior: Floats


class Sums(NamedTuple):
    """Expected counts.

    Attributes:
        seen: float64[E, 2]. Events of each emission, from unknown and from known.
        taught: float64[C, 4]. Of those who did not know: stayed so, learnt; of those who knew: forgot, did not.
        faded: float64[BINS + 1, 2]. Over each step of time: lost, kept.
        began: float64[EXCESS_BINS, 2]. Unknown and known before the first event.
    """

    seen: Floats
    taught: Floats
    faded: Floats
    began: Floats


class Priors(NamedTuple):
    """What may move, and what holds it back.

    Attributes:
        pooled: float64[14]. What is expected of a topic nothing is known about; columns as in `PROBABILITIES`.
        weight: float64[14]. How many events that counts as.
        per_step, per_day: Whether answers, and idle days, let a student forget.
        bends, tilts: Whether P(known) at the start, and every probability of learning, depend on the answers so far.
        low, high: float64[14]. What people allow; infinite where they say nothing.
    """

    pooled: Floats
    weight: Floats
    per_step: bool
    per_day: bool
    bends: bool
    tilts: bool
    low: Floats
    high: Floats


@kernel
def tilted(probability: float, more: float) -> float:
    """Return the probability with so much added to its log-odds."""
    factor = math.exp(more)
    return min(MOST_LEARNT, probability * factor / (1.0 - probability + probability * factor))


@kernel
def emit(theta: Floats, tree: Tree, given: Probabilities, guess: Floats, slip: Floats) -> None:
    """Write the likelihood of each emission in either state. guess, slip: by item, or empty."""
    kinds, emissions, known, not_known = tree.kinds, tree.emissions, given.known, given.not_known
    for e in range(emissions.shape[0]):
        c, item = emissions[e, 0], emissions[e, 1]
        group = int(kinds[c, GROUP])
        g, s = theta[GUESS + 2 * group], theta[SLIP + 2 * group]
        if item >= 0 and guess.size and not math.isnan(guess[item]) and group == 0:
            g, s = guess[item], slip[item]
        right, wrong = kinds[c, RIGHTS], kinds[c, WRONGS]
        if right == 1.0 and wrong == 0.0:
            known[e], not_known[e] = 1.0 - s, g
        elif right == 0.0 and wrong == 1.0:
            known[e], not_known[e] = s, 1.0 - g
        else:
            known[e] = math.exp(right * math.log(1.0 - s) + wrong * math.log(s))
            not_known[e] = math.exp(right * math.log(g) + wrong * math.log(1.0 - g))


@kernel
def spread(theta: Floats, tree: Tree, given: Probabilities) -> None:
    """Write the probabilities of the tree's parts from those of the topic, but for the emissions."""
    learn, forget, kept, prior = given.learn, given.forget, given.kept, given.prior
    kinds, days, excess = tree.kinds, tree.days, tree.excess
    for c in range(kinds.shape[0]):
        probability = theta[LEARN + int(kinds[c, KIND])]
        if kinds[c, TILT] != 0.0:
            probability = tilted(probability, theta[PULL_LEARNING] * kinds[c, TILT])
        learn[c] = probability * kinds[c, OPPORTUNITY]
        forget[c] = theta[FORGET] if kinds[c, RIGHTS] + kinds[c, WRONGS] > 0.0 else 0.0
    for b in range(days.size):
        kept[b] = math.exp(-theta[RATE] * days[b])
    start = math.log(theta[INIT] / (1.0 - theta[INIT]))
    for b in range(excess.size):
        prior[b] = sigmoid(start + theta[PULL] * excess[b])


@kernel
def pass_through(tree: Tree, given: Probabilities, sums: Sums) -> float:
    """Go up and down the tree, add to `sums`; return the log-likelihood."""
    parent, code, emission, step = tree.parent, tree.code, tree.emission, tree.step
    filtered, scale, back_known, back_not = tree.filtered, tree.scale, tree.back_known, tree.back_not
    known, not_known, learn, forget = given.known, given.not_known, given.learn, given.forget
    kept, prior = given.kept, given.prior
    seen, taught, faded, began = sums.seen, sums.taught, sums.faded, sums.began
    total = 0.0
    nodes = parent.size
    for v in range(nodes):
        u = parent[v]
        if u < 0:
            is_known = prior[step[v]]
        else:
            was, c = filtered[u], code[u]
            lasts = was * (1.0 - forget[c])
            is_known = (lasts + (1.0 - lasts) * learn[c]) * kept[step[v]]
        right, other = is_known * known[emission[v]], (1.0 - is_known) * not_known[emission[v]]
        inverse = 1.0 / (right + other)
        filtered[v], scale[v] = right * inverse, inverse
        total -= tree.through[v] * math.log(inverse)
        back_known[v], back_not[v] = tree.ends[v], tree.ends[v]
    for k in range(nodes):
        v = nodes - 1 - k
        e, b, u = emission[v], step[v], parent[v]
        seen[e, 1] += filtered[v] * back_known[v]
        seen[e, 0] += (1.0 - filtered[v]) * back_not[v]
        of_known = known[e] * back_known[v] * scale[v]
        of_not = not_known[e] * back_not[v] * scale[v]
        if u < 0:
            began[b, 1] += prior[b] * of_known
            began[b, 0] += (1.0 - prior[b]) * of_not
            continue
        was, c, stays = filtered[u], code[u], kept[b]
        lasts = was * (1.0 - forget[c])
        learnt = lasts + (1.0 - lasts) * learn[c]
        faded[b, 1] += learnt * stays * of_known
        faded[b, 0] += learnt * (1.0 - stays) * of_not
        if_known = stays * of_known + (1.0 - stays) * of_not
        taught[c, 0] += (1.0 - lasts) * (1.0 - learn[c]) * of_not
        taught[c, 1] += (1.0 - lasts) * learn[c] * if_known
        if_not = learn[c] * if_known + (1.0 - learn[c]) * of_not
        taught[c, 2] += was * forget[c] * if_not
        taught[c, 3] += lasts * if_known
        back_known[u] += (1.0 - forget[c]) * if_known + forget[c] * if_not
        back_not[u] += if_not
    return total
