"""A model as a file: the same bits back, and a clear answer to any file that is not one."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

import mastery as ms
from mastery.pipelines.models import files


@pytest.fixture
def saved(fitted, tmp_path):
    return fitted["BKT"].save(tmp_path / "bkt.mastery")


def rewritten(path, change):
    """Write the file again with members changed, its hash made to fit."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    path.write_bytes(files.packed(members))
    return path


def edited(**changes):
    def change(members):
        members[files.MODEL] = json.dumps(json.loads(members[files.MODEL]) | changes).encode()

    return change


@pytest.mark.slow
def test_a_model_comes_back_bit_for_bit(fitted, blend, school, tmp_path):
    for name, model in [*((n, m) for n, m in fitted.items() if n != "RuleBased unfitted"), ("blend", blend)]:
        path = model.save(tmp_path / f"{name}.mastery")
        again = ms.load(path)
        assert type(again) is type(model) and again.get_params() == model.get_params()
        assert again.model_set_.version == model.model_set_.version
        assert again.notes_ == model.notes_ and again.measures_ == model.measures_
        expected = model.predict(school.answers)["p_correct"].to_numpy()
        assert again.predict(school.answers)["p_correct"].to_numpy().tobytes() == expected.tobytes()
        if name != "blend":
            state = model.state(school.answers, student=school.answers.students[0])
            topic = next(iter(state.topics))
            assert again.p_correct(state, topic=topic) == model.p_correct(state, topic=topic)
        assert again.save(tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_model_that_needs_no_fit_is_saved_without_one(school, tmp_path):
    model = ms.RuleBased(rules="spaced")
    again = ms.load(model.save(tmp_path / "rules.mastery"))
    assert again.get_params() == model.get_params()
    assert again.scores(school.answers).equals(model.scores(school.answers))
    state = model.state(school.answers, student=school.answers.students[0])
    assert again.scores(state).equals(model.scores(state))


def test_a_file_cut_short_is_refused(saved):
    whole = saved.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:length])
        with pytest.raises(ms.BadInput, match=r"bkt\.mastery: no whole model file"):
            ms.load(saved)


def flipped(whole: bytes, bit: int) -> bytes:
    place = bit // 8
    return whole[:place] + bytes([whole[place] ^ 1 << bit % 8]) + whole[place + 1 :]


def refuse_flipped(path, bits):
    whole = path.read_bytes()
    for bit in bits:
        path.write_bytes(flipped(whole, bit))
        with pytest.raises(ms.BadInput):
            ms.load(path)
    path.write_bytes(whole)
    assert ms.load(path)


@pytest.mark.parametrize("every", [pytest.param(37, id="some"), pytest.param(1, id="each", marks=pytest.mark.soak)])
def test_whatever_bit_flips_the_file_is_refused(saved, tmp_path, every):
    """Also in the dates, attributes and lengths of the archive, which nothing needs."""
    small = ms.RuleBased().save(tmp_path / "rules.mastery")
    for path in (small, saved):
        refuse_flipped(path, range(0, 8 * path.stat().st_size, every))


def test_numbers_changed_with_the_hash_are_found(saved):
    def change(members):
        out = io.BytesIO()
        numbers = np.load(io.BytesIO(members["arrays/bkt/default.npy"]))
        np.save(out, numbers + 0.001)
        members["arrays/bkt/default.npy"] = out.getvalue()

    with pytest.raises(ms.BadInput, match="holds bkt-.* and says bkt-.*: it was changed"):
        ms.load(rewritten(saved, change))


def test_no_pickle_is_opened(saved):
    def change(members):
        out = io.BytesIO()
        np.save(out, np.array([{"a": 1}], object), allow_pickle=True)
        members["arrays/bkt/default.npy"] = out.getvalue()

    with pytest.raises(ms.BadInput, match=r"arrays/bkt/default\.npy cannot be read"):
        ms.load(rewritten(saved, change))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 3}, r"format 3 of a model file; this version reads 2\. Fit the model again"),
        ({"observation_version": 99}, r"under observation rules 99, and this version has .*; fit the model again"),
        ({"estimator": "Oracle"}, r"holds a 'Oracle'; this version has RuleBased, BKT"),
        ({"settings": {"mood": "good"}}, r"BKT has no setting 'mood'"),
    ],
)
def test_a_file_of_another_version_is_refused(saved, change, told):
    with pytest.raises(ms.BadInput, match=told):
        ms.load(rewritten(saved, edited(**change)))


def test_a_file_of_the_first_format_which_had_no_hash_at_its_end_is_refused(saved):
    with zipfile.ZipFile(saved) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(saved, "w") as file:
        for name, data in {**members, files.HASHES: b"{}"}.items():
            file.writestr(name, data)
    with pytest.raises(ms.BadInput, match=r"format 1 of a model file; this version reads 2\. Fit the model again"):
        ms.load(saved)


def test_numbers_that_mean_something_else_by_now_are_refused(saved):
    def change(members):
        model = json.loads(members[files.MODEL])
        model["scorers"]["bkt"]["meaning"] = 1
        members[files.MODEL] = json.dumps(model).encode()

    with pytest.raises(ms.BadInput, match="bkt in version 1, and here it is .*the same numbers mean something else"):
        ms.load(rewritten(saved, change))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ms.NotFound, match="no such file"):
        ms.load(tmp_path / "nothing")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(ms.BadInput, match=r"a ZIP file without model\.json"):
        ms.load(other)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ms.BadInput, match="no whole model file"):
        ms.load(tmp_path / "text")


def test_a_file_that_cannot_be_written_leaves_the_old_one(fitted, tmp_path):
    with pytest.raises(ms.BadInput, match="cannot be written"):
        fitted["BKT"].save(tmp_path / "no folder" / "bkt.mastery")
