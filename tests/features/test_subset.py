import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from histories import active_choice, histories, table
from mastery.features.batch import make_batch
from mastery.features.columns import event_columns
from mastery.features.subset import take_students

ROWS = ("y", "weight", "opportunity", "at_us", "kind", "attempts", "success_ppm", "duration_ms", "hints", "rewinds")


@given(events=histories(), data=st.data())
def test_some_students_of_a_batch_are_the_batch_of_those_students(events, data):
    whole = make_batch(event_columns(table(events)))
    assume(len(whole.students) > 1)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(whole.students), max_size=len(whole.students))))
    mine = {name for name, kept in zip(whole.students, keep, strict=True) if kept}
    part = take_students(whole, keep)
    alone = make_batch(event_columns(table([e for e in active_choice(events) if e.student in mine])))
    assert part.students == list(alone.students)
    for name in ("student_ptr", "slot_ptr", "slot", "student_day_ptr", "day", "day_ptr", "cell_ptr", "cell_slot",
                 "cell_day", "cell", "day_end_us", "days_away", *ROWS):  # fmt: skip
        np.testing.assert_array_equal(getattr(part, name), getattr(alone, name), err_msg=name)
    for name in ("ptr", "at_us", "kind", "y", "weight", "opportunity", "cell"):
        np.testing.assert_array_equal(getattr(part.by_slot, name), getattr(alone.by_slot, name), err_msg=name)
    assert [part.topics[t] for t in part.slot_topic] == [alone.topics[t] for t in alone.slot_topic]
