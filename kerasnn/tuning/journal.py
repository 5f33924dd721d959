"""The study of a sweep: kept in a file, shared by processes, resumed.

It decides which process runs a trial, which trials are done, and that the trials of killed
processes have failed. `sweep` runs the trials.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from kerasnn.errors import InputError
from kerasnn.system.processes import host_name, is_running

_STUDY_NAME = "kerasnn"
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
# A trial of another machine without a heartbeat for this long has failed.
_MAX_SILENT_SECONDS = 3600.0


class OrderedSampler(BaseSampler):
    """A sampler whose random numbers follow from the seed and the position of a trial.

    So two processes draw different values, and a killed sweep resumes with the values that
    it would have drawn. The position counts trials that have not failed.

    Args:
        seed: of all values.
        first: values of the first trial, by name; empty draws them too.
    """

    def __init__(self, seed: int, first: dict[str, Any]) -> None:
        self._seed = seed
        self._first = first
        self._is_first = False
        self._inner = TPESampler(seed=seed, multivariate=False)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed the random numbers of a trial."""
        position = _position(study, trial.number)
        self._is_first = position == 0
        state = np.random.SeedSequence((self._seed, position)).generate_state(1)
        self._inner = TPESampler(seed=int(state[0]), multivariate=False)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return no parameters: none are drawn together."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return no values: none are drawn together."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one value by TPE."""
        if self._is_first and param_name in self._first:
            return self._first[param_name]
        return self._inner.sample_independent(study, trial, param_name, param_distribution)


def _position(study: Study, number: int) -> int:
    """Return the number of earlier trials that are done or running."""
    return sum(
        t.state != TrialState.FAIL and t.number < number for t in study.get_trials(False)
    )


def n_done(study: Study) -> int:
    """Return the number of complete and pruned trials."""
    return sum(trial.state in _DONE for trial in study.get_trials(False))


def next_trial(study: Study, trials: int) -> Trial | None:
    """Start a trial of this process; None if enough are done or running."""
    if _position(study, len(study.get_trials(False))) >= trials:
        return None
    trial = study.ask()
    if _position(study, trial.number) >= trials:  # another process was faster
        study.tell(trial, state=TrialState.FAIL)
        return None
    trial.set_user_attr("process", [host_name(), os.getpid()])
    send_heartbeat(trial)
    return trial


def send_heartbeat(trial: Trial) -> None:
    """Record that the process of a trial is running."""
    trial.set_user_attr("seen", time.time())


def fail_abandoned(study: Study) -> list[int]:
    """Mark trials of killed processes as failed, so that others replace them.

    Returns:
        The numbers of the trials.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    abandoned = [trial.number for trial in running if _is_abandoned(trial)]
    for number in abandoned:
        study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    return abandoned


def _is_abandoned(trial: FrozenTrial) -> bool:
    host, process = trial.user_attrs.get("process", ["", 0])
    if host == host_name() and not is_running(process):
        return True
    assert trial.datetime_start is not None  # it runs
    seen = trial.user_attrs.get("seen", trial.datetime_start.timestamp())
    return time.time() - seen > _MAX_SILENT_SECONDS


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Context manager in which Optuna logs only warnings."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(
    file: str | Path | None,
    sampler: BaseSampler,
    pruner: optuna.pruners.BasePruner,
    identity: dict[str, Any],
) -> Study:
    """Open a study, new or from a file.

    Args:
        file: of the journal; None keeps the study in memory.
        sampler: draws the settings.
        pruner: stops bad trials early.
        identity: must be equal for all trials of a file.

    Raises:
        InputError: the file cannot be read or written, or has trials of another sweep.
    """
    storage = None if file is None else _storage(Path(file))
    study = optuna.create_study(
        storage=storage,
        sampler=sampler,
        pruner=pruner,
        study_name=_STUDY_NAME,
        direction="minimize",
        load_if_exists=True,
    )
    known = study.user_attrs
    for name, value in identity.items():
        if known.setdefault(name, value) != value:
            raise InputError(
                f"{file} has trials with different {name}: {known[name]}; got {value}. Use"
                " the same again, or another storage"
            )
        if study.user_attrs.get(name) is None:
            study.set_user_attr(name, value)
    return study


def _storage(file: Path) -> JournalStorage:
    try:
        if file.exists():
            _check_end(file)
        return JournalStorage(JournalFileBackend(str(file)))
    except OSError as error:
        raise InputError(f"{file}: cannot be used: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{file} must be a journal of trials; one of its lines is not. If the last line"
            " was cut off, by a full disk for instance, remove that line"
        ) from None


def _check_end(file: Path) -> None:
    """Check that the last line is complete: Optuna would append to it, and lose both.

    It may be incomplete because another process is writing it, so there are three tries.

    Raises:
        ValueError: it is not.
    """
    for tries_left in (2, 1, 0):
        *_, last = file.read_bytes().rsplit(b"\n", 2)[-2:]
        if not last:
            return
        if tries_left:
            time.sleep(0.2)
    raise ValueError
