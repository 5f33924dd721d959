"""A network for a table, saved with its scores and its report."""

from pathlib import Path

from kerasnn import saving
from kerasnn.tables.measurement import Measurement, score_intervals
from kerasnn.tables.report import table_page


def save(
    measured: Measurement,
    folder: str | Path,
    *,
    run: str | None = None,
    command: str = "",
) -> Path:
    """Export a network with its report, and return the new version's folder.

    If the report cannot be made, the network is exported without it before the error is
    raised: a training may have taken hours.

    Args:
        measured: the network.
        folder: of the model.
        run: name of the training; if the folder has a version of this run, no other is
            written.
        command: that trained it, for the report.

    Raises:
        InputError: the folder cannot be written; nothing is left behind.
        ExportError: the export gives other answers than the network.
    """
    exported = run and saving.version_of_run(folder, run)
    if exported:
        return exported
    fitted, rows = measured.fitted, measured.fitted.rows
    files, failure = {}, None
    try:
        page = table_page(measured, folder=folder, command=command)
        files["report.html"] = page.encode()
    except Exception as error:
        failure = error
    version = fitted.estimator.export(
        folder,
        metadata={
            **({"run": run} if run else {}),
            "metrics": measured.metrics,
            "intervals": score_intervals(measured.all_scores),
            "measured_on": measured.measured_on,
            "baselines": {
                name: {score: s.value for score, s in scores.items()}
                for name, scores in measured.baseline_scores.items()
            },
            "warnings": [n.message for n in measured.all_notices if n.is_warning],
            "leaderboard": fitted.leaderboard,
            "settings": fitted.settings,
            "data": {
                "source": rows.source,
                "train_rows": rows.n_trained,
                "test_rows": rows.n_tested,
                "fingerprint": rows.fingerprint,
                **rows.validation.described(),
            },
            "training": {
                "seconds": round(fitted.seconds, 3),
                "epochs": fitted.estimator.n_epochs_,
                "kept_epoch": fitted.estimator.best_epoch_,
            },
        },
        files=files,
    )
    if failure is not None:
        failure.add_note(f"The network is saved in {version}, without its report.")
        raise failure
    return version
