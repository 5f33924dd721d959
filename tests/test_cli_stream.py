"""`kerasnn train --stream`: a folder of files to a network, its rows on disk meanwhile."""

import json
from pathlib import Path

import numpy as np
import pytest

from kerasnn.tables import files, streamed
from tests.deaths import Killed
from tests.test_cli_tables import SCORES, people

pytestmark = pytest.mark.slow

SHORT = [*("--members", "2", "--epochs", "2", "--hidden-units", "8"), "--stream"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two files of 300 people each; shards of 50."""
    monkeypatch.setattr(streamed, "SHARD_ROWS", 50)
    (tmp_path / "people").mkdir()
    for part in range(2):
        people(300, seed=part).to_csv(tmp_path / "people" / f"{part}.csv", index=False)
    return "people"


def test_a_folder_is_trained_on_from_disk_and_evaluated(run, folder, monkeypatch):
    code, out, err = run("train", folder, "--target", "rich", *SHORT, "--json")
    assert code == 0, err
    assert err.splitlines()[:3] == [
        "people: 600 rows; 420 to learn from, 60 to choose the epoch, 120 kept for the"
        " test",
        "Target rich: classification, 2 classes: poor (386), rich (214) (text, 2"
        " different)",
        "Columns 6",
    ]
    told = json.loads(out)
    assert told["rows"] == {"train": 420, "test": 120}
    assert set(told["metrics"]) == {*SCORES, "coverage_90", "mean_set_size_90"}
    assert told["epochs"] == 2
    monkeypatch.setattr(files, "STREAMED_FROM_BYTES", 0)
    code, out, err = run("evaluate", "saved_models/people", folder, "--json")
    assert code == 0, err
    assert (json.loads(out)["rows"], json.loads(out)["trained_on"]) == (600, True)


def test_a_large_table_is_streamed_without_being_asked(run, folder, monkeypatch):
    monkeypatch.setattr(files, "STREAMED_FROM_BYTES", 1000)
    given = [option for option in SHORT if option != "--stream"]
    code, out, err = run("train", folder, "--target", "income", *given)
    assert code == 0, err
    assert "60 to choose the epoch" in out.splitlines()[0]
    code, out, err = run("train", folder, "--target", "income", *given, "--no-stream")
    assert code == 0, err
    assert "people: 600 rows; 480 to learn from, 120 kept" in out


def test_it_goes_on_after_its_death_and_clears_the_rows_away(run, folder, die_after):
    train = ["train", folder, "--target", "income", *SHORT, "--json"]
    code, whole, err = run(*train, "--output", "whole")
    assert code == 0, err
    saving = ["--checkpoint", "saves", "--checkpoint-every", "1e-9"]
    die_after(1)
    with pytest.raises(Killed):
        run(*train, *saving)
    die_after(-1)
    code, again, err = run(*train, *saving, "--resume")
    assert code == 0, err
    whole, again = json.loads(whole), json.loads(again)
    assert again["metrics"] == whole["metrics"]
    assert again["intervals"] == whole["intervals"]
    names = {path.name for path in Path("saves").iterdir()}
    assert all(name.startswith("checkpoint-") for name in names)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--folds", "2"], "folds must be 'auto' for a table that is read from disk"),
        (["--categorical", "jobb"], "the table has no column 'jobb' (did you mean 'job'?)"),
    ],
    ids=["folds", "column"],
)
def test_what_cannot_be_is_told_in_options(run, folder, options, told):
    code, _, err = run("train", folder, "--target", "rich", *SHORT, *options)
    assert code == 1
    assert told in err


def test_a_folder_whose_files_differ_names_both(run, folder):
    table = people(10)
    table["age"] = np.where(table["age"].isna(), "", "old")
    table.drop(columns="smoker").to_csv("people/9.csv", index=False)
    code, _, err = run("train", folder, "--target", "rich", *SHORT)
    assert code == 1
    assert err == (
        "Error: people/9.csv: has no column 'smoker', which people/0.csv has; the files of"
        " a table have the same columns\n"
    )
