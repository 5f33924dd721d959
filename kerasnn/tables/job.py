"""A network for a table: trained, measured on rows it never saw, kept with its report."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kerasnn import reports, saving
from kerasnn.choices import FitDriver, NumericEmbedding, Task
from kerasnn.datasets import checked_table
from kerasnn.ensembles.sharding import ensemble_workers
from kerasnn.ensembles.train import Progress
from kerasnn.errors import InputError
from kerasnn.estimators import NetworkClassifier, NetworkRegressor
from kerasnn.reports import Score
from kerasnn.tables.files import are_large
from kerasnn.tables.outcome import Fitted, Outcome
from kerasnn.tables.report import table_page
from kerasnn.tables.rows import Array, Rows, read_rows, target_values
from kerasnn.tables.streamed import StreamedRows, rows_folder, stream_rows
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN


def train_table(
    source: Any,
    *,
    target: str,
    task: Task | None = None,
    test_size: float = 0.2,
    ignore: Iterable[str] = (),
    categorical: Iterable[str] = (),
    numeric: Iterable[str] = (),
    boolean: Iterable[str] = (),
    datetime: Iterable[str] = (),
    stream: bool | None = None,
    folds: int | str = "auto",
    members: int | str = "auto",
    epochs: int | str = "auto",
    batch_size: int | str = "auto",
    learning_rate: float | str = "auto",
    weight_decay: float | str = "auto",
    dropout: float | str = "auto",
    embedding: NumericEmbedding | str = "auto",
    hidden_units: Iterable[int] | str = "auto",
    time_limit: float | None = None,
    driver: FitDriver = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Outcome:
    """Train a network for a table, and measure it on rows that it never saw.

    All in one: `read_rows`, which explains the arguments from `target` to `datetime`, or
    `stream_rows`, `fit`, which takes those from `folds` to `progress`, and `measure`.
    `seed` decides both the test rows and the weights. With `stream` the rows of a file, or
    of a folder of files, are read from disk in training; None: if the files are large.

    Raises:
        InputError: rows or settings that cannot be used.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    is_path = isinstance(source, str | Path)
    if stream is None:
        stream = is_path and are_large(Path(source))
    if stream and not is_path:
        raise InputError(
            f"stream=True needs the path of a table; got a {type(source).__name__}"
        )
    rows = (stream_rows if stream else read_rows)(
        source,
        target=target,
        task=task,
        test_size=test_size,
        ignore=ignore,
        categorical=categorical,
        numeric=numeric,
        boolean=boolean,
        datetime=datetime,
        seed=seed,
    )
    return measure(
        fit(
            rows,
            folds=folds,
            members=members,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            dropout=dropout,
            embedding=embedding,
            hidden_units=hidden_units,
            time_limit=time_limit,
            driver=driver,
            progress=progress,
        )
    )


def fit(
    rows: Rows | StreamedRows,
    *,
    folds: int | str = "auto",
    members: int | str = "auto",
    epochs: int | str = "auto",
    batch_size: int | str = "auto",
    learning_rate: float | str = "auto",
    weight_decay: float | str = "auto",
    dropout: float | str = "auto",
    embedding: NumericEmbedding | str = "auto",
    hidden_units: Iterable[int] | str = "auto",
    time_limit: float | None = None,
    driver: FitDriver = "auto",
    progress: Progress | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: float = SECONDS_BETWEEN,
    resume: bool = False,
    strategy: tf.distribute.Strategy | None = None,
) -> Fitted:
    """Train a network on the training rows; arguments as for `NetworkClassifier`.

    Rows that are streamed lie on disk meanwhile, prepared: in the folder of the
    checkpoints, or in one for temporary files, which the environment's TMPDIR names.

    Raises:
        InputError: rows or settings that cannot be used.
        WorkerLostError: another worker of the strategy has gone.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    if isinstance(folds, int) and folds > rows.n_trained:
        raise InputError(
            f"folds must be at most the number of rows to learn from, {rows.n_trained} of"
            f" {rows.n_rows}; got {folds=}"
        )
    classifies = rows.target.task == "classification"
    estimator = (NetworkClassifier if classifies else NetworkRegressor)(
        folds=folds,
        members=members,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        dropout=dropout,
        embedding=embedding,
        hidden_units=hidden_units,
        time_limit=time_limit,
        driver=driver,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        resume=resume,
        schema=rows.schema,
        random_state=rows.seed,
    )
    started = time.perf_counter()
    if isinstance(rows, StreamedRows):
        # The folder of the checkpoints is the same for all workers.
        shared, workers = checkpoint is not None, ensemble_workers(strategy)
        with rows_folder(checkpoint) as folder:
            on_disk = rows.on_disk(folder, workers, shared=shared)
            estimator.fit_on_disk(on_disk, strategy=strategy)
    else:
        estimator.fit(
            rows.inputs(tested=False), rows.labels(tested=False), strategy=strategy
        )
    return Fitted(rows, estimator, time.perf_counter() - started)


def measure(fitted: Fitted) -> Outcome:
    """Compare a network with simple models on the test rows, and look at its columns."""
    rows, task, seed = fitted.rows, fitted.rows.target.task, fitted.rows.seed
    if not rows.n_tested:
        return Outcome(
            fitted, np.empty(0), np.empty(0), {}, _left_out_scores(fitted), {}, []
        )
    table = rows.inputs(tested=True)
    truth = _truth(fitted, tested=True)
    predicted = predictions(fitted.estimator, table)
    baselines = _baselines(fitted)
    return Outcome(
        fitted=fitted,
        truth=truth,
        predicted=predicted,
        baselines=baselines,
        scores=reports.score_predictions(task, truth, predicted, seed=seed),
        baseline_scores={
            name: reports.score_predictions(task, truth, values, seed=seed)
            for name, values in baselines.items()
        },
        importance=reports.permutation_importance(
            lambda shuffled: predictions(fitted.estimator, shuffled),
            table,
            truth,
            task=task,
            seed=seed,
        ),
    )


def predictions(estimator: NetworkClassifier | NetworkRegressor, table: Any) -> Array:
    """[rows, n_classes] probabilities, or [rows] values."""
    if isinstance(estimator, NetworkClassifier):
        return estimator.predict_proba(table)
    return estimator.predict(table)


def save(outcome: Outcome, folder: str | Path, *, run: str | None = None) -> Path:
    """Export the network with its report; the new version's folder.

    Args:
        outcome: of the training.
        folder: of the model.
        run: a name of the training: what was exported of it before is not again.

    Raises:
        InputError: the folder cannot be written; nothing is left behind.
        ExportError: what was written does not answer as the network does.
    """
    done = run and saving.version_of_run(folder, run)
    if done:
        return done
    fitted, rows = outcome.fitted, outcome.fitted.rows
    page = table_page(outcome, title=Path(folder).name)
    return fitted.estimator.export(
        folder,
        metadata={
            **({"run": run} if run else {}),
            "metrics": outcome.metrics,
            "intervals": intervals(outcome.scores),
            "measured_on": outcome.measured_on,
            "baselines": {
                name: {score: s.value for score, s in scores.items()}
                for name, scores in outcome.baseline_scores.items()
            },
            "settings": fitted.settings,
            "data": {
                "source": rows.source,
                "train_rows": rows.n_trained,
                "test_rows": rows.n_tested,
                "fingerprint": rows.fingerprint,
            },
            "training": {
                "seconds": round(fitted.seconds, 3),
                "epochs": fitted.estimator.n_epochs_,
                "kept_epoch": fitted.estimator.best_epoch_,
            },
        },
        files={"report.html": page.encode()},
    )


def intervals(scores: dict[str, Score]) -> dict[str, list[float]]:
    """The 95 % interval of each score, as JSON."""
    return {name: [score.low, score.high] for name, score in scores.items()}


def _truth(fitted: Fitted, *, tested: bool) -> Array:
    target = fitted.schema.target
    assert target is not None  # the estimators have it from the rows
    return target_values(fitted.rows.targets(tested=tested), target)


def _left_out_scores(fitted: Fitted) -> dict[str, Score]:
    """On the training rows, each answered by the members that left it out."""
    answers = fitted.estimator.oof_predictions_
    if answers is None:
        return {}
    truth, rows = _truth(fitted, tested=False), fitted.rows
    return reports.score_predictions(rows.target.task, truth, answers, seed=rows.seed)


def _baselines(fitted: Fitted) -> dict[str, Array]:
    """What simple models predict for the test rows."""
    rows, preprocessor = fitted.rows, fitted.estimator.preprocessor_
    train, test = (
        preprocessor.prepare(checked_table(rows.inputs(tested=tested), fitted.schema))
        for tested in (False, True)
    )
    return reports.baseline_predictions(
        rows.target.task,
        train.x,
        _truth(fitted, tested=False),
        test.x,
        n_classes=len(rows.target.classes),
        codes_train=train.codes,
        codes_test=test.codes,
        seed=rows.seed,
    )
