"""The command line as a person meets it: output, files, exit codes, whole messages."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import serving_models

from kerasnn import datasets, lessons, saving
from kerasnn.choices import OptimizerName
from kerasnn.lessons import training

SHORT = ["--epochs", "3", "--driver", "graph"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """iris and digits, trained for a moment, in one folder."""
    folder = tmp_path_factory.mktemp("saved_models")
    for lesson in lessons.LESSONS.values():
        settings = replace(lesson.settings, epochs=5, driver="graph")
        lessons.save(lessons.train(lesson, settings), folder / lesson.name)
    return folder


def write_rows(path, columns, rows):
    pd.DataFrame(rows, columns=list(columns)).to_csv(path, index=False)
    return path


# --- train ------------------------------------------------------------------------


@pytest.mark.slow
def test_train_writes_a_version_with_report_and_says_where(run):
    code, out, err = run("train", "iris", "--driver", "graph")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        "Epoch [1/200], Loss: [1.2723]",
        "Epoch [100/200], Loss: [0.9051]",
        "Epoch [200/200], Loss: [0.8889]",
        "iris: loss 0.8889 on 150 training rows",
    ]
    assert lines[4].startswith("Trained in ")
    assert lines[5:] == [
        "Saved    saved_models/iris/1",
        "Report   saved_models/iris/1/assets.extra/report.html",
    ]
    assert sorted(os.listdir("saved_models/iris/1/assets.extra")) == [
        "kerasnn.json",
        "loss.png",
        "outputs.png",
        "report.html",
        "tf_serving_warmup_requests",
    ]
    page = Path("saved_models/iris/1/assets.extra/report.html").read_text()
    shown = re.search(r"between ([\d.]+) and\s+([\d.]+)\. The mean.*?is 0\.3333", page)
    assert [float(end) for end in shown.groups()] == pytest.approx([1 / 3] * 2, abs=0.01)
    assert "it has learned the mean, and nothing of the inputs" in page


@pytest.mark.slow
def test_train_prints_json_and_nothing_else_on_standard_output(run):
    options = "--batch-size 100 --learning-rate 0.01 --optimizer rmsprop --hidden-units 8,4"
    more = "--batching tf-data --seed 3 --output out --name mine"
    code, out, err = run(
        "train", "digits", *SHORT, *options.split(), *more.split(), "--json"
    )
    assert code == 0
    assert err.startswith("Epoch [1/3], Accuracy: [0.")
    result = json.loads(out)
    assert result.pop("seconds") > 0
    assert result.pop("microseconds_per_step") > 0
    assert result.pop("metrics").keys() == {"loss", "accuracy"}
    assert result == {
        "source": "digits",
        "folder": "out/mine/1",
        "version": 1,
        "report": "out/mine/1/assets.extra/report.html",
        "rows": {"train": 1437, "test": 360},
        "settings": {
            "epochs": 3,
            "batch_size": 100,
            "learning_rate": 0.01,
            "optimizer": "rmsprop",
            "hidden_units": [8, 4],
            "batching": "tf-data",
            "initializer": "glorot",
            "driver": "graph",
            "seed": 3,
        },
    }
    network = saving.load("out/mine").manifest["network"]
    assert network["config"]["hidden_units"] == [8, 4]
    assert network["config"]["seed"] == 3
    assert sorted(os.listdir("out/mine/1/assets.extra")) == [
        "accuracy.png",
        "confusion.png",
        "kerasnn.json",
        "loss.png",
        "report.html",
        "tf_serving_warmup_requests",
        "wrong.png",
    ]


def test_the_report_has_the_runs_numbers_and_settings(models):
    page = (models / "digits" / "1" / "assets.extra" / "report.html").read_text()
    metrics = lessons.evaluate(saving.load(models / "digits"), lessons.LESSONS["digits"])
    for text in (
        "digits: a 64-30-10 network",
        "1,437 rows to learn from, 360 kept for the test; 5 epochs in ",
        f"{metrics['accuracy']:.4f}",
        f"{metrics['loss']:.4f}",
        "0.002",
        "2,260",
        "The digits it got wrong",
    ):
        assert text in page


@pytest.mark.slow
def test_a_batch_size_without_effect_is_told_nowhere(run):
    code, out, _ = run("train", "digits", *SHORT, "--batching", "full", "--json")
    assert code == 0
    assert "batch_size" not in json.loads(out)["settings"]
    assert "batch_size" not in saving.load("saved_models/digits").manifest["settings"]
    page = Path("saved_models/digits/1/assets.extra/report.html").read_text()
    assert "batching" in page
    assert "batch size" not in page


def test_a_loss_that_is_not_finite_ends_with_1_and_writes_nothing(run):
    code, _, err = run(
        "train", "digits", *SHORT, "--learning-rate", "1e30", "--optimizer", "sgd"
    )
    assert code == 1
    assert err.splitlines()[-1].startswith("Error: loss is ")
    assert "The network is as it was before training." in err
    assert os.listdir() == []


def test_an_output_that_cannot_be_written_is_told_before_training(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = run("train", "digits", "--output", "file")
    assert (code, out) == (1, "")
    assert err == "Error: file/digits: cannot be written: Not a directory\n"
    assert os.listdir() == ["file"]


# --- wrong use --------------------------------------------------------------------

TRAIN_OPTIONS = (
    "--target, --task, --test-size, --group, --time, --gap, --test-file, --folds,"
    " --members, --trees, --quality, --time-limit, --importance,"
    " --weight-decay, --dropout, --embedding, --ignore, --categorical, --numeric,"
    " --boolean, --datetime, --text, --stream, --sep, --encoding, --header, --names,"
    " --na, --decimal, --thousands,"
    " --date-format, --sheet, --strict,"
    " --epochs, --batch-size, --learning-rate, --optimizer, --hidden-units,"
    " --batching, --driver, --seed, --output, --name, --checkpoint, --checkpoint-every,"
    " --resume, --json, --help"
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "tarin digits",
            "No such command: tarin. Possible: check, evaluate, inspect, learn, predict,"
            " run, serve, train, tune",
        ),
        ("train digits --epoch 3", f"No such option: --epoch. Possible: {TRAIN_OPTIONS}"),
        (
            "train mnist",
            "Invalid value for 'SOURCE': 'mnist' is neither a lesson (iris, digits) nor a"
            " file or folder that exists",
        ),
        (
            "train digits --driver fast",
            "Invalid value for '--driver': 'fast' is not one of 'eager', 'graph', 'xla'.",
        ),
        (
            "train digits --batching random",
            "Invalid value for '--batching': 'random' is not one of 'full', 'kfold',"
            " 'shuffled', 'tf-data'.",
        ),
        (
            "train digits --optimizer adamm",
            "Invalid value for '--optimizer': 'adamm' is not one of"
            f" {', '.join(map(repr, get_args(OptimizerName)))}.",
        ),
        (
            "train digits --epochs 0",
            "Invalid value for '--epochs': 0 is not in the range x>=1.",
        ),
        (
            "train digits --batch-size -1",
            "Invalid value for '--batch-size': -1 is not in the range x>=1.",
        ),
        (
            "train digits --epochs many",
            "Invalid value for '--epochs': 'many' is not a valid integer range.",
        ),
        (
            "train digits --learning-rate nan",
            "Invalid value for '--learning-rate': 'nan' is not a number above 0, below"
            " 1e+38",
        ),
        (
            "train digits --learning-rate 0",
            "Invalid value for '--learning-rate': '0' is not a number above 0, below 1e+38",
        ),
        (
            "train digits --hidden-units 30,x",
            "Invalid value for '--hidden-units': '30,x' is not a list of whole numbers of"
            " at least 1, such as 30 or 64,32",
        ),
        (
            "train digits --name a/b",
            "Invalid value for '--name': 'a/b' is not a plain folder name such as digits or"
            " my_net",
        ),
        (
            "train digits --name 7",
            "Invalid value for '--name': '7' is not a plain folder name such as digits or"
            " my_net",
        ),
        (
            "train iris --batch-size 16",
            "--batch-size has no effect with --batching full, where all rows are one batch;"
            " possible with kfold, shuffled, tf-data",
        ),
        (
            "train",
            "Missing argument 'SOURCE'. Give a file, or a lesson: iris, digits",
        ),
        (
            "train iris --target Y --folds 5",
            "--target is for files; iris is a lesson",
        ),
        ("predict saved_models/digits", "Missing argument 'FILE'."),
    ],
)
def test_wrong_use_says_what_is_possible_and_ends_with_2(run, arguments, message):
    code, out, err = run(*arguments.split())
    assert (code, out) == (2, "")
    assert err.split("Error: ", 1)[1] == message + "\n"
    assert os.listdir() == []


# --- predict, evaluate, inspect ---------------------------------------------------


def test_predict_answers_each_row_of_a_csv(run, models):
    _, (x, _) = datasets.digits(scaled=False)
    file = write_rows("rows.csv", datasets.DIGITS_COLUMNS, x[:5])
    code, out, err = run("predict", models / "digits", file)
    assert (code, err) == (0, "")
    table = pd.read_csv(io.StringIO(out))
    expected = saving.load(models / "digits").predict(x[:5])
    assert list(table.columns) == ["class", *(f"probability_{k}" for k in range(10))]
    np.testing.assert_array_equal(table["class"], expected["class"])
    np.testing.assert_allclose(
        table.iloc[:, 1:], expected["probabilities"], rtol=1e-6, atol=1e-9
    )


def test_predict_takes_columns_in_any_order_and_writes_a_file(run, models, iris):
    x, y = iris
    columns = ["Y", "X1", "X0"]
    file = write_rows("rows.csv", columns, np.column_stack([y, x[:, ::-1]]))
    code, out, err = run("predict", models / "iris", file, "-o", "out.csv")
    assert (code, out, err) == (0, "150 rows written to out.csv\n", "")
    expected = saving.load(models / "iris").predict(x)["value"][:, 0]
    table = pd.read_csv("out.csv")
    assert list(table.columns) == ["value"]
    np.testing.assert_allclose(table["value"], expected, rtol=1e-6)


def test_predict_gives_json(run, models):
    file = write_rows("rows.csv", datasets.IRIS_COLUMNS, [[5.1, 3.5]])
    code, out, _ = run("predict", models / "iris", file, "--json")
    result = json.loads(out)
    assert (code, result["rows"], result["output"]) == (0, 1, None)
    assert 0 < result["predictions"][0]["value"] < 1
    code, out, _ = run("predict", models / "iris", file, "-o", "out.csv", "--json")
    assert json.loads(out) == {"rows": 1, "output": "out.csv"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("X0,Y\n1,2\n", "rows.csv: has no column 'X1'. It has X0, Y; needed: X0, X1"),
        (
            "X0,X1\n1,b\n",
            "rows.csv: row 1 (line 2), column 'X1': 'b' is not a number",
        ),
        ("", "rows.csv: is empty; it needs a header line with names of columns"),
    ],
)
def test_predict_tells_what_is_wrong_with_a_file_and_writes_none(
    run, models, content, message
):
    Path("rows.csv").write_text(content)
    code, out, err = run("predict", models / "iris", "rows.csv", "-o", "out.csv")
    assert (code, out, err) == (1, "", f"Error: {message}\n")
    assert os.listdir() == ["rows.csv"]


def test_predict_writes_through_links_and_pipes_and_keeps_the_mode(run, models):
    file = write_rows("rows.csv", datasets.IRIS_COLUMNS, [[5.1, 3.5]])
    real = Path("real.csv")
    real.write_text("old")
    real.chmod(0o640)
    Path("link.csv").symlink_to(real)
    assert run("predict", models / "iris", file, "-o", "link.csv")[0] == 0
    assert Path("link.csv").is_symlink()
    assert real.read_text().startswith("value\n0.")
    assert real.stat().st_mode & 0o777 == 0o640
    os.mkfifo("pipe")
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(Path("pipe").read_text)
        assert run("predict", models / "iris", file, "-o", "pipe")[0] == 0
        assert reader.result(timeout=30) == real.read_text()
    assert Path("pipe").is_fifo()


def test_predict_does_not_write_over_its_own_rows(run, models):
    file = write_rows("rows.csv", datasets.IRIS_COLUMNS, [[5.1, 3.5]])
    before = Path(file).read_text()
    code, _, err = run("predict", models / "iris", file, "-o", "./rows.csv")
    assert code == 2
    assert err.endswith(
        "Error: --output is FILE itself, rows.csv, whose rows would be lost\n"
    )
    assert Path(file).read_text() == before


def test_predict_tells_of_an_output_that_cannot_be_written(run, models):
    file = write_rows("rows.csv", datasets.IRIS_COLUMNS, [[5.1, 3.5]])
    code, out, err = run("predict", models / "iris", file, "-o", "none/out.csv")
    assert (code, out) == (1, "")
    assert err == "Error: none/out.csv: cannot be written: No such file or directory\n"


def test_an_unknown_model_is_told(run, models):
    for command in (["inspect"], ["predict"], ["evaluate"]):
        more = {"predict": ["rows.csv"], "evaluate": ["iris"]}.get(command[0], [])
        code, out, err = run(*command, models / "digit", *more)
        assert (code, out) == (1, "")
        assert err == (
            f"Error: {models / 'digit'}: there is no such folder; did you mean"
            f" {models / 'digits'}?\n"
        )


def edited_manifest(models, tmp_path, **entries):
    """The folder of a copy of a network with other entries in its manifest."""
    folder = tmp_path / "edited" / "1"
    shutil.copytree(models / "iris" / "1", folder)
    path = folder / "assets.extra" / "kerasnn.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    return folder


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"network": 3}, "network must be an object; got 3"),
        (
            {"metrics": [1]},
            "metrics must be an object of at most 1,000,000 members; got [1]",
        ),
        (
            {"inputs": {"x": {"dtype": "float32", "shape": ["\x1b[31m"]}}},
            "inputs.x.shape[0] must be a whole number from 0 to 2147483648; got"
            " '\\x1b[31m'",
        ),
    ],
)
def test_a_manifest_that_lies_is_named_with_its_field(
    run, models, tmp_path, entries, message
):
    folder = edited_manifest(models, tmp_path, **entries)
    rows = write_rows("rows.csv", datasets.IRIS_COLUMNS[:2], [[5.1, 3.5]])
    for command, more in (("inspect", []), ("predict", [rows]), ("evaluate", ["iris"])):
        assert run(command, folder, *more) == (
            1,
            "",
            f"Error: {folder}/assets.extra/kerasnn.json: {message}\n",
        )


def test_inspect_warns_of_a_manifest_that_contradicts_its_savedmodel(run, models, tmp_path):
    outputs = {"odds": {"dtype": "float32", "shape": [None]}}
    code, _, err = run("inspect", edited_manifest(models, tmp_path, outputs=outputs))
    assert code == 0
    assert "does not describe the SavedModel's outputs: " in err
    assert "odds" in err
    assert "inputs" not in err


def test_control_characters_do_not_reach_the_terminal(run, models, tmp_path):
    folder = edited_manifest(
        models, tmp_path, created="\x1b[31mred\n", settings={"\u202eleft": "a\x9bb"}
    )
    code, out, _ = run("inspect", folder)
    assert code == 0
    assert "  \\x1b[31mred\\n\n" in out
    assert "  \\u202eleft  a\\x9bb\n" in out
    code, out, _ = run("inspect", folder, "--json")
    assert out.isascii()
    assert json.loads(out)["settings"] == {"\u202eleft": "a\x9bb"}
    code, _, err = run("inspect", tmp_path / "\x1b[31m")
    assert (code, "\x1b" in err) == (1, False)
    code, _, err = run("inspect", folder, "--\x1b[31m")
    assert (code, "\x1b" in err) == (2, False)


@pytest.mark.parametrize("command", ["inspect", "predict", "evaluate"])
def test_a_graph_that_is_not_safe_is_not_run(run, models, tmp_path, command):
    folder = tmp_path / "evil" / "1"
    shutil.copytree(models / "iris" / "1", folder)
    target = tmp_path / "written"
    writing = serving_models.make_writing(tmp_path / "w", target=str(target))
    shutil.copy(writing / "saved_model.pb", folder)
    rows = write_rows("rows.csv", datasets.IRIS_COLUMNS[:2], [[5.1, 3.5]])
    more = {"inspect": [], "predict": [rows], "evaluate": ["iris"]}[command]
    code, _, err = run(command, folder.parent, *more)
    assert code == 1
    assert err.startswith(
        f"Error: {folder}: the graph holds operations that are not run: WriteFile ("
    )
    assert err.endswith(
        "/WriteFile) writes files; if you trust the model, --allow WriteFile allows them\n"
    )
    assert not target.exists()
    code, _, err = run(command, folder.parent, *more, "--allow", "WriteFile")
    assert "WriteFile" not in err
    assert code == (0 if command == "inspect" else 1)  # its signature is another


def test_evaluate_gives_the_metrics_that_the_manifest_keeps(run, models):
    code, out, _ = run("evaluate", models / "digits", "digits", "--json")
    result = json.loads(out)
    manifest = saving.load(models / "digits").manifest
    assert code == 0
    assert result["rows"] == "test"
    assert result["metrics"]["accuracy"] == pytest.approx(manifest["metrics"]["accuracy"])
    assert result["metrics"]["loss"] == pytest.approx(manifest["metrics"]["loss"], rel=1e-5)


def test_check_is_for_networks_of_tables(run, models):
    file = write_rows("rows.csv", datasets.IRIS_COLUMNS, [[5.1, 3.5]])
    code, _, err = run("check", models / "iris", file)
    assert code == 1
    assert "only networks of tables know what their training rows were like" in err


def test_evaluate_in_words(run, models):
    code, out, _ = run("evaluate", models / "iris", "iris")
    assert code == 0
    assert out.startswith(f"{models / 'iris' / '1'}: loss 1.")
    assert out.endswith(" on the training rows of iris\n")


def test_evaluate_refuses_rows_of_another_kind(run, models):
    code, _, err = run("evaluate", models / "iris", "digits")
    assert code == 1
    assert err == (
        f"Error: {models / 'iris' / '1'}: takes 2 columns (X0, ...), but digits has 64"
        " columns (pixel_0_0, ...); they must be the same\n"
    )


def test_inspect_shows_signature_metrics_and_settings(run, models):
    code, out, _ = run("inspect", models / "digits")
    assert code == 0
    for text in (
        "DigitsNetwork, classification, 2,260 weights",
        "x  float32 [rows, 64]",
        "columns pixel_0_0, pixel_0_1, pixel_0_2, ..., pixel_7_7",
        "probabilities  float32 [rows, 10]",
        "class          int64 [rows]",
        "accuracy  0.",
        "optimizer  adam",
        "fingerprint  sha256:",
    ):
        assert text in out


def test_inspect_gives_the_manifest_as_json(run, models):
    code, out, _ = run("inspect", models / "iris" / "1", "--json")
    result = json.loads(out)
    assert code == 0
    assert result.pop("folder") == str(models / "iris" / "1")
    manifest = models / "iris" / "1" / "assets.extra" / "kerasnn.json"
    assert result == json.loads(manifest.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", ["hidden_units", "optimizer", "driver", "batching", "seed"]
)
def test_every_setting_reaches_the_training(setting, monkeypatch):
    value = {
        "hidden_units": (5,),
        "optimizer": "sgd",
        "driver": "eager",
        "batching": "tf-data",
        "seed": 9,
    }[setting]
    used = {}

    class Spy(training.Trainer):
        def __init__(self, model, *, optimizer, driver):
            used.update(hidden_units=model.hidden_units, driver=driver)
            used.update(optimizer=type(optimizer).__name__.lower())
            super().__init__(model, optimizer=optimizer, driver=driver)

        def fit(self, *rows, **options):
            used.update(options)
            assert self.model.seed == options["seed"]
            return super().fit(*rows, **options)

    monkeypatch.setattr(training, "Trainer", Spy)
    lesson = lessons.LESSONS["digits"]
    base = replace(lesson.settings, epochs=1, driver="graph", learning_rate=0.125)
    outcome = lessons.train(lesson, replace(base, batch_size=700, **{setting: value}))
    assert used[setting] == value
    assert (used["epochs"], used["batch_size"]) == (1, 700)
    assert len(outcome.history.epoch) == 1


# --- in a process of its own ------------------------------------------------------


@pytest.mark.slow
def test_a_command_prints_nothing_but_its_own_on_either_stream(tmp_path):
    """TensorFlow's start-up notices come from C++, below what pytest captures."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "kerasnn", "train", "iris", "--epochs", "2", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["folder"] == "saved_models/iris/1"
    assert done.stderr == "Epoch [1/2], Loss: [1.2723]\n"
