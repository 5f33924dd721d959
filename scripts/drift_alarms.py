"""Count false alarms of drift, and detections, on a folder of tables.

A table NAME is NAME.csv.gz with its columns described in NAME.json: "numeric" and
"categorical", lists of names, beside the column "target". For each table, the rows are
shuffled and cut in halves many times. One half is the training, the other the new rows:

    alarms     in how many of these any column was said to have drifted
    shifts     share of numeric columns that are named (and how many others with them) when
               half a standard deviation is added in 1,000 new rows
    ordinary   share of new rows that `check` calls an unlikely combination
    shuffled   the same, after every column was shuffled by itself

    python scripts/drift_alarms.py FOLDER [--tables adult,ames] [--repeats 100]
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import Schema, checked_table, infer_schema
from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.errors import InputError
from kerasnn.novelty import (
    ColumnReference,
    Novelty,
    count_cells,
    find_drift,
    fit_novelty,
)

SHIFT = 0.5  # standard deviations
SHIFTED_ROWS = 1_000
MAX_ROWS = 10_000  # of a table


class Counts(NamedTuple):
    """What was found in one table; see the head of this module."""

    alarms: int
    shifts: float
    others: float
    ordinary: float
    shuffled: float


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", default="", help="a,b,c; all by default")
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    names = options.tables.split(",") if options.tables else None
    print("table rows columns alarms shifts others ordinary shuffled", flush=True)
    for path in sorted(options.folder.glob("*.json")):
        if names is None or path.stem in names:
            table = read_columns(path)
            table = table.sample(min(len(table), MAX_ROWS), random_state=0)
            found = count_alarms(table, options.repeats)
            print(
                f"{path.stem} {len(table)} {table.shape[1]}"
                f" {found.alarms}/{options.repeats} {found.shifts:.0%} {found.others:.2f}"
                f" {found.ordinary:.1%} {found.shuffled:.0%}",
                flush=True,
            )


def read_columns(path: Path) -> pd.DataFrame:
    """Return the columns of a table without the target."""
    described = json.loads(path.read_text())
    names = [*described["numeric"], *described["categorical"]]
    texts = dict.fromkeys(described["categorical"], object)
    return pd.read_csv(path.with_suffix(".csv.gz"), usecols=names, dtype=texts)[names]


def count_alarms(table: pd.DataFrame, repeats: int) -> Counts:
    """Return false alarms in shuffled halves, and detections in the first of them."""
    alarms = 0
    detected: tuple[float, ...] = ()
    for seed in range(repeats):
        rows = np.random.default_rng(seed).permutation(len(table))
        before, now = (table.iloc[half] for half in np.array_split(rows, 2))
        try:
            schema = infer_schema(before)
        except InputError:
            continue  # no column has two values
        old, new = (checked_table(half, schema) for half in (before, now))
        columns = [ColumnReference.fit(c, old[c.name]) for c in schema.columns]
        alarms += bool(drifted_columns(columns, new, schema))
        detected = detected or detections(fit_novelty(old, schema), new, schema)
    return Counts(alarms, *detected)


def drifted_columns(
    references: Sequence[ColumnReference], new: pd.DataFrame, schema: Schema
) -> set[str]:
    """Return the names of the columns that have drifted."""
    limits = map(ColumnLimits.of, schema.columns)
    compared: Any = [
        ("column", reference, count_cells(reference, new[reference.bins.name], limit))
        for reference, limit in zip(references, limits, strict=True)
    ]
    return {drift.name for drift in find_drift(compared) if drift.drifted}


def detections(novelty: Novelty, new: pd.DataFrame, schema: Schema) -> tuple[float, ...]:
    """Return the last four of `Counts`."""
    few = new.iloc[:SHIFTED_ROWS]
    named, others = [], []
    for column in schema.columns:
        values = few[column.name]
        if column.kind != "numeric" or not values.std() > 0:
            continue
        shifted = few.assign(**{column.name: values + SHIFT * values.std()})
        found = drifted_columns(novelty.reference.columns, shifted, schema)
        named.append(column.name in found)
        others.append(len(found - {column.name}))
    rng = np.random.default_rng(0)
    shuffled = new.apply(lambda cells: cells.to_numpy()[rng.permutation(len(cells))])
    shuffled = shuffled.astype(new.dtypes.to_dict())
    unlikely = (unlikely_rows(novelty, rows).mean() for rows in (new, shuffled))
    return (*(float(np.mean(x)) if x else np.nan for x in (named, others)), *unlikely)


def unlikely_rows(novelty: Novelty, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return [rows] whether a row is an unlikely combination."""
    combinations = novelty.combinations
    if combinations is None:
        return np.zeros(len(rows), np.bool_)
    codes = np.stack([bins.codes(rows[bins.name]) for bins in novelty.bins], axis=1)
    return combinations.of_rows(codes).sum(axis=1) > combinations.threshold


if __name__ == "__main__":
    main()
