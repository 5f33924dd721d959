"""Test rows and folds of a table by groups, by time, and of a file of their own."""

import re

import numpy as np
import pandas as pd
import pytest

from kerasnn import saving, tables
from kerasnn.cli.messages import as_cli_message
from kerasnn.datasets import ColumnHints, ReadOptions
from kerasnn.datasets.files import table_files
from kerasnn.errors import InputError
from kerasnn.preprocessing import Preprocessor
from kerasnn.preprocessing.dates import varying_parts
from kerasnn.tables import Validation, streamed
from kerasnn.tables.parts import GroupParts, Shares, TimeParts
from kerasnn.tables.report import table_page

N = 240
SHORT = {"members": 4, "folds": 2, "epochs": 2, "hidden_units": (8,), "driver": "graph"}


def visits(n=N, seed=0):
    """Visits of 40 patients on dates and in steps, in random order."""
    rng = np.random.default_rng(seed)
    step = rng.permutation(n) // 2
    patient = rng.integers(0, 40, n)
    dose = rng.normal(size=n)
    effect = dose + rng.normal(size=40)[patient] + step / n
    return pd.DataFrame(
        {
            "dose": dose,
            "patient": [f"p{i}" for i in patient],
            "date": (np.datetime64("2019-11-01") + 3 * step).astype(str),
            "step": step,
            "effect": effect,
            "good": np.where(effect > 0.3, "yes", "no"),
        }
    )


def read(table, *, target="effect", stream=False, ignore=(), **options):
    hints = {k: options.pop(k) for k in ("numeric", "categorical") if k in options}
    division = {k: options.pop(k) for k in vars(Validation()) if k in options}
    other = {"effect": "good", "good": "effect"}[target]
    return (tables.stream_rows if stream else tables.read_rows)(
        table,
        target=target,
        hints=ColumnHints(ignore=[other, *ignore], **hints),
        validation=Validation(**division),
        **options,
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("visits") / "visits.csv"
    visits(3000).to_csv(path, index=False)
    return path


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(table_files, "MAX_CHUNK_ROWS", 700)
    monkeypatch.setattr(streamed, "MAX_TEST_ROWS", 300)
    monkeypatch.setattr(streamed, "MAX_HELD_OUT_ROWS", 200)
    monkeypatch.setattr(streamed, "MAX_SAMPLE_ROWS", 800)


def left_out(rows):
    return {column.name: column.reason for column in rows.schema.left_out}


def learned_rows(rows, folder):
    """The targets of the rows that are written for the training; each row has its own."""
    fitted = Preprocessor.fit(
        streamed.checked_table(rows.sample, rows.schema), rows.schema, counts=rows.counts
    )
    shards = rows.on_disk(folder).write(fitted)
    return np.concatenate([shards.shard(i)["y"] for i in range(len(shards.sizes))])


# --- groups -----------------------------------------------------------------------


@pytest.mark.parametrize("target", ["effect", "good"])
def test_test_rows_and_folds_are_whole_groups(target):
    table = visits()
    rows = read(table, target=target, group="patient")
    test, train = (set(table["patient"][m]) for m in (rows.tested, rows.trained))
    assert test
    assert not test & train
    assert rows.n_tested == pytest.approx(0.2 * N, abs=12)
    groups = rows.fit_arguments["groups"]
    assert len(groups) == rows.n_trained
    assert len(np.unique(groups)) == len(train)
    assert "patient" not in rows.schema.names
    assert left_out(rows)["patient"].startswith("the group; ")
    named = read(table, target=target, group="patient", categorical=["patient"])
    assert "patient" in named.schema.names


def test_streamed_groups_are_whole_and_have_about_their_shares(file, small, tmp_path):
    table = pd.read_csv(file)
    rows = read(file, stream=True, group="patient")
    learned = learned_rows(rows, tmp_path / "rows")
    patients = dict(zip(table["effect"], table["patient"], strict=True))
    train = {patients[value] for value in learned}
    test, held_out = (set(part["patient"]) for part in (rows.test, rows.held_out))
    assert test
    assert held_out
    assert not train & test
    assert not train & held_out
    assert not test & held_out
    assert len(train | test | held_out) == 40
    assert len(learned) == table["patient"].isin(train).sum() == rows.n_trained
    assert table["patient"].isin(test).mean() == pytest.approx(0.2, abs=0.03)
    assert table["patient"].isin(held_out).mean() == pytest.approx(0.1, abs=0.03)
    assert 200 < len(rows.test) <= 300


def test_groups_that_are_too_many_to_be_counted_are_divided_by_their_hashes():
    parts = GroupParts.of_counts("g", None, Shares(0.2, 0.1), seed=0, missing_texts=())
    found = parts.of(pd.DataFrame({"g": np.arange(5000)}))
    assert np.bincount(found) / 5000 == pytest.approx([0.7, 0.1, 0.2], abs=0.02)


# --- times ------------------------------------------------------------------------


@pytest.mark.parametrize("time", ["date", "step"])
def test_the_latest_rows_are_tested_after_a_gap(time):
    table = visits()
    rows = read(table, time=time, gap=3)
    assert table["step"][rows.trained].max() <= table["step"][rows.tested].min() - 2
    assert (rows.n_tested, rows.n_unused, rows.n_trained) == (48, 3, N - 51)
    given = rows.fit_arguments
    assert given["gap"] == 3
    order = np.argsort(given["time"], kind="stable")
    assert table["step"][rows.trained].iloc[order].is_monotonic_increasing


def test_a_date_is_a_feature_only_by_the_parts_that_repeat():
    rows = read(visits(), time="date", ignore=["step"])
    checked = streamed.checked_table(rows.inputs(tested=False), rows.schema)
    names = Preprocessor.fit(checked, rows.schema).feature_names
    assert "date weekday" in names
    assert "date day of year" in names
    assert "date days" not in names
    restored = type(rows.schema).from_dict(rows.schema.to_dict())
    assert restored.column("date").repeating_only
    assert left_out(read(visits(), time="step"))["step"].startswith("the time; ")
    assert "step" in read(visits(), time="step", numeric=["step"]).schema.names


@pytest.mark.parametrize(
    ("start", "step", "count", "parts"),
    [
        ("2020-01-01", "D", 900, {"day of year", "day of month", "weekday"}),
        ("2020-01-01", "D", 300, {"day of month", "weekday"}),
        ("2020-03-02", "D", 20, {"weekday"}),
        ("2020-03-02", "h", 60, {"hour"}),
        ("2020-03-02", "D", 5, set()),
        ("2020-03-02", "h", 20, set()),
    ],
)
def test_a_part_of_one_cycle_does_not_repeat(start, step, count, parts):
    dates = np.datetime64(start, step) + np.arange(count)
    dates = pd.Series(dates.astype("datetime64[s]"))
    assert set(varying_parts(dates, repeating_only=True)) == parts


def test_a_date_without_a_part_that_repeats_is_left_out():
    table = visits(30).assign(date=lambda t: [f"2020-03-0{2 + s % 5}" for s in t["step"]])
    reasons = left_out(read(table, time="date"))
    assert reasons["date"].startswith("the time, no part repeats; ")


@pytest.mark.parametrize("gap", [0, 60])
def test_streamed_test_rows_are_the_latest(file, small, tmp_path, gap):
    table = pd.read_csv(file)
    steps = dict(zip(table["effect"], table["step"], strict=True))
    rows = read(file, stream=True, time="date", gap=gap)
    learned = np.array([steps[value] for value in learned_rows(rows, tmp_path / "rows")])
    assert learned.max() < rows.held_out["step"].min()
    assert rows.held_out["step"].max() < rows.test["step"].min()
    between = table["step"].between(learned.max(), rows.held_out["step"].min(), "neither")
    assert between.sum() >= 0.8 * gap  # its size is that of a sample
    assert (table["step"] >= rows.test["step"].min()).mean() == pytest.approx(0.2, abs=0.02)
    assert len(learned) == pytest.approx(rows.n_trained, rel=0.02)
    kept = read(file, stream=True, time="date", test_size=0)
    assert kept.n_tested == 0
    assert kept.held_out["step"].min() > 0.85 * table["step"].max()


# --- a file of test rows ----------------------------------------------------------


@pytest.fixture
def test_file(tmp_path):
    table = visits(40, seed=1)
    table.loc[3, "dose"] = np.nan
    table["dose"] = table["dose"].astype(object)
    table.loc[4, "dose"] = "much"
    table.loc[5, "effect"] = np.nan
    table.to_csv(tmp_path / "test.csv", index=False)
    return tmp_path / "test.csv"


@pytest.mark.parametrize("stream", [False, True])
def test_all_rows_of_a_test_file_are_tested_and_of_the_other_learned(
    file, test_file, small, stream
):
    rows = read(file, stream=stream, test_file=test_file)
    assert rows.n_tested == len(rows.inputs(tested=True)) == 38
    assert rows.n_trained + rows.n_held_out == rows.n_rows == 3000
    expected = pd.read_csv(test_file).drop(index=[4, 5])
    np.testing.assert_allclose(rows.targets(tested=True), expected["effect"])
    said = [n.message for n in rows.notices if n.code == "untested-rows"]
    assert said[0].startswith("2 of 40 rows of the test file are not tested: 1 without")


def test_rows_of_a_test_file_are_strict_if_asked(test_file):
    with pytest.raises(InputError, match=r"test\.csv: column 'dose', row 4: 'much'"):
        read(visits(), test_file=test_file, reading=ReadOptions(strict=True))


# --- bad input --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group": "patient", "time": "date"}, "--group patient and --time date must not"),
        ({"gap": 2}, "gap needs --time, .*got --gap 2"),
        ({"time": "date", "gap": -1}, "gap must be a whole number of at least 0"),
        ({"group": "patent"}, r"no column 'patent' \(did you mean 'patient'\?\)"),
        ({"time": "effect"}, "time must be another column than the target"),
        ({"time": "patient"}, "time 'patient' must be numbers or dates.*got 'p"),
        ({"time": "date", "gap": 239}, "gap must leave rows to learn from .* --gap 239"),
        ({"group": "one"}, "all 240 rows are of one group.*--test-size 0"),
        ({"time": "one"}, "all 240 rows have the same time.*--test-size 0"),
        ({"group": "holes"}, "the group 'holes' must be known.*missing in 2 of 240.*row 7"),
        ({"time": "holes"}, "the time 'holes' must be known.*missing in 2 of 240.*row 7"),
        ({"test_file": "x.csv", "test_size": 0.1}, "test_size must not be given with"),
        ({"test_file": "no_such.csv"}, "no_such.csv"),
    ],
)
def test_what_cannot_be_divided_is_named_with_the_way_out(options, said):
    table = visits().assign(one=1, holes=lambda t: t["step"].astype(float))
    table.loc[[7, 9], "holes"] = np.nan
    with pytest.raises(InputError) as raised:
        read(table, **options)
    assert re.search(said, as_cli_message(str(raised.value))), raised.value


def test_too_few_groups_or_times_for_a_streamed_table_are_named():
    with pytest.raises(InputError, match="'g' has 2 different values; 3 are needed"):
        GroupParts.of_counts(
            "g", {"a": 5, "b": 5}, Shares(0.2, 0.1), seed=0, missing_texts=()
        )
    with pytest.raises(InputError, match="'t' has 2 different values, too few for 3 parts"):
        TimeParts.of_times("t", None, np.repeat([1.0, 2.0], 50), Shares(0.2, 0.1), gap=0)


def test_folds_are_at_most_the_groups_that_are_learned_from():
    rows = read(visits().assign(g=lambda t: t["step"] % 4), group="g")
    with pytest.raises(InputError, match=r"folds must be at most .*groups, 3; got folds=8"):
        tables.fit(rows, tables.estimator_for(rows.target)(folds=8))


def test_warnings_name_the_remedy_and_go_with_it():
    table = visits().sort_values("step", ignore_index=True)

    def messages(**options):
        found = read(table, ignore=["step"], **options).notices
        return {n.code: as_cli_message(n.message) for n in found if n.is_warning}

    warned = messages()
    assert "--group patient tests with whole groups" in warned["groups"]
    assert "--time date tests with the latest rows" in warned["time-order"]
    assert "groups" not in messages(group="patient")
    assert "time-order" not in messages(time="date")


# --- the whole job ----------------------------------------------------------------


@pytest.mark.slow
def test_a_network_of_earlier_rows_says_how_it_was_validated(tmp_path):
    rows = read(visits(), target="good", time="date", ignore=["step"])
    measured = tables.measure(
        tables.fit(rows, tables.estimator_for(rows.target)(**SHORT)), importance=False
    )
    assert measured.measured_on == "test rows, the latest by date, never learned from"
    (said,) = (n.message for n in measured.all_notices if n.code == "refitted")
    assert "learned from all training rows" in said
    page = table_page(measured, folder="t")
    assert "scored on later rows than those learned from" in page
    version = tables.save(measured, tmp_path / "visits")
    manifest = saving.load(version).manifest
    assert manifest["data"]["time"] == "date"
    answers = measured.fitted.estimator.oof_predictions_
    left_out = ~np.isnan(answers[:, 0])
    times = rows.fit_arguments["time"]
    assert times[left_out].min() > times[~left_out].max()
    assert left_out.sum() == pytest.approx(rows.n_trained / 2, abs=4)


@pytest.mark.slow
def test_without_test_rows_the_later_training_rows_are_scored():
    rows = read(visits(), time="step", test_size=0, ignore=["date"])
    fitted = tables.fit(rows, tables.estimator_for(rows.target)(**SHORT))
    measured = tables.measure(fitted)
    assert measured.measured_on.startswith("the later training rows by step")
    answers = fitted.estimator.oof_predictions_
    left_out = ~np.isnan(answers)
    errors = answers[left_out] - rows.targets(tested=False)[left_out]
    assert measured.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
