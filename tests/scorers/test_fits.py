import numpy as np

from mastery.scorers.fits import held_out

STUDENTS = [f"s_{number:05d}" for number in range(20_000)]


def test_every_student_is_of_one_part_whoever_else_is_there():
    parts = np.array([held_out(STUDENTS, 5, part) for part in range(5)])
    assert np.all(parts.sum(axis=0) == 1)
    assert np.all(np.abs(parts.mean(axis=1) - 0.2) < 0.01)
    assert np.array_equal(held_out(STUDENTS[::7], 5), held_out(STUDENTS, 5)[::7])


def test_who_is_left_after_a_fifth_was_held_out_can_be_split_again():
    left = [name for name, out in zip(STUDENTS, held_out(STUDENTS, 5), strict=True) if not out]
    assert abs(held_out(left, 10).mean() - 0.1) < 0.01
    assert abs(held_out(left, 5).mean()) == 0.0
