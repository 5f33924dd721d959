"""How true are the scores that a training reports, if later rows or new groups follow?

For each table of a folder whose description names a time or a group, networks learn from
the training rows of split 0, and report a score in three ways: on rows drawn at random (the
default), on the latest rows or whole groups (`--time`, `--group`), and, with these, on the
validation rows (`--test-size 0`). Then the same networks meet the test rows of the split,
which are later, or of other groups. Printed are both scores and their ratio:
below 1 the reported loss was too small.

    python scripts/validation_truth.py /data/tables --time-limit 30

The folder holds for each table NAME.csv.gz, NAME.json with "task", "categorical" and "time"
or "group", and NAME.splits.npz with "test_0", the numbers of the test rows; the column to
predict is "target".
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from kerasnn import reports, tables
from kerasnn.datasets import ColumnHints

TARGET = "target"
TOLERANCE = 0.05  # of the ratio of both scores, its geometric mean over the tables


class Table(NamedTuple):
    """A table with its division.

    Attributes:
        name: of the file.
        train, later: rows of training, and later ones or those of other groups.
        hints: categorical columns, without the time or the group.
        task: "classification" or "regression".
        validation: its time or group.
    """

    name: str
    train: pd.DataFrame
    later: pd.DataFrame
    hints: ColumnHints
    task: str
    validation: tables.Validation


class Outcome(NamedTuple):
    """Log loss or RMSE of a network, as it was reported and as it is."""

    reported: float
    true: float

    @property
    def ratio(self) -> float:
        """The reported score in parts of the true one."""
        return self.reported / self.true


def found_tables(folder: Path, max_rows: int) -> Iterator[Table]:
    """Yield the tables of a folder that have a time or a group.

    Args:
        folder: of the tables.
        max_rows: of a table; of a larger one some are drawn, of groups whole ones.
    """
    for path in sorted(folder.glob("*.json")):
        known = json.loads(path.read_text())
        if "time" in known or "group" in known:
            yield read_table(path, known, max_rows)


def read_table(path: Path, known: dict[str, Any], max_rows: int) -> Table:
    """Return the table that a description describes."""
    rows = pd.read_csv(path.with_suffix(".csv.gz"))
    tested = np.load(path.with_suffix(".splits.npz"))["test_0"]
    rows["is later"] = np.isin(np.arange(len(rows)), tested)
    rng, group = np.random.default_rng(0), known.get("group")
    if len(rows) > max_rows and group is None:
        rows = rows.iloc[np.sort(rng.permutation(len(rows))[:max_rows])]
    elif len(rows) > max_rows:
        groups = rng.permutation(rows[group].unique())
        share = max_rows / len(rows)
        rows = rows[rows[group].isin(groups[: round(len(groups) * share)])]
    later = rows.pop("is later")
    named = [known.get(kind) for kind in ("time", "group")]
    return Table(
        name=path.stem,
        train=rows[~later].reset_index(drop=True),
        later=rows[later].reset_index(drop=True),
        hints=ColumnHints(categorical=[c for c in known["categorical"] if c not in named]),
        task="regression" if known["task"] == "regression" else "classification",
        validation=tables.Validation(time=known.get("time"), group=group),
    )


def outcome(
    table: Table,
    validation: tables.Validation,
    test_size: float,
    settings: dict[str, Any],
) -> Outcome:
    """Train on the training rows; return the reported score and that on the later rows."""
    rows = tables.read_rows(
        table.train,
        target=TARGET,
        task=table.task,
        hints=table.hints,
        test_size=test_size,
        validation=validation,
    )
    estimator = tables.estimator_for(rows.target)(**settings)
    measured = tables.measure(tables.fit(rows, estimator), importance=False)
    fitted = measured.fitted.estimator
    truth = table.later[TARGET].to_numpy()
    if rows.target.task == "classification":
        index_of = {name: i for i, name in enumerate(rows.target.classes)}
        truth = np.array([index_of[str(value)] for value in truth])
    predicted = fitted.predict_prepared(*fitted.prepare(table.later))
    scores = reports.score_predictions(rows.target.task, truth, predicted)
    score = "rmse" if "rmse" in scores else "log_loss"
    return Outcome(measured.metrics[score], scores[score].value)


def main() -> None:
    """Train, and print a row for each table and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--time-limit", type=float, default=None, help="seconds of each")
    parser.add_argument("--epochs", type=int, help="of each; the default recipe's")
    parser.add_argument("--members", type=int, help="of each; the default recipe's")
    parser.add_argument("--max-rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", help="names of tables")
    args = parser.parse_args()
    given = {name: getattr(args, name) for name in ("time_limit", "epochs", "members")}
    settings = {name: value for name, value in given.items() if value is not None}
    plain = tables.Validation()
    ratios: dict[str, list[float]] = {}
    print("table  way  reported  true  reported/true  seconds", flush=True)
    for table in found_tables(args.folder, args.max_rows):
        if args.only and table.name not in args.only:
            continue
        ways = {
            "random": (plain, 0.2),
            "test rows": (table.validation, 0.2),
            "validation rows": (table.validation, 0.0),
        }
        for way, (validation, test_size) in ways.items():
            started = time.monotonic()
            found = outcome(table, validation, test_size, settings)
            ratios.setdefault(way, []).append(found.ratio)
            print(
                f"{table.name}  {way}  {found.reported:.4g}  {found.true:.4g}"
                f"  {found.ratio:.3f}  {time.monotonic() - started:.0f}",
                flush=True,
            )
    for way, values in ratios.items():
        print_summary(way, np.log(values))


def print_summary(way: str, logs: np.ndarray) -> None:
    """Print the geometric mean of a way's ratios, and the mean distance from 1."""
    if not len(logs):
        return
    mean, distance = np.exp(logs.mean()), np.exp(np.abs(logs).mean()) - 1
    verdict = "within" if abs(mean - 1) <= TOLERANCE else "not within"
    print(
        f"{way}: geometric mean of reported/true {mean:.3f} over {len(logs)} tables,"
        f" {verdict} {TOLERANCE:.0%}; a table is off by {distance:.1%}"
    )


if __name__ == "__main__":
    main()
