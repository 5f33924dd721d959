"""Trials of an estimator's settings, judged by the rows that its members leave out."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

from kerasnn.choices import TabularTask
from kerasnn.datasets import as_table
from kerasnn.ensembles.compiled_learners import enlarged_cache
from kerasnn.ensembles.recipe import default_recipe
from kerasnn.errors import InputError, NonFiniteLossError, check_whole_number
from kerasnn.estimators import NetworkEstimator
from kerasnn.manifest import data_fingerprint
from kerasnn.tuning.journal import (
    OrderedSampler,
    fail_dead,
    give_sign,
    n_done,
    next_trial,
    opened,
    quiet_optuna,
)
from kerasnn.tuning.space import (
    Settings,
    Space,
    Spec,
    Suggest,
    check_settings,
    checked_space,
    default_space,
)

# Looks at the held-out rows are told in these parts of a training, whatever its epochs.
PARTS = 32
# The two short first waves of the learning rate, a fifth of a training, judge nobody.
FIRST_JUDGED_PART = 7
CACHED_LEARNERS = 18  # the shapes of the default space, with a spare for each
# Of the estimator, without a say in what it becomes.
NO_SETTINGS = {"schema", "driver", "progress", "checkpoint", "checkpoint_every", "resume"}

TuneProgress = Callable[[int, int, Mapping[str, Any]], None]  # done, of all, the last one


class _TimeIsUpError(Exception):
    """The sweep's time has passed in the middle of a trial."""


@dataclass(frozen=True)
class Tuned:
    """What a sweep has found.

    Attributes:
        best_params: what to set of the estimator; empty where nothing was better than the
            estimator as it was given.
        best_score: the loss of the best trial on held-out rows. The best of many is a
            little too good; rows that no trial saw tell what it is worth.
        score_name: "log_loss" (nats) or "rmse" (of the target; in standard deviations for
            several targets at once).
        trials: a row for each: number, state ("complete", "pruned", "failed", "running"),
            score (of a pruned one that of its last look), part (of 32, where that was),
            seconds, and the settings.
        best_estimator: trained with them; None with refit=False.
    """

    best_params: Settings
    best_score: float
    score_name: str
    trials: pd.DataFrame
    best_estimator: NetworkEstimator | None


def tune(
    estimator: NetworkEstimator,
    X: Any,  # noqa: N803
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    space: Spec | Suggest | None = None,
    trials: int = 20,
    storage: str | Path | None = None,
    time_limit: float | None = None,
    pruner: BasePruner | None = None,
    seed: int = 0,
    refit: bool = True,
    progress: TuneProgress | None = None,
) -> Tuned:
    """Try settings of an estimator; those with the least loss on held-out rows win.

    The rows that the estimator's members leave out judge a trial, at each look during the
    training: there is no cross-validation beside it. The first trial is the estimator as
    it was given; all have the same folds and random numbers.

    Args:
        estimator: a `NetworkClassifier` or `NetworkRegressor` with folds; it is not
            changed. What is set of it stays, unless the space names it.
        X: [rows, columns], as for `fit`.
        y: [rows].
        sample_weight: [rows], not negative.
        space: by the name of a parameter a list of choices, or a range (low, high) or
            (low, high, "log"); or a function of an Optuna trial that returns parameters;
            None: `tuning.default_space`, without what is set of the estimator.
        trials: that are to be done in all, those in `storage` and of other processes
            included.
        storage: a file that keeps the trials (an Optuna journal): the same call goes on
            where it ended; several processes may share it.
        time_limit: seconds, after which no trial is begun; the one that runs is given up
            at its next look, once one has been done.
        pruner: of Optuna; None: `MedianPruner` after the first fifth of a training.
        seed: of what is tried, and of the networks where the estimator's random_state is
            not an int.
        refit: whether to return the best estimator, which is trained again only where its
            trial was another call's.
        progress: called after each trial with (done, trials, its row of `Tuned.trials`).

    Raises:
        InputError: rows, settings, the space or the storage cannot be used; no trial was
            complete.
    """
    sweep = _Sweep(estimator, X, y, sample_weight, space, seed)
    check_whole_number("trials", trials, minimum=1)
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit must be None or seconds above 0; got {time_limit!r}")
    until = None if time_limit is None else time.monotonic() + time_limit
    with quiet_optuna(), enlarged_cache(CACHED_LEARNERS):
        study = sweep.study(storage, pruner)
        while until is None or time.monotonic() < until or not n_done(study):
            fail_dead(study)
            trial = next_trial(study, trials)
            if trial is None:
                break
            sweep.run(study, trial, until)
            if progress:
                last = study.get_trials(False)[trial.number]
                progress(n_done(study), trials, sweep.row(last))
        return sweep.tuned(study, refit=refit)


class _Best(NamedTuple):
    number: int
    score: float
    estimator: NetworkEstimator


class _Sweep:
    """An estimator, its rows, and what is tried with them."""

    def __init__(
        self,
        estimator: NetworkEstimator,
        X: Any,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        space: Spec | Suggest | None,
        seed: int,
    ) -> None:
        if not isinstance(estimator, NetworkEstimator):
            raise InputError(
                "tune tries NetworkClassifier and NetworkRegressor; got"
                f" {type(estimator).__name__}"
            )
        if estimator.folds == 0:
            raise InputError(
                "folds must be 'auto' or at least 2: the rows that members leave out judge"
                " the trials; got folds=0"
            )
        self.estimator, self.rows, self.weights = estimator, (X, y), sample_weight
        self.targets = np.asarray(y)
        self.seed = check_whole_number("seed", seed, minimum=0)
        given = estimator.random_state
        self.random_state = given if isinstance(given, int) else seed
        self.classifies = is_classifier(estimator)
        self.score_name = "log_loss" if self.classifies else "rmse"
        self.space = self._space(space)
        self.first = self._first()
        self.best: _Best | None = None

    def _space(self, space: Spec | Suggest | None) -> Space | Suggest:
        if space is None:
            task: TabularTask = "binary" if self.classifies else "regression"
            given = self.estimator.get_params()
            space = {
                name: part
                for name, part in default_space(task, len(self.targets)).items()
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

    def _first(self) -> Settings | None:
        """The estimator as it was given, as a point of the space where it is one."""
        if not isinstance(self.space, Space):
            return None
        task: TabularTask = "binary" if self.classifies else "regression"
        recipe, given = default_recipe(task, len(self.targets)), self.estimator.get_params()
        auto = [name for name in self.space.parts if str(given[name]) == "auto"]
        return self.space.as_kept(
            {
                name: getattr(recipe, name) if name in auto else given[name]
                for name in self.space.parts
            }
        )

    def study(self, storage: str | Path | None, pruner: BasePruner | None) -> Study:
        """The trials so far."""
        if pruner is None:
            pruner = MedianPruner(n_startup_trials=5, n_warmup_steps=FIRST_JUDGED_PART)
        sampler = OrderedSampler(self.seed, self.first or {})
        return opened(storage, sampler, pruner, self._identity())

    def _identity(self) -> dict[str, Any]:
        """What all trials of a study must have in common."""
        estimator, (x, y) = self.estimator, self.rows
        table = as_table(x)
        given = {
            name: value
            for name, value in estimator.get_params(deep=False).items()
            if name not in NO_SETTINGS and value not in ("auto", None)
        } | {"random_state": self.random_state}
        arrays = [_hashes(table), _hashes(pd.DataFrame(np.asarray(y)))]
        if self.weights is not None:
            arrays.append(np.asarray(self.weights))
        space = self.space
        return {
            "rows": data_fingerprint(np.array(list(map(str, table.columns))), *arrays),
            "estimator": f"{type(estimator).__name__}({_listed(given)})",
            "space": _listed(space.parts) if isinstance(space, Space) else "a function",
            "seed": self.seed,
        }

    # ------------------------------------------------------------------ a trial

    def run(self, study: Study, trial: Trial, until: float | None) -> None:
        """Train with a trial's settings, and tell the study what came of it."""
        started = time.monotonic()
        state, score = TrialState.FAIL, None
        try:
            one = self._fitted(self._settings(trial), self._watch(study, trial, until))
            state, score = TrialState.COMPLETE, self._score(one)
            if self.best is None or score < self.best.score:
                self.best = _Best(trial.number, score, one)
        except (optuna.TrialPruned, NonFiniteLossError):
            state = TrialState.PRUNED
        except _TimeIsUpError:
            pass
        finally:
            trial.set_user_attr("seconds", round(time.monotonic() - started, 3))
            study.tell(trial, score, state=state, skip_if_finished=True)

    def _settings(self, trial: Trial) -> Settings:
        """What the trial sets; kept with it, as the study knows tuples as texts."""
        as_given = self.first is None and self._comes_first(trial)
        settings = {} if as_given else dict(self.space(trial))
        check_settings(settings, self.estimator)
        trial.set_user_attr("settings", settings)
        return settings

    def _comes_first(self, trial: Trial) -> bool:
        trials = trial.study.get_trials(False)[: trial.number]
        return all(before.state == TrialState.FAIL for before in trials)

    def _fitted(self, settings: Settings, watch: Any) -> NetworkEstimator:
        parameters = self.estimator.get_params(deep=False) | settings
        parameters |= {"random_state": self.random_state, "progress": watch}
        parameters |= {"checkpoint": None, "resume": False}
        x, y = self.rows
        fitted = type(self.estimator)(**parameters).fit(x, y, self.weights)
        return fitted.set_params(progress=self.estimator.progress)

    def _watch(self, study: Study, trial: Trial, until: float | None) -> Any:
        """The estimator's `progress`: each look is told, and may be the last."""
        told = 0
        others_done = n_done(study) > 0

        def watch(done: int, epochs: int, losses: Mapping[str, float]) -> None:
            nonlocal told
            part = PARTS * done // epochs
            if part > told:
                told = part
                trial.report(self._in_units(losses["val_loss"]), part)
                give_sign(trial)
            if done >= epochs:
                return
            if others_done and trial.should_prune():
                raise optuna.TrialPruned
            if others_done and until is not None and time.monotonic() > until:
                raise _TimeIsUpError

        return watch

    def _score(self, fitted: NetworkEstimator) -> float:
        """Of the weights that were kept."""
        history = fitted.history_
        look = history["epoch"].index(fitted.best_epoch_)
        return self._in_units(history["val_loss"][look])

    def _in_units(self, loss: float) -> float:
        """Nats as they are; the square of standardised errors as an error."""
        if self.classifies:
            return loss
        spread = float(self.targets.std()) if self.targets.ndim == 1 else 1.0
        return float(np.sqrt(loss)) * (spread or 1.0)

    # ------------------------------------------------------------------ the end

    def row(self, trial: FrozenTrial) -> dict[str, Any]:
        """A trial as a row of a table."""
        return {
            "number": trial.number,
            "state": "failed" if trial.state.name == "FAIL" else trial.state.name.lower(),
            "score": np.nan if trial.value is None else trial.value,
            "part": trial.last_step or 0,
            "seconds": trial.user_attrs.get("seconds", np.nan),
            **_settings_of(trial),
        }

    def tuned(self, study: Study, *, refit: bool) -> Tuned:
        """What was found, the best estimator trained where it is not at hand."""
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
        elif refit:
            estimator = self._fitted(settings, self.estimator.progress)
        return Tuned(
            best_params=settings,
            best_score=best.values[0],
            score_name=self.score_name,
            trials=pd.DataFrame([self.row(trial) for trial in study.get_trials(False)]),
            best_estimator=estimator,
        )


def _settings_of(trial: FrozenTrial) -> Settings:
    """As they were given to the estimator; JSON knows no tuples."""
    kept = trial.user_attrs.get("settings", {})
    return {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}


def _hashes(table: pd.DataFrame) -> Any:
    """[rows] a number for each."""
    return pd.util.hash_pandas_object(table, index=False).to_numpy()


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in sorted(values.items()))
