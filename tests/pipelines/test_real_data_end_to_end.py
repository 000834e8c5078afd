"""A published research log through the whole product: every row counted, every student-topic scored and explained."""

from __future__ import annotations

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mastery.events.read_options import ReadOptions
from mastery.scorers import unfitted
from mastery.tables import EVENTS, GOLD, HISTORY, LEDGER, UNASSIGNED
from school import KEY, RESEARCH, Deployment

pytestmark = pytest.mark.slow  # public logs are ingested and recomputed


def log(name: str):
    path = RESEARCH / f"{name}.parquet"
    if not path.exists():
        pytest.skip(f"{name} is not here; the research data lie in shared/data beside the repository, see its README")
    return path


@pytest.mark.parametrize(
    "name", ["assist2009_lpp", "algebra2006_sample", pytest.param("assist2017_timed", marks=pytest.mark.slow)]
)
def test_a_research_log_end_to_end(name, tmp_path):
    path = log(name)
    source = pq.read_table(path, columns=["student_id", "topic_id", "is_correct"])
    deployment = Deployment.at(tmp_path, buckets=8)
    report = deployment.ingest(path, options=ReadOptions("responses"))
    assert report.read == source.num_rows == report.accepted + report.revised + report.duplicates + report.rejected
    assert report.accepted == deployment.lake.count(EVENTS)
    again = deployment.ingest(path, options=ReadOptions("responses"))
    assert (again.accepted, again.duplicates, again.rejected) == (
        0,
        report.accepted + report.duplicates,
        report.rejected,
    )
    result = deployment.recompute(workers=2)
    assert result.events == report.accepted
    assert result.students == pc.count_distinct(source["student_id"]).as_py()

    ledger = deployment.lake.scan(LEDGER)
    assert pc.sum(ledger["q_attempts"]).as_py() == report.accepted
    known = source.filter(pc.is_valid(source["topic_id"]))
    pairs = known.group_by(["student_id", "topic_id"]).aggregate([([], "count_all")])
    assert result.student_topics == pairs.num_rows
    assert deployment.lake.count(GOLD) == pairs.num_rows * len(unfitted())
    topics = ledger.filter(pc.not_equal(ledger["topic_id"], UNASSIGNED))
    assert deployment.lake.count(HISTORY) == topics.num_rows * len(unfitted())

    best = pairs.sort_by([("count_all", "descending")]).slice(0, 1).to_pylist()[0]
    who = KEY.student("default", best["student_id"])
    document = deployment.reader.student(who, tenant="default", as_of_us=deployment.newest_us())
    (topic,) = [one for one in document.topics if one.topic_id == best["topic_id"]]
    assert topic.evidence_count == best["count_all"]
    assert topic.explanation.factors and topic.explanation.summary


def test_scores_of_real_students_spread(tmp_path):
    deployment = Deployment.at(tmp_path, buckets=8)
    deployment.ingest(log("assist2009_lpp"), options=ReadOptions("responses"))
    deployment.recompute(workers=2)
    gold = deployment.lake.scan(GOLD, ["score_source", "mastery_score", "evidence_count"])
    for source in unfitted():
        mine = gold.filter(pc.and_(pc.equal(gold["score_source"], source), pc.greater_equal(gold["evidence_count"], 3)))
        spread = pc.stddev(mine["mastery_score"]).as_py()
        assert 0.05 < spread < 0.5, f"{source} scores of real students neither all alike nor all at the ends"
