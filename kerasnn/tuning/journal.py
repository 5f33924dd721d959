"""The study of a sweep: kept in a file, shared by processes, gone on with later.

It owns which trial is whose, what counts as done, and what becomes of a trial whose process
has died. What happens in a trial is the sweep's.
"""

import contextlib
import os
import socket
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
from kerasnn.partial_folders import is_running

NAME = "kerasnn"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
# A trial on another machine that has given no sign for so long is taken for dead.
SILENT_SECONDS = 3600.0


class OrderedSampler(BaseSampler):
    """A sampler that knows the trial's place among those that count, not its process.

    Its random numbers follow from the seed and that place: two processes do not draw
    alike, and a sweep that was killed goes on with what it would have drawn.

    Args:
        seed: of everything drawn.
        first: what the first trial takes, by name; empty: it is drawn as well.
    """

    def __init__(self, seed: int, first: dict[str, Any]) -> None:
        self._seed = seed
        self._first = first
        self._is_first = False
        self._inner = TPESampler(seed=seed, multivariate=False)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Begin a trial's random numbers."""
        place = place_of(study, trial.number)
        self._is_first = place == 0
        state = np.random.SeedSequence((self._seed, place)).generate_state(1)
        self._inner = TPESampler(seed=int(state[0]), multivariate=False)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing is drawn together."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing is drawn together."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """One value, as TPE has it."""
        if self._is_first and param_name in self._first:
            return self._first[param_name]
        return self._inner.sample_independent(study, trial, param_name, param_distribution)


def place_of(study: Study, number: int) -> int:
    """How many trials before this one count: done, or running."""
    return sum(
        t.state != TrialState.FAIL and t.number < number for t in study.get_trials(False)
    )


def n_done(study: Study) -> int:
    """Trials that are over and count."""
    return sum(trial.state in DONE for trial in study.get_trials(False))


def next_trial(study: Study, trials: int) -> Trial | None:
    """A trial of our own; None where as many as there should be are done or running."""
    if place_of(study, len(study.get_trials(False))) >= trials:
        return None
    trial = study.ask()
    if place_of(study, trial.number) >= trials:  # another process was faster
        study.tell(trial, state=TrialState.FAIL)
        return None
    trial.set_user_attr("process", [socket.gethostname(), os.getpid()])
    give_sign(trial)
    return trial


def give_sign(trial: Trial) -> None:
    """Note that the trial's process is alive."""
    trial.set_user_attr("seen", time.time())


def fail_dead(study: Study) -> list[int]:
    """Trials whose process is gone count as failed: another takes their place.

    Returns:
        Their numbers.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    dead = [trial.number for trial in running if _is_dead(trial)]
    for number in dead:
        study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    return dead


def _is_dead(trial: FrozenTrial) -> bool:
    host, process = trial.user_attrs.get("process", ["", 0])
    if host == socket.gethostname() and not is_running(process):
        return True
    assert trial.datetime_start is not None  # it runs
    seen = trial.user_attrs.get("seen", trial.datetime_start.timestamp())
    return time.time() - seen > SILENT_SECONDS


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Inside this Optuna logs warnings only."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def opened(
    file: str | Path | None,
    sampler: BaseSampler,
    pruner: optuna.pruners.BasePruner,
    identity: dict[str, Any],
) -> Study:
    """A study, new or from a file.

    Args:
        file: of the journal; None: in memory.
        sampler: draws what is tried.
        pruner: says what is given up.
        identity: what the trials have in common; a file that has another is refused.

    Raises:
        InputError: the file cannot be read or written, or is of another sweep.
    """
    storage = None if file is None else _storage(Path(file))
    study = optuna.create_study(
        storage=storage,
        sampler=sampler,
        pruner=pruner,
        study_name=NAME,
        direction="minimize",
        load_if_exists=True,
    )
    known = study.user_attrs
    for name, value in identity.items():
        if known.setdefault(name, value) != value:
            raise InputError(
                f"{file} has trials with other {name}: {known[name]}; got {value}. Give"
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
            f"{file} must be a journal of trials; it has a line that is none. If its last"
            " line was cut short, by a full disk for instance, take that line away"
        ) from None


def _check_end(file: Path) -> None:
    """The last line is whole: Optuna would write on behind it, and all would be lost.

    Another process may be writing it: it is looked at again.

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
