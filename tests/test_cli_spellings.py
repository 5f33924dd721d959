"""Rows that other people have written give the answers of the training's spelling."""

import io

import numpy as np
import pandas as pd
import pytest

SHORT = ("--members", "2", "--folds", "2", "--epochs", "4", "--hidden-units", "8")


def measured(n_rows=160, seed=3):
    """Numbers with limits, durations, booleans of Excel in German, times with a zone."""
    rng = np.random.default_rng(seed)
    crp = np.round(rng.lognormal(0, 1, n_rows), 2)
    seconds = rng.integers(60, 200_000, n_rows)
    minutes = pd.to_timedelta(rng.integers(0, 500_000, n_rows), unit="min")
    member = rng.random(n_rows) < 0.5
    at = pd.Timestamp("2024-01-01T00:00:00+01:00") + minutes
    return pd.DataFrame(
        {
            "crp": np.where(crp < 0.5, "<0.5", np.where(crp > 5, ">5", crp.astype(str))),
            "took": [f"{s // 3600}:{s // 60 % 60:02}:{s % 60:02}" for s in seconds],
            "member": np.where(member, "WAHR", "FALSCH"),
            "at": [time.isoformat() for time in at],
            "ill": np.where((crp > 1) == member, "ja", "nein"),
        }
    )


@pytest.mark.slow
def test_rows_spelled_otherwise_have_the_same_answers(run):
    measured().to_csv("training.csv", index=False)
    train = ("train", "training.csv", "--target", "ill", "--no-trees", *SHORT)
    code, out, err = run(*train, "--output", ".", "--name", "ill")
    assert code == 0
    assert err.startswith("Note: column 'crp': limits were read as their numbers")
    assert err.count("\n") == 1  # and nothing else
    assert "  2  numeric   crp, took" in out.splitlines()
    rows = [
        "<0.5,30:15:00,WAHR,2024-05-01T10:00:00+02:00",
        "< 0.50,30:15:00.0,wahr,2024-05-01T08:00:00Z",
        "≤0.5,1 days 06:15:00,True,2024-05-01 08:00 UTC",
        "0.5,108900,ja,2024-05-01T10:00:00+0200",
    ]
    for row in rows:
        with open("new.csv", "w", encoding="utf-8") as file:
            file.write(f"crp,took,member,at\n{row}\n")
        code, out, err = run("predict", "ill", "new.csv")
        answer = pd.read_csv(io.StringIO(out)).loc[0, "probability_ja"]
        if row == rows[0]:
            first = answer
        assert (code, answer) == (0, first), (row, err)
