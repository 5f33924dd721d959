"""The HTML page with the scores and the columns of a network for a table."""

import datetime as dt
import json
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kerasnn import reports
from kerasnn.datasets import Column, Schema, checked_table
from kerasnn.estimators.report import leaderboard_scores, loss_curves, used_versions
from kerasnn.reports.columns import histograms, schema_sections
from kerasnn.reports.formatting import (
    SCORE_NAMES,
    format_count,
    format_number,
    format_settings,
    score_cell,
)
from kerasnn.reports.table_figures import member_curves
from kerasnn.tables.fitting import FittedTable
from kerasnn.tables.measurement import Measurement
from kerasnn.tables.rows import RowsInMemory


def table_page(measured: Measurement, *, folder: str | Path, command: str = "") -> str:
    """Return one self-contained HTML page.

    Args:
        measured: the network.
        folder: in which it is served; its name is the heading.
        command: that trained it; "" if there was none.
    """
    fitted, folder = measured.fitted, Path(folder)
    made = _made(fitted, command)
    examples = prediction_examples(folder, fitted.schema)
    if not measured.tested:
        return _page_without_test(measured, folder.name, made, examples)
    return reports.table_report(
        reports.TableResult(
            title=folder.name,
            schema=fitted.schema,
            truth=measured.truth,
            predicted=measured.predicted,
            rows_trained=fitted.rows.n_trained,
            seconds=fitted.seconds,
            baselines=measured.baselines,
            history=loss_curves(fitted.estimator),
            epochs=fitted.estimator.history_["epoch"],
            best_epoch=fitted.estimator.best_epoch_,
            importance=measured.importance,
            reasons=measured.reasons,
            settings=_settings(fitted),
            data=_data(fitted),
            versions=used_versions(),
            seed=fitted.rows.seed,
            notices=measured.all_notices,
            covered=measured.covered,
            histograms=_histograms(fitted),
            made=made,
            examples=examples,
            leaderboard=leaderboard_scores(fitted.estimator),
            known_scores={"network": measured.scores, **measured.baseline_scores},
        )
    )


def _page_without_test(
    measured: Measurement, title: str, made: dict[str, str], examples: dict[str, str]
) -> str:
    fitted = measured.fitted
    message = (
        f"no rows were kept for a test. The scores are of {measured.measured_on}; these"
        " rows have chosen the epoch, and the scores are a little too good."
        if measured.scores
        else "no rows were kept for a test, so nothing tells how good it is on new ones."
    )
    return reports.report_html(
        title,
        f"Predicts {fitted.rows.target.name} from"
        f" {format_count(len(fitted.schema.columns), 'column')}. It learned from"
        f" {format_count(fitted.rows.n_trained, 'row')} in"
        f" {format_number(fitted.seconds)} s; {message}",
        numbers={SCORE_NAMES[name]: score_cell(s) for name, s in measured.scores.items()},
        tables={
            "Settings": format_settings(_settings(fitted)),
            "Data": _data(fitted),
            "How it was made": {**made, **used_versions()},
        },
        sections=[
            _curve_section(fitted),
            *schema_sections(fitted.schema, _histograms(fitted)),
        ],
        notices=measured.all_notices,
        examples=examples,
    )


def prediction_examples(folder: Path, schema: Schema) -> dict[str, str]:
    """Return commands and code that predict, by what they do."""
    row = json.dumps({column.name: _usual(column) for column in schema.columns})
    body = shlex.quote(f'{{"instances": [{row}]}}')
    path = shlex.quote(str(folder))
    return {
        "Rows of a file with these columns, on the command line:": (
            f"kerasnn predict {path} new.csv -o answers.csv"
        ),
        "In Python:": (
            "import kerasnn\nimport pandas as pd\n\n"
            f"network = kerasnn.load({str(folder)!r})\n"
            'print(network.predict(pd.read_csv("new.csv")))'
        ),
        f"Over REST, after kerasnn serve {shlex.quote(str(folder.parent))}:": (
            f"curl -d {body} http://127.0.0.1:8501/v1/models/{quote(folder.name)}:predict"
        ),
    }


def _usual(column: Column) -> Any:
    """Return a value from the middle of a column."""
    if column.low is not None and column.high is not None:
        middle = float(f"{column.low / 2 + column.high / 2:.3g}")
        return int(middle) if middle.is_integer() else middle
    if column.kind == "datetime":
        return column.first
    return column.levels[0] if column.levels else "some text"


def _histograms(fitted: FittedTable) -> dict[str, list[int]]:
    """Return the histograms of training rows in memory."""
    if not isinstance(fitted.rows, RowsInMemory):
        return {}
    rows = checked_table(fitted.rows.inputs(tested=False), fitted.schema)
    return histograms(rows, fitted.schema)


def _made(fitted: FittedTable, command: str) -> dict[str, str]:
    now = dt.datetime.now().astimezone()
    return {
        "date": f"{now:%Y-%m-%d %H:%M %Z}",
        **({"command": command} if command else {}),
        "seconds of training": format_number(fitted.seconds),
    }


def _settings(fitted: FittedTable) -> dict[str, Any]:
    """Return the settings, and the trees beside the networks."""
    return {**fitted.settings, "trees": str(fitted.estimator.trees_ or "none")}


def _curve_section(fitted: FittedTable) -> reports.Section:
    figure = member_curves(
        loss_curves(fitted.estimator),
        epochs=fitted.estimator.history_["epoch"],
        best_epoch=fitted.estimator.best_epoch_,
    )
    validation = (
        f" Validation rows: {fitted.rows.validation.validation_rows_text}."
        if fitted.estimator.oof_predictions_ is not None
        else ""
    )
    return reports.Section(
        "Learning curves",
        f"Line: mean of the members; band: from the lowest to the highest.{validation}",
        {"loss": figure},
    )


def _data(fitted: FittedTable) -> dict[str, str]:
    rows, how = fitted.rows, fitted.rows.validation.how
    return {
        "source": rows.source,
        "fingerprint": rows.fingerprint,
        **({"validation": how} if how else {}),
    }
