"""`kerasnn predict`: CSV in, CSV out."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnn.cli.console import json_option, print_json, quiet_tensorflow
from kerasnn.cli.parsing import Command
from kerasnn.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


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
    """Answer each row of FILE, a CSV file, with MODEL, a folder that train wrote.

    FILE needs the columns that the network was trained on (kerasnn inspect lists them),
    in any order; other columns are ignored. One line of answers for each row.
    """
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise click.UsageError(f"--output is FILE itself, {file}, whose rows would be lost")
    with quiet_tensorflow():
        from kerasnn import datasets, saving
    network = saving.load(model)
    rows = datasets.read_numbers(file, network.columns, dtype=network.dtype)
    table = _table(network.predict(rows.to_numpy()))
    if output is not None:
        _write(output, table)
    if as_json:
        answers = {} if output else {"predictions": table.to_dict(orient="records")}
        print_json({"rows": len(table), "output": output and str(output), **answers})
    elif output is None:
        click.echo(table.to_csv(index=False), nl=False)
    else:
        click.echo(f"{len(table)} rows written to {output}")


def _table(answers: Mapping[str, Any]) -> "pd.DataFrame":
    """One column for each answer; probability_0, probability_1, ... for the classes."""
    import pandas as pd

    columns = {}
    if "class" in answers:
        columns["class"] = answers["class"]
        for k, column in enumerate(answers["probabilities"].T):
            columns[f"probability_{k}"] = column
    elif answers["value"].shape[1] == 1:
        columns["value"] = answers["value"][:, 0]
    else:
        for k, column in enumerate(answers["value"].T):
            columns[f"value_{k}"] = column
    return pd.DataFrame(columns)


def _write(path: Path, table: "pd.DataFrame") -> None:
    """Write the whole file, or nothing: beside it, then renamed into place."""
    text = table.to_csv(index=False)
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe
            path.write_text(text)
            return
        target = path.resolve()  # what a link leads to, not the link
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            os.chmod(beside, mode)
            os.replace(beside, target)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)  # it can only be read by setting it
    os.umask(mask)
    return mask
