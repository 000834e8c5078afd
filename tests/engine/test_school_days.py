"""Days are the school's own: in scores, histories and dates, by setting and by tenant; a change makes all again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from mastery.apps.cli import build
from mastery.engine import Engine
from mastery.errors import BadInput, NotFound
from mastery.instants import microseconds
from mastery.settings import load_settings

CALIFORNIA, KOLKATA = "America/Los_Angeles", "Asia/Kolkata"
HEAD = "student_id,question_id,topic_id,is_correct,timestamp\n"
SITTING = [(k, right) for k, right in enumerate("110101")]


def answers(*starts: datetime) -> str:
    """Return a sitting of twenty minutes at each of these times."""
    rows = [
        f"S1,q{n}_{k},ratios,{right},{(start + timedelta(minutes=4 * k)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n"
        for n, start in enumerate(starts)
        for k, right in SITTING
    ]
    return HEAD + "".join(rows)


def at(text: str, zone: str = CALIFORNIA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def opened(home, *, tenant: str = "default", **settings: str) -> Engine:
    chosen = load_settings(home=home, environ={}).settings
    return Engine.connect(chosen.model_copy(update={"tenant": tenant, **settings}))


def school(tmp_path, name: str, *starts: datetime, **settings: str) -> Engine:
    """Return a school whose only student has a sitting at each of these times, published."""
    file = tmp_path / f"{name}.csv"
    file.write_text(answers(*starts))
    engine = opened(tmp_path / name, **settings)
    engine.ingest(file)
    engine.recompute("latest", workers=1)
    return engine


@pytest.mark.parametrize("scorer", ["rule_based", "bkt", "elo", "blend"])
def test_a_sitting_has_one_score_at_either_hour(tmp_path, scorer):
    found = []
    for hour in ("15:50", "16:50"):  # UTC's midnight is at 17:00
        with school(tmp_path, hour[:2], at(f"2026-05-06T{hour}"), school_timezone=CALIFORNIA) as engine:
            topic = engine.student("S1", as_of="latest", scorer=scorer).topics[0]
            found.append((topic.mastery_score, len(engine.history("S1", "ratios", scorer=scorer).points)))
    assert found[0] == found[1] == (found[0][0], 1)


def test_in_utc_the_later_sitting_is_on_two_days(tmp_path):
    with school(tmp_path, "utc", at("2026-05-06T16:50")) as engine:
        assert [str(one.day) for one in engine.history("S1", "ratios").points] == ["2026-05-06", "2026-05-07"]


@pytest.mark.parametrize(
    ("zone", "starts", "days"),
    [
        (CALIFORNIA, ["2026-05-06T16:50", "2026-05-07T22:00"], ["2026-05-06", "2026-05-07"]),
        (KOLKATA, ["2026-05-06T05:00", "2026-05-06T23:00"], ["2026-05-06"]),
        ("Pacific/Kiritimati", ["2026-05-06T00:10", "2026-05-07T00:10"], ["2026-05-06", "2026-05-07"]),
        ("Europe/Berlin", ["2026-03-29T00:10", "2026-03-29T23:10"], ["2026-03-29"]),
        ("Europe/Berlin", ["2026-10-25T00:10", "2026-10-25T23:10"], ["2026-10-25"]),
    ],
)
def test_the_dates_of_a_history_are_those_of_the_school(tmp_path, zone, starts, days):
    with school(tmp_path, "school", *(at(start, zone) for start in starts), school_timezone=zone) as engine:
        for scorer in ("rule_based", "blend"):
            assert [str(one.day) for one in engine.history("S1", "ratios", scorer=scorer).points] == days


def test_moments_are_told_by_the_clocks_of_the_school(tmp_path):
    with school(tmp_path, "school", at("2026-05-06T21:50"), school_timezone=CALIFORNIA) as engine:
        student = engine.student("S1", as_of="2026-05-07")
        assert student.as_of.isoformat() == "2026-05-07T23:59:59.999999-07:00"
        assert student.topics[0].last_activity_at.isoformat() == "2026-05-06T22:10:00-07:00"
        assert engine.class_scores().as_of.isoformat() == "2026-05-06T22:10:00-07:00"
        assert engine.moment_us("2026-05-06T21:50", 0) == microseconds(at("2026-05-06T21:50"))


def test_errors_name_moments_by_the_clocks_of_the_school(tmp_path):
    with school(tmp_path, "school", at("2026-05-06T16:50"), school_timezone=CALIFORNIA) as engine:
        by = "by 2026-05-05 23:59:59 PDT"
        asked = (
            lambda: engine.student("S1", as_of="2026-05-05"),
            lambda: engine.item_probabilities("S1", "ratios", as_of="2026-05-05"),
            lambda: engine.class_report(as_of="2026-05-05"),
        )
        for ask in asked:
            with pytest.raises(NotFound, match=by):
                ask()
        with pytest.raises(NotFound, match="on topic 'ratio' by 2026-05-06 17:10:00 PDT"):
            engine.student("S1", topics=["ratio"], as_of="latest")


def test_worked_on_this_evening_is_today_and_not_yesterday(tmp_path):
    with school(tmp_path, "school", at("2026-05-06T16:00"), school_timezone=CALIFORNIA) as engine:
        told = engine.reader.student(
            engine.pseudonym("S1"), tenant="default", as_of_us=microseconds(at("2026-05-06T18:00"))
        )  # by UTC it is the next day
    assert "yesterday" not in told.model_dump_json()


def test_after_a_change_of_the_zone_students_are_folded_again_and_a_class_says_what_it_is(tmp_path):
    start = at("2026-05-06T16:50")
    with school(tmp_path, "school", start) as engine:
        before = engine.student("S1", as_of="latest", scorer="rule_based").topics[0].mastery_score
        (about_topics,) = engine.class_scores().notes
    with school(tmp_path, "other", start, school_timezone=CALIFORNIA) as engine:
        expected = engine.student("S1", as_of="latest", scorer="rule_based").topics[0].mastery_score
    assert before != expected
    with opened(tmp_path / "school", school_timezone=CALIFORNIA) as engine:
        for _ in range(2):  # folded again, and from the record that was made of it
            assert engine.student("S1", as_of="latest", scorer="rule_based").topics[0].mastery_score == expected
        _, note = engine.class_scores().notes
        assert "days of these scores are those of UTC" in note and "mastery recompute" in note
        history = engine.history("S1", "ratios")
        assert len(history.points) == 2 and history.notes == [note]
        engine.recompute("latest", workers=1)
        assert engine.class_scores().notes == [about_topics]
        history = engine.history("S1", "ratios")
        assert len(history.points) == 1 and history.notes == []
    with opened(tmp_path / "school") as engine:  # and back
        assert engine.student("S1", as_of="latest", scorer="rule_based").topics[0].mastery_score == before


def test_each_tenant_has_its_own_zone(tmp_path):
    home, start = tmp_path / "home", at("2026-05-06T16:50")
    (tmp_path / "answers.csv").write_text(answers(start))
    found = {}
    for tenant in ("west", "south", "plain"):
        zones = {"school_timezone": CALIFORNIA, "school_timezones": {"south": KOLKATA, "plain": "UTC"}}
        with opened(home, tenant=tenant, **zones) as engine:
            engine.ingest(tmp_path / "answers.csv")
            engine.recompute("latest", workers=1)
            found[tenant] = [str(one.day) for one in engine.history("S1", "ratios").points]
    with opened(home, tenant="west", **zones) as engine:
        assert [engine.of(tenant).days.timezone for tenant in found] == [CALIFORNIA, KOLKATA, "UTC"]
        assert engine.student("S1", as_of="2026-05-07", tenant="south").as_of.utcoffset() == timedelta(hours=5.5)
    assert found == {"west": ["2026-05-06"], "south": ["2026-05-07"], "plain": ["2026-05-06", "2026-05-07"]}


def test_a_fit_and_an_activation_go_by_the_days_of_the_school(tmp_path):
    start = at("2026-05-06T16:50")
    with school(tmp_path, "school", start, start + timedelta(days=1), school_timezone=CALIFORNIA) as engine:
        engine.models.activate(engine.models.fit("elo").card.version, "latest", force=True)
        assert engine.lake.publication().timezone == CALIFORNIA
        assert [str(one.day) for one in engine.history("S1", "ratios").points] == ["2026-05-06", "2026-05-07"]


def test_the_command_line_shows_dates_and_times_of_the_school(tmp_path):
    with school(tmp_path, "school", at("2026-05-06T16:50"), school_timezone=CALIFORNIA):
        pass
    home = tmp_path / "school"
    (home / "mastery.yaml").write_text(f"school_timezone: {CALIFORNIA}\n")

    def mastery(*arguments: str) -> str:
        done = CliRunner().invoke(build(), ["--home", str(home), *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    assert "as of 6 May 2026 17:10 PDT" in mastery("show", "S1", "--as-of", "latest")
    assert "2026-05-06" in mastery("history", "S1", "ratios")
    assert "as of 6 May 2026 17:10 PDT" in mastery("recompute", "--as-of", "latest")
    shown = json.loads(mastery("show", "S1", "--as-of", "latest", "--json"))
    assert shown["as_of"] == "2026-05-06T17:10:00-07:00"
    rows = {row["setting"]: row for row in json.loads(mastery("config", "--json"))}
    assert rows["school_timezone"]["value"] == CALIFORNIA


def test_a_zone_that_nobody_knows_is_refused_with_one_that_is_near(tmp_path):
    (tmp_path / "mastery.yaml").write_text("school_timezone: Europe/Berln\nschool_timezones:\n  north: Asia/Calcuta\n")
    with pytest.raises(BadInput) as refused:
        load_settings(home=tmp_path, environ={})
    first, second = str(refused.value).splitlines()
    assert "school_timezone: 'Europe/Berln' is not a time zone of this machine (did you mean 'Europe/Berlin'" in first
    assert "school_timezones.north: 'Asia/Calcuta' is not a time zone of this machine" in second
    assert "did you mean 'Asia/Calcutta'" in second
    assert second.startswith(f"mastery.yaml: {tmp_path}")
    with pytest.raises(BadInput, match="environment MASTERY_SCHOOL_TIMEZONES: school_timezones.north: 'Mars'"):
        load_settings(home=tmp_path, environ={"MASTERY_SCHOOL_TIMEZONES": '{"north": "Mars"}'})
