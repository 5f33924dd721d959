"""The HTML page with the scores and the columns of a network for a table."""

from typing import Any

import keras
import tensorflow as tf

import kerasnn
from kerasnn import reports
from kerasnn.reports.columns import schema_sections
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


def table_page(measured: Measurement, *, title: str) -> str:
    """Return one self-contained HTML page."""
    fitted = measured.fitted
    if not measured.tested:
        return _page_without_test(measured, title)
    return reports.table_report(
        reports.TableResult(
            title=title,
            schema=fitted.schema,
            truth=measured.truth,
            predicted=measured.predicted,
            rows_trained=fitted.rows.n_trained,
            seconds=fitted.seconds,
            baselines=measured.baselines,
            history=_curves(fitted),
            epochs=fitted.estimator.history_["epoch"],
            best_epoch=fitted.estimator.best_epoch_,
            importance=measured.importance,
            reasons=measured.reasons,
            settings=_settings(fitted),
            data=_data(fitted),
            versions=_versions(),
            seed=fitted.rows.seed,
            notices=measured.all_notices,
            covered=measured.covered,
            known_scores={"network": measured.scores, **measured.baseline_scores},
        )
    )


def _page_without_test(measured: Measurement, title: str) -> str:
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
            "Versions": _versions(),
        },
        sections=[_curve_section(fitted), *schema_sections(fitted.schema)],
        notices=measured.all_notices,
    )


def _settings(fitted: FittedTable) -> dict[str, Any]:
    """Return the settings, and the trees beside the networks."""
    return {**fitted.settings, "trees": str(fitted.estimator.trees_ or "none")}


def _curve_section(fitted: FittedTable) -> reports.Section:
    figure = member_curves(
        _curves(fitted),
        epochs=fitted.estimator.history_["epoch"],
        best_epoch=fitted.estimator.best_epoch_,
    )
    held_out = (
        f" Held-out rows: {fitted.rows.validation.judging_rows}."
        if fitted.estimator.oof_predictions_ is not None
        else ""
    )
    return reports.Section(
        "Learning curves",
        f"Line: mean of the members; band: from the lowest to the highest.{held_out}",
        {"loss": reports.png(figure, dpi=140)},
    )


def _curves(fitted: FittedTable) -> dict[str, Any]:
    """Return the losses of every member, and the loss on left-out rows."""
    history = fitted.estimator.history_
    curves = {"loss": history["member_loss"]}
    return curves | {k: v for k, v in history.items() if k == "val_loss"}


def _data(fitted: FittedTable) -> dict[str, str]:
    rows, how = fitted.rows, fitted.rows.validation.how
    return {
        "source": rows.source,
        "fingerprint": rows.fingerprint,
        **({"validation": how} if how else {}),
    }


def _versions() -> dict[str, str]:
    return {
        "kerasnn": kerasnn.__version__,
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
    }
