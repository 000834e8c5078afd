"""What words about a student's scores may look at, from where the student stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mastery.arrays import Bools
from mastery.features.returns import returns
from mastery.insight.activity_summary import AllTopics, activity_from
from mastery.insight.known import Known
from mastery.insight.points import FORGETTING
from mastery.insight.reasons import ROUNDING
from mastery.insight.reference import reference_of
from mastery.pipelines.queries.topic_means import NO_MEANS, NO_STUDENTS, TopicMean
from mastery.pipelines.scoring.snapshot import StudentSnapshot
from mastery.scorers import SCORERS, SPECS
from mastery.scorers.base import Scores
from mastery.tables import UNASSIGNED


def known_of(
    snapshot: StudentSnapshot,
    source: str,
    shown: Scores,
    as_of_us: int,
    means: Mapping[str, TopicMean] = NO_MEANS,
) -> Callable[[int], Known]:
    """Return what is known of each slot's score: (slot) → Known.

    Args:
        shown: The scores of `source` at `as_of_us`.
        means: By topic, the mean score by `source` of the students with enough evidence.
    """
    made_of = SPECS[source].scorer or SPECS[source].derived
    assert made_of is not None  # scores come from one of them
    scale, last = made_of.scale, snapshot.last_scores[source].score
    in_pauses = _lost_in_pauses(source, snapshot.last_scores[source])
    start = snapshot.start_scores[source].score
    after_breaks = returns(snapshot.days, snapshot.ledger, snapshot.gap_days)
    topics = AllTopics(snapshot.counters, np.array([topic != UNASSIGNED for topic in snapshot.topics], bool))

    def known(p: int) -> Known:
        return Known(
            here=activity_from(snapshot.counters[p], as_of_us, snapshot.school_days),
            elsewhere=topics.but(snapshot.counters[p]),
            score=float(shown.score[p]),
            forgotten=max(0.0, float(last[p] - shown.score[p])),
            returned=int(after_breaks.answers[p]),
            returned_right=float(after_breaks.right[p]),
            returned_practice=int(after_breaks.practice[p]),
            lost_in_pauses=bool(in_pauses[p]),
            scale=scale,
            reference=reference_of(*means.get(snapshot.topics[p], NO_STUDENTS), float(start[p])),
        )

    return known


def _lost_in_pauses(source: str, last: Scores) -> Bools:
    """Return bool[P]: which scores have faded before the last activity. Scorers made of others forget since then alone,
    or since something last went well.
    """
    names = SCORERS[source].contributions if source in SCORERS else ()
    if FORGETTING not in names or not last.contributions.size:
        return np.zeros(last.score.size, np.bool_)
    lost: Bools = last.contributions[:, names.index(FORGETTING)] < -ROUNDING
    return lost
