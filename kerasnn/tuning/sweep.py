"""Trials of an estimator's settings, scored on the rows that its members leave out."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import pandas as pd
from numpy.typing import ArrayLike
from optuna.pruners import BasePruner, MedianPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sklearn.base import is_classifier

from kerasnn.choices import TabularTask, Verbose
from kerasnn.datasets import as_table
from kerasnn.ensembles.members.learner_cache import enlarged_cache
from kerasnn.ensembles.recipe import default_recipe
from kerasnn.errors import InputError, NonFiniteLossError, check_whole_number
from kerasnn.estimators import NetworkEstimator
from kerasnn.manifest import data_fingerprint
from kerasnn.progress import ProgressBar, is_shown
from kerasnn.reports.formatting import SCORE_NAMES, format_number
from kerasnn.system.termination import TerminatedError
from kerasnn.tuning.journal import (
    OrderedSampler,
    fail_abandoned,
    n_done,
    next_trial,
    open_study,
    quiet_optuna,
    send_heartbeat,
)
from kerasnn.tuning.space import (
    Params,
    Space,
    Spec,
    Suggest,
    check_settings,
    checked_space,
    default_space,
)
from kerasnn.tuning.tuned import Tuned, as_arguments

# A training reports the loss on held-out rows this many times, whatever its epochs.
_N_PARTS = 32
# The first fifth of a training prunes no trial: its learning rate has two short waves.
_FIRST_PRUNED_PART = 7
_CACHED_LEARNERS = 18  # the shapes of the default space, with a spare for each
# Parameters of the estimator that do not decide the weights.
_NOT_COMPARED = (
    *("schema", "driver", "progress", "verbose"),
    *("checkpoint", "checkpoint_every", "resume"),
)

TuneProgress = Callable[[int, int, Mapping[str, Any]], None]  # done, trials, the last one


class _TimeIsUpError(Exception):
    """The time limit has passed within a trial."""


def tune(
    estimator: NetworkEstimator,
    X: Any,  # noqa: N803
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    fit_arguments: Mapping[str, Any] | None = None,
    space: Spec | Suggest | None = None,
    trials: int = 20,
    storage: str | Path | None = None,
    time_limit: float | None = None,
    pruner: BasePruner | None = None,
    seed: int = 0,
    refit: bool = True,
    progress: TuneProgress | None = None,
    verbose: Verbose = "auto",
) -> Tuned:
    """Search for the settings of an estimator with the smallest loss on held-out rows.

    The rows that the members leave out score a trial during its training, so there is no
    cross-validation. The first trial is the estimator as given; all trials have the same
    folds and random numbers.

    Args:
        estimator: a `NetworkClassifier` or `NetworkRegressor` with folds; it is not
            changed. Parameters that it sets are fixed, unless the space names them.
        X: [rows, columns], as for `fit`.
        y: [rows].
        sample_weight: [rows], not negative.
        fit_arguments: `groups`, or `time` and `gap`, as for `fit`.
        space: for each parameter a list of choices, or a range (low, high) or
            (low, high, "log"); or a function of an Optuna trial that returns parameters;
            None is `tuning.default_space` without the parameters that the estimator sets.
        trials: number of trials, including those in `storage` and of other processes.
        storage: file that keeps the trials (an Optuna journal). The same call resumes
            them; several processes may share it.
        time_limit: seconds after which no trial starts; once one trial is done, a running
            one stops at its next evaluation.
        pruner: of Optuna; None is `MedianPruner` after the first fifth of a training.
        seed: of the settings tried; also of the networks if the estimator's random_state
            is not an int.
        refit: whether to return the best estimator; it is trained again only if another
            call ran its trial.
        progress: called after each trial with (done, trials, its row of `Tuned.trials`).
        verbose: whether to show the trials and the best score so far, as in
            `NetworkClassifier`.

    Ctrl-C, or the stop button of a notebook, ends the search: the result has the trials
    that are done, and `interrupted` is True.

    Raises:
        InputError: rows, settings, space or storage cannot be used; or no trial is
            complete.
        KeyboardInterrupt: it came before a trial was complete.
    """
    given = {"sample_weight": sample_weight, **(fit_arguments or {})}
    given = {name: value for name, value in given.items() if value is not None}
    sweep = _Sweep(estimator, X, y, given, space, seed)
    check_whole_number("trials", trials, minimum=1)
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit must be None or seconds above 0; got {time_limit!r}")
    until = None if time_limit is None else time.monotonic() + time_limit
    bar = ProgressBar(
        "Tuning", unit="trials", total=trials, shown=is_shown(verbose), in_log=True
    )
    with quiet_optuna(), enlarged_cache(_CACHED_LEARNERS):
        study = sweep.study(storage, pruner)
        interrupted = False
        try:
            with bar:
                for last in sweep.trials(study, trials, until, bar):
                    if progress:
                        progress(n_done(study), trials, last)
        except TerminatedError:
            raise
        except KeyboardInterrupt:
            interrupted = True
            if not study.get_trials(False, (TrialState.COMPLETE,)):
                raise
        return sweep.tuned(study, refit=refit, interrupted=interrupted)


class _Best(NamedTuple):
    number: int
    score: float
    estimator: NetworkEstimator


class _Sweep:
    """An estimator, its rows and the search space."""

    def __init__(
        self,
        estimator: NetworkEstimator,
        X: Any,  # noqa: N803
        y: ArrayLike,
        given: Mapping[str, Any],
        space: Spec | Suggest | None,
        seed: int,
    ) -> None:
        if not isinstance(estimator, NetworkEstimator):
            raise InputError(
                "tune takes a NetworkClassifier or NetworkRegressor; got"
                f" {type(estimator).__name__}"
            )
        if estimator.folds == 0:
            raise InputError(
                "folds must be 'auto' or at least 2: trials are scored on the rows that"
                " members leave out; got folds=0"
            )
        self.estimator, self.rows, self.given = estimator, (X, y), given
        self.targets = np.asarray(y)
        self.seed = check_whole_number("seed", seed, minimum=0)
        given = estimator.random_state
        self.random_state = given if isinstance(given, int) else seed
        self.classifies = is_classifier(estimator)
        self.score_name = "log_loss" if self.classifies else "rmse"
        self.task: TabularTask = "binary" if self.classifies else "regression"
        self.space = self._space(space)
        self.first = self._first()
        self.best: _Best | None = None

    def _space(self, space: Spec | Suggest | None) -> Space | Suggest:
        if space is None:
            given = self.estimator.get_params()
            space = {
                name: part
                for name, part in default_space(self.task, len(self.targets)).items()
                if isinstance(given[name], str) and given[name] == "auto"
            }
        if isinstance(space, Mapping):
            return checked_space(space, self.estimator)
        if not callable(space):
            raise InputError(
                "space must be None, a dict of lists and ranges, or a function of an"
                f" Optuna trial; got {space!r}"
            )
        return space

    def _first(self) -> Params | None:
        """Return the settings of the given estimator; None if they are not in the space."""
        if not isinstance(self.space, Space):
            return None
        given = self.estimator.get_params()
        recipe = default_recipe(self.task, len(self.targets), given["quality"])
        return self.space.as_stored(
            {
                name: getattr(recipe, name) if str(given[name]) == "auto" else given[name]
                for name in self.space.parts
            }
        )

    def study(self, storage: str | Path | None, pruner: BasePruner | None) -> Study:
        """Open the study."""
        if pruner is None:
            pruner = MedianPruner(n_startup_trials=5, n_warmup_steps=_FIRST_PRUNED_PART)
        sampler = OrderedSampler(self.seed, self.first or {})
        return open_study(storage, sampler, pruner, self._identity())

    def _identity(self) -> dict[str, Any]:
        """Return what all trials of a study must have in common."""
        estimator, (x, y) = self.estimator, self.rows
        table = as_table(x)
        given = {
            name: value
            for name, value in estimator.get_params(deep=False).items()
            if name not in _NOT_COMPARED and value not in ("auto", None)
        } | {"random_state": self.random_state}
        arrays = [_row_hashes(table), _row_hashes(pd.DataFrame(np.asarray(y)))]
        arrays += [np.asarray(values) for values in self.given.values()]
        space = self.space
        return {
            "rows": data_fingerprint(np.array(list(map(str, table.columns))), *arrays),
            "estimator": f"{type(estimator).__name__}({as_arguments(given)})",
            "space": as_arguments(space.parts)
            if isinstance(space, Space)
            else "a function",
            "seed": self.seed,
        }

    def trials(
        self, study: Study, n_trials: int, until: float | None, bar: ProgressBar
    ) -> Iterator[dict[str, Any]]:
        """Run trials until there are enough, or the time is over; yield their rows."""
        while until is None or time.monotonic() < until or not n_done(study):
            fail_abandoned(study)
            trial = next_trial(study, n_trials)
            if trial is None:
                break
            done, best = n_done(study), self._best_so_far(study)

            def show(part: float, done: int = done, best: str = best) -> None:
                bar.update(done + part, n_trials, best)

            self.run(study, trial, until, show)
            bar.update(n_done(study), n_trials, self._best_so_far(study))
            yield self.row(study.get_trials(False)[trial.number])

    def _best_so_far(self, study: Study) -> str:
        complete = study.get_trials(False, (TrialState.COMPLETE,))
        scores = [trial.values[0] for trial in complete]
        name = SCORE_NAMES[self.score_name]
        return f"best {name} {format_number(min(scores))}" if scores else ""

    def run(
        self,
        study: Study,
        trial: Trial,
        until: float | None,
        show: Callable[[float], None],
    ) -> None:
        """Train with the settings of a trial, and add the result to the study.

        Args:
            study: of the trial.
            trial: is running.
            until: when to stop, by `time.monotonic`; None for no limit.
            show: takes the share of the training that is done.
        """
        started = time.monotonic()
        state, score = TrialState.FAIL, None
        try:
            progress = self._progress(study, trial, until, show)
            estimator = self._fit(self._settings(trial), progress)
            state, score = TrialState.COMPLETE, self._score(estimator)
            if self.best is None or score < self.best.score:
                self.best = _Best(trial.number, score, estimator)
        except (optuna.TrialPruned, NonFiniteLossError):
            state = TrialState.PRUNED
        except _TimeIsUpError:
            pass
        finally:
            trial.set_user_attr("seconds", round(time.monotonic() - started, 3))
            study.tell(trial, score, state=state, skip_if_finished=True)

    def _settings(self, trial: Trial) -> Params:
        """Draw the settings of a trial; the study stores tuples as texts, so store them."""
        as_given = self.first is None and all(
            earlier.state == TrialState.FAIL
            for earlier in trial.study.get_trials(False)[: trial.number]
        )
        settings = {} if as_given else dict(self.space(trial))
        check_settings(settings, self.estimator)
        trial.set_user_attr("settings", settings)
        return settings

    def _fit(self, settings: Params, progress: Any) -> NetworkEstimator:
        parameters = self.estimator.get_params(deep=False) | settings
        parameters |= {"random_state": self.random_state, "progress": progress}
        parameters |= {"checkpoint": None, "resume": False, "verbose": 0}
        x, y = self.rows
        fitted = type(self.estimator)(**parameters).fit(x, y, **self.given)
        given = self.estimator
        return fitted.set_params(progress=given.progress, verbose=given.verbose)

    def _progress(
        self,
        study: Study,
        trial: Trial,
        until: float | None,
        show: Callable[[float], None],
    ) -> Any:
        """Return the estimator's `progress`: it reports losses, and may stop the trial."""
        reported = 0
        others_done = n_done(study) > 0

        def progress(done: int, epochs: int, losses: Mapping[str, float]) -> None:
            nonlocal reported
            show(done / epochs)
            part = _N_PARTS * done // epochs
            if part > reported:
                reported = part
                trial.report(self._in_units(losses["val_loss"]), part)
                send_heartbeat(trial)
            if done >= epochs:
                return
            if others_done and trial.should_prune():
                raise optuna.TrialPruned
            if others_done and until is not None and time.monotonic() > until:
                raise _TimeIsUpError

        return progress

    def _score(self, fitted: NetworkEstimator) -> float:
        """Return the loss of the weights that were kept, with the trees beside them."""
        if fitted.trees_ is not None:
            return self._in_units(fitted.trees_.losses["both"])
        history = fitted.history_
        evaluation = history["epoch"].index(fitted.best_epoch_)
        return self._in_units(history["val_loss"][evaluation])

    def _in_units(self, loss: float) -> float:
        """Return nats unchanged, and a squared standardised error as RMSE of the target."""
        if self.classifies:
            return loss
        deviation = float(self.targets.std()) if self.targets.ndim == 1 else 1.0
        return float(np.sqrt(loss)) * (deviation or 1.0)

    def row(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the row of a trial in `Tuned.trials`."""
        return {
            "number": trial.number,
            "state": "failed" if trial.state.name == "FAIL" else trial.state.name.lower(),
            "score": np.nan if trial.value is None else trial.value,
            "part": trial.last_step or 0,
            "seconds": trial.user_attrs.get("seconds", np.nan),
            **_settings_of(trial),
        }

    def tuned(self, study: Study, *, refit: bool, interrupted: bool) -> Tuned:
        """Return the result; trains the best estimator if another call ran its trial."""
        complete = study.get_trials(False, (TrialState.COMPLETE,))
        if not complete:
            raise InputError(
                "no trial was complete: the loss became NaN in all of them, or other"
                " processes still run theirs; smaller learning rates may help"
            )
        best = min(complete, key=lambda trial: trial.values[0])
        settings, estimator = _settings_of(best), None
        if refit and self.best is not None and self.best.number == best.number:
            estimator = self.best.estimator
        elif refit and not interrupted:
            estimator = self._fit(settings, self.estimator.progress)
        return Tuned(
            best_params=settings,
            best_score=best.values[0],
            score_name=self.score_name,
            trials=pd.DataFrame([self.row(trial) for trial in study.get_trials(False)]),
            best_estimator=estimator,
            interrupted=interrupted,
        )


def _settings_of(trial: FrozenTrial) -> Params:
    """Return settings as given to the estimator; JSON has no tuples."""
    stored = trial.user_attrs.get("settings", {})
    return {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}


def _row_hashes(table: pd.DataFrame) -> Any:  # [rows] uint64
    return pd.util.hash_pandas_object(table, index=False).to_numpy()
