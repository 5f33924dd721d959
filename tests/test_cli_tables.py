"""The command line with tables: from a file to a network, and answers for other files."""

import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kerasnn import estimators, progress, saving, tables
from kerasnn.cli.console import status_on_terminal
from kerasnn.cli.messages import as_cli_message
from kerasnn.cli.predict.output import write_csv
from kerasnn.cli.table_options import ReadingArguments, notice_lines, notice_objects
from kerasnn.cli.train.command import _stem
from kerasnn.datasets import ColumnHints, Notice, ReadOptions
from kerasnn.datasets.files import formats, table_files
from kerasnn.errors import InputError
from kerasnn.progress import FitBar

SHORT = [
    *("--members", "2", "--folds", "2", "--epochs", "2", "--hidden-units", "8"),
    *("--batch-size", "64", "--driver", "graph"),
]


# Income decides who is rich.
LEAK = (
    "Warning: column 'income' alone predicts the target 'rich': 99.2% of the rows right,"
    " 58.3% without it. If it is not known before the target, leave it out:"
    " --ignore income\n"
)
SCORES = {"accuracy", "error", "log_loss", "auc", "balanced_accuracy", "brier"}


def people(n_rows=120, seed=0):
    """Who earns much: numbers, categories, dates, booleans, missing values, an id."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n_rows).astype(float)
    job = rng.choice(["clerk", "cook", "smith"], n_rows)
    income = np.round(20 + age / 4 + 10 * (job == "smith") + rng.normal(0, 2, n_rows), 3)
    age[::11] = np.nan
    days = pd.to_timedelta(rng.integers(0, 3000, n_rows), unit="D")
    return pd.DataFrame(
        {
            "person_id": np.arange(n_rows) * 7 + 1000,
            "age": age,
            "job": job,
            "since": (pd.Timestamp("2015-01-01") + days).strftime("%Y-%m-%d"),
            "smoker": rng.choice(["yes", "no"], n_rows),
            "country": "NL",
            "income": income,
            "rich": np.where(income > 38, "rich", "poor"),
        }
    )


def write(table, path="people.csv"):
    table.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A classifier ("rich") and a regressor ("income") of these people."""
    folder = tmp_path_factory.mktemp("saved_models")
    for target, ignore in (("rich", ["income"]), ("income", ["rich"])):
        rows = tables.read_rows(people(), target=target, hints=ColumnHints(ignore=ignore))
        settings = {"members": 2, "folds": 2, "epochs": 2, "hidden_units": (8,)}
        make = tables.estimator_for(rows.target)
        estimator = make(**settings, trees=False, driver="graph")
        tables.save(tables.measure(tables.fit(rows, estimator)), folder / target)
    return folder


@pytest.fixture
def read_only(run, monkeypatch):
    """Run `kerasnn train` up to the training: what it says of the rows before."""

    def stop(*arguments, **settings):
        raise InputError("enough")

    monkeypatch.setattr(tables, "fit", stop)

    def read(*arguments):
        code, out, err = run("train", *arguments, *SHORT)
        assert code == 1
        assert err.endswith("Error: enough\n")
        return out, err.removesuffix("Error: enough\n")

    return read


# --- train ------------------------------------------------------------------------


def test_train_tells_what_was_inferred_the_scores_and_where_it_lies(run):
    write(people())
    code, out, err = run("train", "people.csv", "--target", "rich", *SHORT)
    assert (code, err) == (0, LEAK)
    lines = out.splitlines()
    assert lines[:10] == [
        "people.csv: 120 rows; 96 to learn from, 24 kept for the test",
        "Target rich: classification, 2 classes: poor (70), rich (50) (text, 2 different)",
        "Columns 5",
        "  2  numeric      age, income",
        "  1  categorical  job",
        "  1  boolean      smoker",
        "  1  datetime     since",
        "Left out 2",
        "  person_id  an id by its name, and 120 different whole numbers;"
        " --numeric person_id keeps it",
        "  country    constant: always 'NL'",
    ]
    assert re.fullmatch(
        r"Trained  [\d.]+ s: 2 networks, 2 epochs, the weights after epoch [12] kept",
        lines[10],
    )
    beside = r"Beside   the networks [\d,]+ trees, \d+% of the answer"
    assert re.fullmatch(beside, lines[11])
    models = re.findall(r"([a-z ]+) \d\.\d+", lines[12].split(": ")[1])
    assert lines[12].startswith("Left out rows, log loss: ")
    assert {m.strip() for m in models} >= {"networks", "trees", "linear", "constant"}
    assert lines[13] == "On 24 test rows, never learned from (95% intervals)"
    assert lines[14].split() == ["network", "linear", "constant"]
    names = [line[2:21].strip() for line in lines[15:20]]
    assert names == ["accuracy", "balanced accuracy", "AUC", "log loss", "Brier score"]
    for line in lines[15:20]:
        value, low, high, *others = map(float, re.findall(r"\d\.\d+", line))
        assert low <= value <= high
        assert len(others) == 2
    names = [line.split("  ")[1].strip() for line in lines[20:22]]
    assert names == ["90% coverage", "90% mean set size"]
    assert lines[22:] == [
        "Saved    saved_models/people/1",
        "Report   saved_models/people/1/assets.extra/report.html",
    ]
    extra = sorted(os.listdir("saved_models/people/1/assets.extra"))
    assert extra == [
        "kerasnn.json",
        "kerasnn_reference.json",
        "report.html",
        "tf_serving_warmup_requests",
    ]


@pytest.mark.slow
def test_train_prints_json_and_the_rest_on_standard_error(run):
    write(people().assign(weight_in_kg=np.arange(120) % 7))
    options = "--target income --ignore rich,country --ignore person_id --seed 3"
    more = "--categorical weight_in_kg --test-size 0.25 --output out --name mine --json"
    code, out, err = run("train", "people.csv", *options.split(), *more.split(), *SHORT)
    assert code == 0
    assert err.startswith("people.csv: 120 rows; 90 to learn from, 30 kept for the test\n")
    result = json.loads(out)
    assert result.pop("seconds") > 0
    assert result.pop("trees") == saving.load("out/mine").manifest["trees"]
    assert result.pop("leaderboard") == saving.load("out/mine").manifest["leaderboard"]
    assert [notice["code"] for notice in result.pop("notices")] == ["linear-baseline"]
    manifest = saving.load("out/mine").manifest
    metrics = result.pop("metrics")
    assert metrics == manifest["metrics"]
    assert metrics.keys() == {"rmse", "mae", "r2", "coverage_90", "mean_width_90"}
    for name, (low, high) in result.pop("intervals").items():
        assert low <= metrics[name] <= high
    assert result.pop("baselines").keys() == {"linear", "constant"}
    settings = result.pop("settings")
    assert settings == manifest["settings"] | {"hidden_units": [8]}
    chosen = {"members": 2, "folds": 2, "epochs": 2, "batch_size": 64, "test_size": 0.25}
    assert chosen.items() <= settings.items()
    assert settings["seed"] == 3
    assert result.pop("kept_epoch") in (1, 2)
    assert result == {
        "source": "people.csv",
        "folder": "out/mine/1",
        "version": 1,
        "report": "out/mine/1/assets.extra/report.html",
        "target": "income",
        "task": "regression",
        "validation": {},
        "columns": {
            "age": "numeric",
            "job": "categorical",
            "since": "datetime",
            "smoker": "boolean",
            "weight_in_kg": "categorical",
        },
        "left_out": dict.fromkeys(("person_id", "country", "rich"), "as asked"),
        "rows": {"train": 90, "test": 30},
        "measured_on": "test rows, never learned from",
        "epochs": 2,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folds", "told"),
    [
        (
            2,
            r"On training rows, each by the members that left it out \(95% intervals\)\n"
            r"  accuracy .*\n(?:  .*\n)+"
            r"  These rows also chose the epoch, so the scores are slightly optimistic\."
            r" No rows were kept for a test",
        ),
        (0, r"No rows were kept for a test, and no member left any out: no metrics"),
    ],
)
def test_train_without_test_rows_says_what_the_metrics_are_of(run, folds, told):
    write(people())
    options = ["--target", "rich", *SHORT, "--folds", folds, "--test-size", 0]
    code, out, err = run("train", "people.csv", *options)
    assert (code, err) == (0, LEAK)
    assert re.search(f"^{told}$", out, flags=re.MULTILINE)
    page = Path("saved_models/people/1/assets.extra/report.html").read_text()
    assert "no rows were kept for" in page
    assert "test rows" not in page
    manifest = saving.load("saved_models/people").manifest
    assert manifest["metrics"].keys() == (SCORES if folds else set())


def test_train_takes_parquet_and_folders_of_it(read_only):
    pytest.importorskip("pyarrow")
    os.mkdir("parts")
    people(60).to_parquet("parts/a.parquet")
    people(60, seed=1).to_parquet("parts/b.parquet")
    out, _ = read_only("parts/", "--target", "rich")
    assert out.startswith("parts: 120 rows; 96 to learn from, 24 kept for the test\n")


def test_a_name_with_a_comma_is_one_column_where_there_is_such_a_column(read_only):
    write(people().rename(columns={"age": "age, in years"}))
    names = ["--ignore", "age, in years", "--ignore", "since, smoker"]
    out, _ = read_only("people.csv", "--target", "rich", *names)
    assert out.splitlines()[5:11] == [
        "Left out 5",
        "  person_id      an id by its name, and 120 different whole numbers;"
        " --numeric person_id keeps it",
        "  age, in years  as asked",
        "  since          as asked",
        "  smoker         as asked",
        "  country        constant: always 'NL'",
    ]


# --- train, bad input -------------------------------------------------------------

P = people()
NUMBERS = [*map(str, np.arange(119) * 1.5), "old"]
DATES = [*P.since[:117], "soon", "2020-13-01", "2020-01-01"]


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        pytest.param(
            P,
            "--target rihc",
            "the table has no column 'rihc' (did you mean 'rich'?) that target names; it"
            " has person_id, age, job, since, smoker, country, income, rich",
            id="target not there",
        ),
        pytest.param(
            P.assign(rich=7.5),
            "--target rich",
            "the target 'rich' is constant: all 120 rows are 7.5. There is nothing to tell"
            " apart; is it the right column?",
            id="target constant",
        ),
        pytest.param(
            P.assign(rich=np.nan),
            "--target rich",
            "the target 'rich' has no values: all 120 rows are missing",
            id="target all missing",
        ),
        pytest.param(
            P.assign(rich=[*P.rich[:119], None]),
            "--target rich --strict",
            "the target 'rich' is missing in 1 of 120 rows, first in row 119. Fill it in,"
            " or leave these rows out",
            id="target missing in a row",
        ),
        pytest.param(
            P.assign(rich="poor"),
            "--target rich",
            "the target 'rich' is constant: all 120 rows are 'poor'. There is nothing to"
            " tell apart; is it the right column?",
            id="one class",
        ),
        pytest.param(
            P.assign(rich=[*P.rich[:119], "mad"]),
            "--target rich --strict",
            "the target 'rich' has a class with one row only: 'mad', row 119. Each class"
            " needs two rows or more: add some, leave the class out or, where it is a"
            " number, say --task regression",
            id="class of one row",
        ),
        pytest.param(
            P,
            "--target rich --task regression",
            f"the target 'rich', row 0: {P.rich[0]!r} is not a number, and"
            " --task regression needs numbers",
            id="text target of a regression",
        ),
        pytest.param(
            P[["country", "rich"]],
            "--target rich",
            "the table has no column that can be used beside the target 'rich':\n"
            "  'country': constant: always 'NL'",
            id="no usable column",
        ),
        pytest.param(
            P[["age", "age", "rich"]],
            "--target rich --strict",
            "people.csv: has 2 columns named 'age'; each needs a name of its own",
            id="two columns of one name",
        ),
        pytest.param(
            P.assign(age=NUMBERS),
            "--target rich --strict",
            "column 'age' has values of two types: row 0 is '0.0', row 119 is 'old'. Put"
            " the cells right, or say --categorical age. Or leave the column out:"
            " --ignore age",
            id="mixed types",
        ),
        pytest.param(
            P.assign(since=DATES),
            "--target rich --datetime since --strict",
            "column 'since', row 117: 'soon' is not a date. The column is of dates: its"
            " cells are YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (ISO 8601), or empty where"
            " missing. Or leave the column out: --ignore since",
            id="dates that are none",
        ),
        pytest.param(
            P.assign(age=[*P.age[:119], np.inf]),
            "--target rich --strict",
            "column 'age', row 119: inf is not finite. Give a finite number, or leave the"
            " cell empty where it is missing. Or leave the column out: --ignore age",
            id="infinite",
        ),
        pytest.param(
            P,
            "--target rich --ignore agee",
            "the table has no column 'agee' (did you mean 'age'?) that ignore names; it has"
            " person_id, age, job, since, smoker, country, income, rich",
            id="column to ignore not there",
        ),
        pytest.param(
            P[:0],
            "--target rich",
            "people.csv: has a header line but no rows",
            id="no rows",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_told_and_nothing_written(
    run, table, arguments, message
):
    write(table)
    code, out, err = run("train", "people.csv", *arguments.split(), *SHORT)
    assert (code, out, err) == (1, "", f"Error: {message}\n")
    assert os.listdir() == ["people.csv"]


def test_what_can_be_repaired_is_repaired_and_said(read_only):
    table = P.assign(
        age=[*map(str, np.arange(118) * 1.5), "old", "inf"],
        since=[*P.since[:118], "soon", "2020-13-01"],
        rich=[None, "mad", *P.rich[2:]],
    ).rename(columns={"country": "job"})
    write(table)
    out, err = read_only("people.csv", "--target", "rich", "--ignore", "income")
    notices = tables.read_rows(
        "people.csv", target="rich", hints=ColumnHints(ignore=["income"])
    ).notices
    assert sorted({notice.code for notice in notices}) == [
        "duplicate-names",
        "missing-target",
        "one-row-class",
        "stray-cells",
    ]
    first = re.match(r"people\.csv: 118 rows; (\d+) to learn from, (\d+) kept", out)
    assert int(first[1]) + int(first[2]) == 118
    for text in ("1 of 120 rows", "'mad'", "'old', 'inf'", "'soon'", "'job.1'"):
        assert text in err
    assert "Warning" not in err


def test_more_folds_than_rows_are_told(run):
    write(people(12))
    options = ["--target", "rich", "--members", 11, "--folds", 11, "--json"]
    code, out, err = run("train", "people.csv", *options)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (
        "Error: folds must be at most the number of rows to learn from, 10 of 12;"
        " got --folds 11"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "people.csv",
            "--target is missing: which column of people.csv is to be predicted? It has"
            " person_id, age, job, since, smoker, country, income, rich",
        ),
        (
            "people.csv --target rich --optimizer adam",
            "--optimizer is for the lessons, iris and digits",
        ),
        (
            "people.csv --target rich --batching full",
            "--batching is for the lessons, iris and digits",
        ),
        ("digits --time-limit 5", "--time-limit is for files; digits is a lesson"),
        (
            "people.csv --target rich --test-size 0.6",
            "Invalid value for '--test-size': 0.6 is not in the range 0<=x<=0.5.",
        ),
        (
            "people.csv --target rich --task guess",
            "Invalid value for '--task': 'guess' is not one of 'classification',"
            " 'regression'.",
        ),
        (
            "people.csv --target rich --folds 1",
            "Invalid value for '--folds': 1 fold leaves no rows to learn from; 0 or at"
            " least 2",
        ),
        (
            "people.csv --target rich --folds 3 --members 4",
            "--members must be a multiple of --folds; got 4 and 3",
        ),
        (
            "peple.csv --target rich",
            "Invalid value for 'SOURCE': 'peple.csv' is neither a lesson (iris, digits) nor"
            " a file or folder that exists",
        ),
        (
            "2024.csv --target rich",
            "Invalid value for '--name': '2024' (from SOURCE) is not a plain folder name"
            " such as digits or my_net",
        ),
    ],
)
def test_wrong_use_says_what_is_possible_and_ends_with_2(run, arguments, message):
    write(people(20))
    write(people(20), "2024.csv")
    code, out, err = run("train", *arguments.split())
    assert (code, out) == (2, "")
    assert err.split("Error: ", 1)[1] == message + "\n"
    assert sorted(os.listdir()) == ["2024.csv", "people.csv"]


def test_an_interrupted_training_ends_with_130_and_leaves_nothing(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(estimators.base, "train_ensembles", interrupt)
    write(people())
    code, _, err = run("train", "people.csv", "--target", "rich", *SHORT)
    assert (code, err) == (130, LEAK + "\nInterrupted.\n")
    assert os.listdir() == ["people.csv"]


# --- predict ----------------------------------------------------------------------


def test_predict_gives_a_class_and_a_probability_for_each_class(run, models):
    write(people(30, seed=5))
    code, out, err = run("predict", models / "rich", "people.csv")
    assert (code, err) == (0, "")
    table = pd.read_csv(io.StringIO(out))
    expected = saving.load(models / "rich").predict("people.csv")
    assert list(table.columns) == ["class", "probability_poor", "probability_rich"]
    assert list(table["class"]) == list(expected["class"])
    np.testing.assert_allclose(table.iloc[:, 1:], expected["probabilities"], rtol=1e-6)


@pytest.mark.slow
def test_predict_gives_a_value_for_a_regression(run, models):
    write(people(30, seed=5))
    code, out, _ = run("predict", models / "income", "people.csv", "-o", "out.csv")
    assert (code, out) == (0, "30 rows written to out.csv\n")
    table = pd.read_csv("out.csv")
    assert list(table.columns) == ["value"]
    expected = saving.load(models / "income").predict("people.csv")["value"]
    np.testing.assert_allclose(table["value"], expected, rtol=1e-6)


@pytest.mark.slow
def test_predict_takes_reordered_extra_unseen_and_missing_values(run, models):
    table = people(6, seed=5)
    odd = table.assign(job="astronaut", age=None, smoker="perhaps", since="", more=1)
    write(table)
    write(odd[odd.columns[::-1]], "odd.csv")
    code, out, err = run("predict", models / "rich", "odd.csv")
    assert code == 0
    for name in ("age", "job", "since", "smoker"):
        assert f"column '{name}' has no" in err
    rows = pd.read_csv(io.StringIO(out))
    assert len(rows) == 6
    np.testing.assert_allclose(rows.iloc[:, 1:].sum(axis=1), 1, rtol=1e-6)
    assert rows.iloc[:, 1].nunique() == 1  # nothing is known of any of them
    write(table[table.columns[::-1]], "reversed.csv")
    answers = [
        run("predict", models / "rich", file)[1] for file in ("people.csv", "reversed.csv")
    ]
    assert answers[0] == answers[1]


@pytest.mark.slow
@pytest.mark.parametrize("output", [["-o", "out.csv"], [], ["--json"]])
def test_predict_gives_the_same_in_parts(run, models, monkeypatch, output):
    write(people(50, seed=5))
    arguments = ["predict", models / "rich", "people.csv", *output]
    found = []
    for most in (50_000, 7):
        monkeypatch.setattr(table_files, "MAX_CHUNK_ROWS", most)
        code, out, _ = run(*arguments)
        assert code == 0
        found.append(Path("out.csv").read_text() if "-o" in output else out)
    if "--json" in output:
        whole, parts = map(json.loads, found)
        assert (whole["rows"], whole["output"]) == (50, None)
        assert [p["class"] for p in whole["predictions"]] == [
            p["class"] for p in parts["predictions"]
        ]
        return
    whole, parts = (pd.read_csv(io.StringIO(text)) for text in found)
    # A step of other size may round otherwise.
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-5)


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"job": None},
            "people.csv: the table has no column 'job'; it has person_id, age, since,"
            " smoker, country, income, rich",
        ),
        (
            {"age": ["1"] * 4 + ["young"] + ["2"] * 5},
            "people.csv: in the rows from 3 on, counted from there: column 'age', row 1:"
            " 'young' is not a number. The column is numeric: its cells are numbers, or"
            " empty where missing",
        ),
        (
            {"age": ["inf"] + ["2"] * 9},
            "people.csv: column 'age', row 0: inf is not finite. Give a finite number, or"
            " leave the cell empty where it is missing",
        ),
        (
            {"since": ["2020-01-01", "2020-02-30"] * 5},
            "people.csv: column 'since', row 1: '2020-02-30' is not a date. The column is"
            " of dates: its cells are YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (ISO 8601), or"
            " empty where missing",
        ),
    ],
)
@pytest.mark.parametrize("output", [["-o", "out.csv"], []])
def test_predict_tells_what_is_wrong_and_writes_nothing(
    run, models, monkeypatch, change, message, output
):
    monkeypatch.setattr(table_files, "MAX_CHUNK_ROWS", 3)
    (name, values), *_ = change.items()
    table = people(10)
    write(table.drop(columns=name) if values is None else table.assign(**change))
    options = [*output, "--on-error", "fail"]
    code, out, err = run("predict", models / "rich", "people.csv", *options)
    assert (code, out, err) == (1, "", f"Error: {message}\n")
    assert os.listdir() == ["people.csv"]


@pytest.mark.slow
def test_predict_answers_the_good_rows_in_place_and_lists_the_others(
    run, models, monkeypatch
):
    monkeypatch.setattr(table_files, "MAX_CHUNK_ROWS", 3)
    table = people(10)
    write(table)
    expected = pd.read_csv(io.StringIO(run("predict", models / "rich", "people.csv")[1]))
    ages = [*table.age.astype(str)[:4], "young", *table.age.astype(str)[5:]]
    write(table.assign(age=ages))
    code, out, err = run(
        "predict", models / "rich", "people.csv", "--keep", "person_id,job"
    )
    assert code == 0
    assert err.splitlines() == [
        "1 of 10 rows are not answered (rows are counted from 0, without the header line):",
        "  column 'age', row 4: 'young' is not a number. The column is numeric: its cells"
        " are numbers, or empty where missing",
        "  --on-error fail makes this an error",
    ]
    found = pd.read_csv(io.StringIO(out))
    assert list(found.columns)[:3] == ["person_id", "job", "class"]
    assert found.person_id.tolist() == table.person_id.tolist()
    assert found.iloc[4, 2:].isna().all()
    others = found.drop(index=4)
    np.testing.assert_allclose(
        others["probability_rich"], expected.drop(index=4)["probability_rich"], rtol=1e-5
    )
    code, out, _ = run("predict", models / "rich", "people.csv", "--json")
    result = json.loads(out)
    assert (code, result["rows"], result["not_answered"]) == (0, 10, 1)
    assert result["predictions"][4] == dict.fromkeys(expected.columns)


def test_no_row_that_can_be_answered_is_an_error(run, models):
    write(people(4).assign(age="young"))
    code, out, err = run("predict", models / "rich", "people.csv", "-o", "out.csv")
    assert (code, out) == (1, "")
    assert "no row can be answered: column 'age', row 0: 'young'" in err
    assert os.listdir() == ["people.csv"]


def test_kept_cells_are_no_formulas_and_do_not_hide_predictions(run, models):
    table = people(3).assign(note=["=1+1", "-5", "@x"])
    write(table.assign(**{"class": "c"}))
    code, out, _ = run("predict", models / "rich", "people.csv", "--keep-all", "-o", "-")
    assert code == 0
    found = pd.read_csv(io.StringIO(out), dtype=str)
    assert found.note.tolist() == ["'=1+1", "-5", "'@x"]
    assert found["class"].tolist() == ["c"] * 3
    assert set(found.predicted_class) <= {"poor", "rich"}


def test_kept_ids_keep_their_digits_beside_missing_ones():
    stream = io.StringIO()
    ids = pd.DataFrame({"id": pd.Series([None, 2**60 + 1, "=x"], dtype=object)})
    long = ids.head(2).assign(id=pd.Series([None, 2**60 + 1], dtype=object))
    write_csv(iter([ids, long]), stream)
    assert stream.getvalue() == f'id\n""\n{2**60 + 1}\n\'=x\n""\n{2**60 + 1}\n'


@pytest.mark.slow
def test_standard_output_is_written_to_and_not_replaced(models, tmp_path):
    write(people(3), tmp_path / "people.csv")
    command = [sys.executable, "-m", "kerasnn", "predict", str(models / "rich")]
    answers = tmp_path / "answers.csv"
    with answers.open("w") as stream:
        stream.write("before\n")
        stream.flush()
        arguments = [str(tmp_path / "people.csv"), "-o", "/dev/stdout"]
        subprocess.run([*command, *arguments], stdout=stream, check=True)
    lines = answers.read_text().splitlines()
    assert lines[:2] == ["before", "class,probability_poor,probability_rich"]
    assert len(lines) == 5


def test_predict_writes_through_a_pipe(run, models):
    write(people(10))
    os.mkfifo("pipe")
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(Path("pipe").read_text)
        assert run("predict", models / "rich", "people.csv", "-o", "pipe")[0] == 0
        assert len(reader.result(timeout=30).splitlines()) == 11


# --- evaluate, inspect ------------------------------------------------------------


@pytest.mark.slow
def test_evaluate_measures_on_a_file_with_the_target(run, models):
    write(people(80, seed=9))
    code, out, err = run("evaluate", models / "rich", "people.csv")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{models / 'rich' / '1'}: 80 rows of people.csv (95% intervals)"
    code, out, _ = run("evaluate", models / "rich", "people.csv", "--json")
    result = json.loads(out)
    answers = saving.load(models / "rich").predict("people.csv")
    right = np.mean(answers["class"] == people(80, seed=9).rich)
    assert result["metrics"]["accuracy"] == pytest.approx(right)
    assert lines[1].split()[1] == f"{right:.3f}"
    low, high = result["intervals"]["accuracy"]
    assert low < right < high
    assert (result["rows"], result["source"]) == (80, "people.csv")
    assert result["trained_on"] is False


def test_training_another_target_into_a_models_folder_is_said(run, models, monkeypatch):
    def stop(*arguments, **settings):
        raise InputError("enough")

    monkeypatch.setattr(tables, "fit", stop)
    people().to_csv("people.csv", index=False)
    into = ("--output", models, "--name", "income")
    code, _, err = run("train", "people.csv", "--target", "rich", *into)
    assert code == 1
    assert "predicts 'income'; this one is its next version" in err
    _, _, err = run("train", "people.csv", "--target", "income", *into)
    assert "next version" not in err


def test_evaluate_says_so_where_the_rows_are_those_of_the_training(run, models):
    write(people())
    code, out, _ = run("evaluate", models / "income", "people.csv")
    assert code == 0
    lines = out.splitlines()
    names = [line.strip().split("  ")[0] for line in lines[1:-1]]
    assert names == ["RMSE", "MAE", "R²", "90% coverage", "90% mean width"]
    assert lines[-1:] == [
        "The network was trained on this table: on new rows its scores are lower."
        " kerasnn inspect shows the scores on its test rows."
    ]


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            P.drop(columns="rich"),
            "the table has no column 'rich' that the network's target names; it has"
            " person_id, age, job, since, smoker, country, income",
        ),
        (
            P.assign(rich=[*P.rich[:119], "mad"]),
            "the target 'rich', row 119: 'mad' is not one of the classes that the network"
            " knows: 'poor', 'rich'",
        ),
        (
            P.assign(rich=[None, *P.rich[1:]]),
            "the target 'rich' is missing in 1 of 120 rows, first in row 0. Fill it in, or"
            " leave these rows out",
        ),
    ],
)
def test_evaluate_tells_what_is_wrong_with_the_target(run, models, table, message):
    write(table)
    code, out, err = run("evaluate", models / "rich", "people.csv", "--strict")
    assert (code, out, err) == (1, "", f"Error: {message}\n")


@pytest.mark.slow
def test_evaluate_leaves_out_rows_that_cannot_be_scored_and_says_so(run, models):
    table = people(40, seed=9).assign(age="30")
    table.loc[[0, 1], "rich"] = [None, "mad"]
    table.loc[2, "age"] = "young"
    write(table)
    code, out, err = run("evaluate", models / "rich", "people.csv", "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 37
    codes = [notice["code"] for notice in json.loads(out)["notices"]]
    assert codes == ["unusable-target", "invalid-cells"]
    _, out, err = run("evaluate", models / "rich", "people.csv")
    assert "37 rows" in out
    assert "2 of 40 rows are not scored, because their target 'rich' is not a class" in err
    assert "(missing, 'mad')" in err
    assert "row 2: 'young'" in err


def test_evaluate_does_not_mix_lessons_and_tables(run, models):
    code, _, err = run("evaluate", models / "rich", "digits")
    assert code == 2
    assert err.endswith(
        f"Error: {models / 'rich'} was trained on a table, not on the lesson digits; give"
        " a file with the same columns\n"
    )


def test_inspect_shows_schema_signature_and_metrics_with_intervals(run, models):
    code, out, _ = run("inspect", models / "rich")
    assert code == 0
    manifest = saving.load(models / "rich").manifest
    accuracy, (low, high) = (
        manifest["metrics"]["accuracy"],
        manifest["intervals"]["accuracy"],
    )
    for line in (
        "  smoker  boolean                  False (64), True (56)",
        "  job     categorical              smith (49), cook (36), clerk (35)",
        "  country    constant: always 'NL'",
        "  income     as asked",
        "  age     float64 [rows]",
        "  since   string [rows]",
        "  probabilities  float32 [rows, 2]",
        "metrics on test rows, never learned from",
        f"  accuracy  {accuracy:.6g} ({low:.6g} to {high:.6g})",
        "  test_rows  24",
        f"  fingerprint  {manifest['data']['fingerprint']}",
    ):
        assert line.split() in [shown.split() for shown in out.splitlines()]


def test_inspect_gives_the_manifest_as_json(run, models):
    result = json.loads(run("inspect", models / "rich", "--json")[1])
    assert result.pop("folder") == str(models / "rich" / "1")
    assert result == saving.load(models / "rich").manifest


# --- words, bar, start-up ---------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("say categorical=['pclass'] or", "say --categorical pclass or"),
        ("numeric=['a b'] keeps it", "--numeric 'a b' keeps it"),
        ("text=['phone'] keeps it", "--text phone keeps it"),
        ('ignore=["it\'s"]', "--ignore 'it'\"'\"'s'"),
        ("2 different; task= says otherwise", "2 different; --task says otherwise"),
        ("say task='regression'", "say --task regression"),
        ("the task is to see target=x", "the task is to see target=x"),
    ],
)
def test_messages_are_put_in_the_words_of_the_command(text, expected):
    assert as_cli_message(text) == expected


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self):
        return True


def test_the_bar_tells_the_epochs_the_losses_and_the_time_left(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    clock = iter([0.0, 10.0, 14.0, 18.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with FitBar() as bar:
        told = []
        for done, epochs in ((2, 64), (4, 64), (6, 10)):
            bar(done, epochs, {"loss": 0.5, "val_loss": 0.25})
            told.append(last_line(terminal))
    assert told[0].startswith("Training ")
    assert told[0].endswith(" 2/64 epochs at most 5:10 left loss 0.5, left out 0.25")
    # The compilation no longer counts.
    assert told[1].endswith(" 4/64 epochs 2:00 left loss 0.5, left out 0.25")
    assert told[2].endswith(" 6/10 epochs 0:08 left loss 0.5, left out 0.25")
    assert last_line(terminal).endswith(" 6/6 epochs loss 0.5, left out 0.25")
    assert all(len(line) <= 80 for line in told)


def last_line(terminal):
    """What the bar shows, without colours."""
    shown = terminal.getvalue().rsplit("Training", 1)[1]
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[\r\n]", "", shown)
    return " ".join(["Training", *plain.split()])


def test_no_bar_is_shown_without_a_terminal(capsys):
    with FitBar() as bar:
        bar(1, 2, {"loss": 0.5})
        bar.write("a [bold] line")
    assert capsys.readouterr() == ("a [bold] line\n", "")


def test_what_is_being_done_is_told_on_a_terminal_only(monkeypatch, capsys):
    with status_on_terminal("Saving ..."):
        pass
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with status_on_terminal("Saving ..."):
        assert terminal.getvalue() == "Saving ..."
    assert terminal.getvalue() == "Saving ...\r\x1b[K"


def test_help_loads_neither_tensorflow_nor_sklearn_nor_pandas():
    code = (
        "import sys\n"
        "from kerasnn.cli import cli\n"
        "cli(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'pandas'} & sys.modules.keys()\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)\n"
    )
    for arguments in (["--help"], ["train", "--help"], ["predict", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert (
        "Options for files:"
        in subprocess.run(
            [sys.executable, "-m", "kerasnn", "train", "--help"],
            capture_output=True,
            text=True,
        ).stdout
    )


def test_the_endings_of_tables_are_left_out_of_the_name_of_a_model():
    for ending in (*formats._ENDINGS, *formats.PACKED_ENDINGS):
        assert _stem(f"data/adult{ending.upper()}") == "adult"
    assert _stem("adult.csv.gz") == "adult"
    assert _stem("parts/") == "parts"
    assert _stem("-") == "stdin"


def test_the_options_about_files_are_those_of_the_library():
    names = [field.name for field in dataclasses.fields(ReadOptions)]
    names.remove("empty_rows")  # what `predict` needs, whatever the user says
    assert [field.name for field in dataclasses.fields(ReadingArguments)] == names
    given = ReadingArguments(
        sep="tab", header=False, names=("a,b", "c"), na=("-9",), sheet="2", strict=True
    )
    assert given.options() == ReadOptions(
        sep="\t", header=False, names=["a", "b", "c"], na=["-9"], sheet=2, strict=True
    )
    assert given.words() == [
        *("--sep", "tab", "--no-header", "--names", "a,b", "--names", "c", "--na", "-9"),
        *("--sheet", "2", "--strict"),
    ]


def test_messages_name_the_options_about_files():
    message = (
        "header=True or header=False, names= or names=['a'], sep='\\t', sep= and"
        " encoding='cp1252' or encoding= say; sheet= names another"
    )
    assert as_cli_message(message) == (
        "--header or --no-header, --names or --names a, --sep tab, --sep and"
        " --encoding cp1252 or --encoding say; --sheet names another"
    )


def test_notices_are_lines_with_warnings_first():
    notices = [Notice("a", f"note {i}, header=False") for i in range(9)]
    notices.append(Notice("b", "careful", ("x",), 3, is_warning=True))
    lines = notice_lines(notices)
    assert lines[0] == "Warning: careful"
    assert lines[1] == "Note: note 0, --no-header"
    assert lines[-1] == "and 2 more notices; --json lists them"
    assert len(lines) == 9
    assert notice_objects(notices)[0] == {
        "code": "b",
        "message": "careful",
        "columns": ("x",),
        "rows": 3,
        "is_warning": True,
    }


@pytest.mark.slow
def test_predict_says_what_was_guessed_once_and_keeps_empty_rows(run, models, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_CHUNK_ROWS", 12)
    table = people(36, seed=5).assign(smoker="perhaps")
    text = "# exported\n" + table.to_csv(index=False)
    lines = text.splitlines()
    lines.insert(3, "," * (len(table.columns) - 1))
    Path("people.csv").write_text("\n".join(lines) + "\n")
    code, out, err = run("predict", models / "rich", "people.csv")
    assert code == 0
    assert len(out.splitlines()) == 1 + 37
    assert err.count("comment line") == 1
    assert err.count("'smoker'") == 1
    assert "Warning: column 'smoker'" in err
    code, out, _ = run("predict", models / "rich", "people.csv", "--json")
    codes = [notice["code"] for notice in json.loads(out)["notices"]]
    assert sorted(codes) == ["comment-lines", "unseen-column"]


@pytest.mark.slow
def test_evaluate_counts_in_parts_as_in_memory(run, models, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_CHUNK_ROWS", 7)
    table = people(40, seed=9).assign(age="30")
    table.loc[[0, 11, 30], "rich"] = [None, "mad", None]
    table.loc[[22, 23], "age"] = "young"
    write(table)
    found = []
    for size in (0, 10**9):
        monkeypatch.setattr(tables.files, "STREAMED_FROM_BYTES", size)
        found.append(tables.evaluate(saving.load(models / "rich"), "people.csv"))
    in_parts, whole = found
    assert in_parts.rows == whole.rows == 35
    messages = [notice.message for notice in whole.notices]
    assert [notice.message for notice in in_parts.notices][:2] == messages[:2]
    assert "3 of 40 rows are not scored" in messages[0]
    assert "2 of 40 rows are not scored: first, column 'age', row 22" in messages[1]
