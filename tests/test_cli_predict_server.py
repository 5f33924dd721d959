"""`kerasnn predict --server`: the command, and that its answers are those of here."""

import io
import json
import os

import pandas as pd
import pytest
from fake_model_server import FakeModel, FakeServer, nothing_listens

from kerasnn.datasets import Column, Schema


def sums(a, b):
    """The sum, which must not be negative, and whether it is odd."""
    found = [x + y for x, y in zip(a, b, strict=True)]
    if min(found) < 0:
        raise ValueError("a sum is negative")
    odd = [value % 2 for value in found]
    return {
        "class": ["odd" if value else "even" for value in odd],
        "probabilities": [[1 - value, value] for value in odd],
    }


@pytest.fixture
def fake():
    inputs = {"a": ("DT_DOUBLE", [-1]), "b": ("DT_INT64", [-1])}
    outputs = {
        "probabilities": ("DT_FLOAT", [-1, 2]),
        "class": ("DT_STRING", [-1]),
    }
    with FakeServer({"sums": FakeModel(inputs, outputs, sums)}) as fake:
        yield fake


def write(a, path="rows.csv"):
    pd.DataFrame({"a": a, "b": 1, "c": "x"}).to_csv(path, index=False)


def requests(fake):
    """The rows of each request."""
    return [len(content["inputs"]["a"]) for _, _, content in fake.asked if content]


# --- the command ------------------------------------------------------------------


def test_each_row_is_answered_so_many_a_request(run, fake):
    write(range(7))
    options = ["--server", fake.url, "--rows-per-request", 3]
    code, out, err = run("predict", "sums", "rows.csv", *options)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "class,probability_0,probability_1",
        *["odd,0.0,1.0", "even,1.0,0.0"] * 3,
        "odd,0.0,1.0",
    ]
    assert requests(fake) == [3, 3, 1]


def test_the_probabilities_have_the_names_of_the_classes_where_they_are_told(run, fake):
    fake.models["sums"].labels = ["even", "odd"]
    write(range(3))
    options = ["--server", fake.url, "--rows-per-request", 1]
    code, out, err = run("predict", "sums", "rows.csv", *options)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "class,probability_even,probability_odd"
    assert [path for _, path, _ in fake.asked if path.endswith(":classify")] == [
        "/v1/models/sums/versions/1:classify"
    ]


def test_the_answers_are_written_to_a_file_or_as_json(run, fake):
    write(range(2))
    options = ["--server", fake.url]
    code, out, err = run("predict", "sums/1", "rows.csv", *options, "-o", "out.csv")
    assert (code, out, err) == (0, "2 rows written to out.csv\n", "")
    assert list(pd.read_csv("out.csv")["class"]) == ["odd", "even"]
    code, out, err = run("predict", "sums", "rows.csv", *options, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "output": None,
        "predictions": [
            {"class": "odd", "probability_0": 0.0, "probability_1": 1.0},
            {"class": "even", "probability_0": 1.0, "probability_1": 0.0},
        ],
        "rows": 2,
    }


@pytest.mark.parametrize("file", ["rows.csv.gz", "rows.parquet"])
def test_files_of_other_kinds_are_answered(run, fake, file):
    table = pd.DataFrame({"b": [1, 2], "a": [1.0, 1.0]})
    if file.endswith("parquet"):
        table.to_parquet(file)
    else:
        table.to_csv(file, index=False)
    code, out, err = run("predict", "sums", file, "--server", fake.url)
    assert (code, err) == (0, "")
    assert [line.split(",")[0] for line in out.splitlines()] == ["class", "even", "odd"]


def test_wide_rows_make_smaller_requests(run, fake):
    table = pd.DataFrame({f"c{i}": 0 for i in range(400)} | {"a": range(600), "b": 1})
    table.to_csv("rows.csv", index=False)
    assert run("predict", "sums", "rows.csv", "--server", fake.url)[0] == 0
    assert requests(fake) == [248, 248, 104]


@pytest.mark.parametrize("output", [["-o", "out.csv"], []])
@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["0", "1", "2", "3", "x"],
            "rows.csv: in the rows from 3 on, counted from there: column 'a', row 1: 'x' is"
            " not a number. The column is numeric: its cells are numbers, or empty where"
            " missing",
        ),
        (
            ["0", "1", "2", "3", "-9"],
            "rows.csv: rows 3 to 4: URL answered with 400: a sum is negative",
        ),
    ],
)
def test_what_is_wrong_in_some_row_is_told_and_nothing_written(
    run, fake, cells, message, output
):
    write(cells)
    options = ["--server", fake.url, "--rows-per-request", 3]
    code, out, err = run("predict", "sums", "rows.csv", *options, *output)
    assert (code, out) == (1, "")
    assert err == f"Error: {message.replace('URL', fake.url)}\n"
    assert os.listdir() == ["rows.csv"]


def test_a_version_that_is_replaced_meanwhile_ends_the_run(run, fake):
    """One file is answered by one version."""
    write(range(6))
    model, answer = fake.models["sums"], fake.models["sums"].answer

    def replaced(**inputs):
        model.version = "2"
        return answer(**inputs)

    model.answer = replaced
    options = ["--server", fake.url, "--rows-per-request", 3]
    code, out, err = run("predict", "sums", "rows.csv", *options)
    assert (code, out) == (1, "")
    assert err == (
        f"Error: rows.csv: rows 3 to 5: {fake.url} answered with 404: Servable not found"
        " for request: Specific(sums, 1). Version 1 of 'sums' was served when this began;"
        " retry to use the current version\n"
    )


def table_model():
    """A model of a number `a` in 0 to 9 and a level `b`, with all signatures."""
    inputs = {"a": ("DT_DOUBLE", [-1]), "b": ("DT_STRING", [-1])}
    value = {"value": ("DT_FLOAT", [-1])}
    columns = Schema(
        (
            Column("a", "numeric", low=0.0, high=9.0),
            Column("b", "categorical", levels=("x", "y")),
        )
    )
    manifest = {
        "schema": columns.to_dict(),
        "classes": [],
        "inputs": {name: {"column": name} for name in inputs},
    }
    model = FakeModel(inputs, value, lambda a, b: {"value": a}, manifest=manifest)

    def interval(a, b, coverage):
        ends = {"lower": [x - 1 for x in a], "upper": [x + coverage[0] for x in a]}
        return {"value": a, **ends}

    def explain(a, b):
        own = {"contributions": [[x - 3, 1.0] for x in a], "base": [2.0 for _ in a]}
        return {"value": a, **own, "standard_error": [[0.0, 0.0] for _ in a]}

    def check(a, b):
        outside = [[x > 9, False] for x in a]
        return {
            "unusual": [flags[0] for flags in outside],
            "outside": outside,
            "unseen": [[False, False] for _ in a],
            "missing": [[False, False] for _ in a],
            "unlikely": [False for _ in a],
            "combination": [[-1, -1] for _ in a],
        }

    numbers, flags = ("DT_FLOAT", [-1, 2]), ("DT_BOOL", [-1, 2])
    ends = {"lower": value["value"], "upper": value["value"]}
    asked = {**inputs, "coverage": ("DT_DOUBLE", [-1])}
    reasons = {"contributions": numbers, "standard_error": numbers}
    reasons["base"] = value["value"]
    found = dict.fromkeys(("outside", "unseen", "missing"), flags)
    found |= dict.fromkeys(("unusual", "unlikely"), ("DT_BOOL", [-1]))
    found["combination"] = ("DT_INT32", [-1, 2])
    model.further = {
        "interval": FakeModel(asked, {**value, **ends}, interval),
        "explain": FakeModel(inputs, {**value, **reasons}, explain),
        "check": FakeModel(inputs, found, check),
    }
    return model


@pytest.mark.parametrize("interval", [[], ["--interval", "0.5"]])
def test_intervals_reasons_and_unusual_rows_come_from_the_server(run, interval):
    pd.DataFrame({"b": ["x", "y"], "a": [4, 12]}).to_csv("rows.csv", index=False)
    with FakeServer({"sums": table_model()}, tells_manifests=True) as fake:
        asked = ["--explain", "--check", *interval]
        code, out, err = run("predict", "sums", "rows.csv", "--server", fake.url, *asked)
    assert (code, err) == (0, "")
    found = pd.read_csv(io.StringIO(out))
    assert list(found) == [
        "value",
        *(["lower", "upper"] if interval else []),
        *["reason_1", "reason_2", "mean_answer", "contribution_a", "contribution_b"],
        *["unusual", "unusual_columns", "unusual_reason"],
    ]
    assert found["reason_1"].tolist() == ["b=x (+1)", "a=12 (+9)"]
    assert found["unusual"].tolist() == [False, True]
    assert found["unusual_columns"][1] == "a"
    assert found["unusual_reason"][1] == "a 12 is outside 0 to 9"
    if interval:
        assert found["upper"].tolist() == [4.5, 12.5]


def test_a_server_without_the_columns_of_the_training_is_named(run, fake):
    write(range(2))
    for option in ("--explain", "--check"):
        code, out, err = run("predict", "sums", "rows.csv", "--server", fake.url, option)
        assert (code, out) == (1, "")
        assert "none for 'sums': it must be kerasnn serve" in err


def test_a_column_that_is_not_there_is_told(run, fake):
    pd.DataFrame({"A": [1], "b": [2]}).to_csv("rows.csv", index=False)
    code, out, err = run("predict", "sums", "rows.csv", "--server", fake.url)
    assert (code, out) == (1, "")
    assert err == (
        "Error: rows.csv: the table has no column 'a' (did you mean 'A'?); it has A, b\n"
    )


def test_a_server_that_is_not_there_is_told(run):
    write(range(3))
    with nothing_listens() as url:
        code, out, err = run("predict", "sums", "rows.csv", "--server", url)
    assert (code, out) == (1, "")
    assert err == (
        f"Error: {url} gives no answer: Connection refused. Is a server running there, and"
        " is this its REST port?\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--ca-cert ca.pem", "--ca-cert is for --server"),
        ("--rows-per-request 5", "--rows-per-request is for --server"),
        (
            "--server http://a --rows-per-request 0",
            "Invalid value for '--rows-per-request': 0 is not in the range x>=1.",
        ),
    ],
)
def test_wrong_use_is_told_and_ends_with_2(run, options, message):
    write(range(3))
    code, out, err = run("predict", "sums", "rows.csv", *options.split())
    assert (code, out) == (2, "")
    assert err.split("Error: ", 1)[1] == message + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "sums rows.csv --server localhost:8501",
            "the server's address is http://HOST:PORT or https://HOST:PORT; got"
            " 'localhost:8501'",
        ),
        (
            "saved_models/sums rows.csv --server http://127.0.0.1:1",
            "a model on a server is named NAME, NAME/VERSION or NAME/labels/LABEL, such as"
            " digits, digits/3 or digits/labels/stable; got 'saved_models/sums'",
        ),
    ],
)
def test_an_address_or_a_name_of_another_form_is_told(run, arguments, message):
    write(range(3))
    code, out, err = run("predict", *arguments.split())
    assert (code, out, err) == (1, "", f"Error: {message}\n")
