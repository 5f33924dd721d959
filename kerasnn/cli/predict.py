"""`kerasnn predict`: rows in, answers out, many or few."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from kerasnn.cli.console import json_option, quiet_tensorflow
from kerasnn.cli.output import whole_output
from kerasnn.cli.parsing import Command
from kerasnn.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from kerasnn.saving import SavedNetwork, SavedTable

MOST_ROWS = 50_000  # that are held at once
MOST_CELLS = 2_000_000


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="CSV file to write.  [default: standard output]",
)
@json_option
def predict(model: Path, file: Path, output: Path | None, as_json: bool) -> None:
    """Answer each row of FILE with MODEL, a folder that train wrote.

    FILE is CSV (.csv, .csv.gz) or Parquet (or a folder of that). It needs the columns that
    the network was trained on (kerasnn inspect lists them), in any order; other columns
    are ignored. One line of answers for each row.
    """
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise click.UsageError(f"--output is FILE itself, {file}, whose rows would be lost")
    with quiet_tensorflow():
        from kerasnn import saving
    network = saving.load(model)
    tables = _answered(network, file)
    if output is None:
        with whole_output(None) as stream:
            _write_json(tables, stream) if as_json else _write_csv(tables, stream)
        return
    with whole_output(output) as stream:
        rows = _write_csv(tables, stream)
    if as_json:
        click.echo(json.dumps({"rows": rows, "output": str(output)}))
    else:
        click.echo(f"{rows:,} rows written to {output}")


def _answered(network: "SavedNetwork | SavedTable", file: Path) -> Iterator["pd.DataFrame"]:
    """The answers for the rows of the file, so many at a time."""
    from kerasnn import datasets, saving

    if isinstance(network, saving.SavedNetwork):
        rows = datasets.read_numbers(file, network.columns, dtype=network.dtype)
        yield _table(network.predict(rows.to_numpy()), None)
        return
    target = network.schema.target
    classes = target.classes if target is not None else ()
    width = len(next(datasets.table_chunks(file, 1)).columns)
    most = max(min(MOST_ROWS, MOST_CELLS // max(width, 1)), 1)
    start = 0
    for chunk in datasets.table_chunks(file, most):
        try:
            answers = network.predict(chunk)
        except InputError as error:
            where = f"in the rows from {start:,} on, counted from there: " if start else ""
            raise InputError(f"{file}: {where}{error}") from None
        yield _table(answers, classes)
        start += len(chunk)


def _table(answers: Mapping[str, Any], classes: tuple[str, ...] | None) -> "pd.DataFrame":
    """One column for each answer, and for each class: probability_0, probability_1, ..."""
    import pandas as pd

    columns: dict[str, Any] = {}
    if "class" in answers:
        columns["class"] = answers["class"]
        probabilities = answers["probabilities"].T
        names = range(len(probabilities)) if classes is None else classes
        for name, column in zip(names, probabilities, strict=True):
            columns[f"probability_{name}"] = column
    else:
        values = answers["value"].reshape(len(answers["value"]), -1).T
        for k, column in enumerate(values):
            columns["value" if len(values) == 1 else f"value_{k}"] = column
    return pd.DataFrame(columns)


def _write_csv(tables: Iterator["pd.DataFrame"], stream: IO[str]) -> int:
    """All of them under one header; the number of rows."""
    rows = 0
    for table in tables:
        table.to_csv(stream, index=False, header=rows == 0)
        rows += len(table)
    return rows


def _write_json(tables: Iterator["pd.DataFrame"], stream: IO[str]) -> None:
    """One object; its list is written as it goes."""
    rows = 0
    stream.write('{"output": null, "predictions": [')
    for table in tables:
        text = json.dumps(table.to_dict(orient="records"), ensure_ascii=False)
        stream.write((", " if rows and len(table) else "") + text[1:-1])
        rows += len(table)
    stream.write(f'], "rows": {rows}}}\n')
