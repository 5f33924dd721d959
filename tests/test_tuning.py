"""A sweep tries settings, scores them on left-out rows, and goes on where it ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pandas as pd
import pytest

import kerasnn
from kerasnn import NetworkClassifier, NetworkRegressor
from kerasnn.ensembles.members.learner_cache import LearnerCache, learner_cache
from kerasnn.errors import InputError
from kerasnn.tuning import default_space, journal, space
from kerasnn.tuning.journal import quiet_optuna

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"a": RNG.normal(size=80), "b": RNG.choice(["x", "y", "z"], 80)})
LABELS = np.where(TABLE["a"] + (TABLE["b"] == "x") > 0.3, "yes", "no")
NUMBERS = 100 * TABLE["a"].to_numpy() + 30 * RNG.normal(size=80)
SHORT = {"members": 2, "folds": 2, "epochs": 4, "batch_size": 16, "driver": "graph"}
RATES = {"learning_rate": (0.01, 0.1, "log"), "dropout": (0.0, 0.5)}


def short(kind=NetworkClassifier, **settings):
    return kind(**SHORT, hidden_units=(8,), **settings)


def tune(trials=3, *, space=RATES, y=LABELS, kind=NetworkClassifier, **more):
    return kerasnn.tune(short(kind), TABLE, y, space=space, trials=trials, **more)


def study_of(file):
    backend = optuna.storages.journal.JournalFileBackend(str(file))
    storage = optuna.storages.JournalStorage(backend)
    with quiet_optuna():
        return optuna.load_study(study_name="kerasnn", storage=storage)


def without_clock(trials):
    return trials.drop(columns="seconds")


@pytest.mark.slow
def test_the_first_trial_is_the_estimator_as_it_was_given():
    found = tune(1)
    given = short(random_state=0).fit(TABLE, LABELS)
    assert found.best_score == given.trees_.losses["both"]
    assert found.best_params == {"learning_rate": 0.04, "dropout": 0.15}
    assert found.score_name == "log_loss"


@pytest.mark.slow
def test_a_first_trial_outside_the_space_sets_nothing():
    found = tune(2, space={"learning_rate": (0.05, 0.1), "hidden_units": [(8,), (4, 4)]})
    assert pd.isna(found.trials["learning_rate"][0])
    assert found.trials["learning_rate"][1] >= 0.05
    assert tune(1, space={"learning_rate": (0.05, 0.1)}).best_params == {}


@pytest.mark.slow
def test_the_best_estimator_has_the_best_settings_and_score():
    found = tune(3)
    best = found.trials.sort_values("score").iloc[0]
    assert found.best_score == best["score"] == found.trials["score"].min()
    for name, value in found.best_params.items():
        assert getattr(found.best_estimator, name) == value
    again = short(random_state=0, **found.best_params).fit(TABLE, LABELS)
    np.testing.assert_array_equal(
        again.predict_proba(TABLE), found.best_estimator.predict_proba(TABLE)
    )


@pytest.mark.slow
def test_the_score_of_numbers_is_an_error_in_their_unit():
    found = tune(1, y=NUMBERS, kind=NetworkRegressor, space={"learning_rate": (0.1, 0.3)})
    held_out = found.best_estimator.oof_predictions_
    assert found.score_name == "rmse"
    loss = found.best_estimator.trees_.losses["both"]
    assert found.best_score == np.sqrt(loss) * NUMBERS.std()
    # About: unlike the loss, `oof_predictions_` is clipped to the range of the targets.
    error = np.sqrt(np.mean((held_out - NUMBERS) ** 2))
    assert error == pytest.approx(found.best_score, rel=0.1)


@pytest.mark.slow
def test_the_same_call_finds_the_same():
    assert without_clock(tune(3).trials).equals(without_clock(tune(3).trials))


@pytest.mark.slow
def test_other_rates_compile_nothing_new(monkeypatch):
    cache = LearnerCache(4)
    monkeypatch.setattr("kerasnn.ensembles.members.learner_cache._shared", cache)
    tune(3)
    (learner,) = cache.learners
    from kerasnn.training.compiled.programs import programs_of

    assert len(programs_of(learner)._programs) == 1


@pytest.mark.slow
def test_more_learners_are_kept_while_tuning_and_no_longer(monkeypatch):
    cache = LearnerCache(1)
    monkeypatch.setattr("kerasnn.ensembles.members.learner_cache._shared", cache)
    kept = []
    sizes = {"hidden_units": [(4,), (5,), (6,)]}
    tune(4, space=sizes, progress=lambda *_: kept.append(len(learner_cache().learners)))
    assert max(kept) > 1 == len(cache.learners)


@pytest.mark.slow
def test_a_function_may_choose():
    def space(trial):
        depth = trial.suggest_int("depth", 1, 2)
        return {"hidden_units": (4,) * depth}

    found = tune(3, space=space)
    assert found.best_params in ({}, {"hidden_units": (4,)}, {"hidden_units": (4, 4)})
    assert found.trials["hidden_units"][1] in ((4,), (4, 4))


@pytest.mark.slow
def test_what_is_worse_than_the_others_is_pruned_between_looks():
    class Second(optuna.pruners.NopPruner):
        def prune(self, study, trial):
            return trial.number == 1 and trial.last_step >= 16

    found = tune(3, pruner=Second())
    assert found.trials["state"].tolist() == ["complete", "pruned", "complete"]
    assert found.trials["part"].tolist() == [32, 16, 32]


@pytest.mark.slow
def test_by_default_what_is_worse_than_the_median_is_pruned():
    """From the sixth trial on, and after the first fifth of a training."""

    def space(trial):
        rate = trial.suggest_float("rate", 0.03, 0.05)
        return {"learning_rate": rate if trial.number < 6 else 1e-6}

    found = tune(8, space=space)
    states = found.trials["state"].tolist()
    assert states[:5] == ["complete"] * 5
    assert states[6:] == ["pruned"] * 2
    assert (found.trials["part"][6:] < 32).all()


def test_a_loss_that_is_nan_prunes_the_trial():
    rates = {"learning_rate": [999.0]}
    with pytest.raises(InputError, match=r"^no trial was complete: the loss became NaN"):
        kerasnn.tune(
            short(NetworkRegressor, learning_rate=999.0),
            TABLE,
            NUMBERS,
            space=rates,
            trials=1,
        )


@pytest.mark.slow
def test_a_sweep_goes_on_to_the_same_trials(tmp_path):
    whole = tune(4)
    file = tmp_path / "trials.journal"
    assert len(tune(2, storage=file).trials) == 2
    again = tune(4, storage=file)
    assert without_clock(again.trials).equals(without_clock(whole.trials))
    done = []
    assert len(tune(4, storage=file, progress=lambda *a: done.append(a)).trials) == 4
    assert done == []
    np.testing.assert_array_equal(
        again.best_estimator.predict_proba(TABLE),
        tune(4, storage=file).best_estimator.predict_proba(TABLE),
    )


def test_the_default_space_has_the_default_recipe_in_it():
    for task in ("binary", "regression"):
        for n_rows in (200, 5000, 50_000):
            recipe = kerasnn.estimators.default_recipe(task, n_rows)
            for name, part in default_space(task, n_rows).items():
                value = getattr(recipe, name)
                if isinstance(part, list):
                    assert value in part
                else:
                    assert part[0] <= value <= part[1]


@pytest.mark.slow
def test_what_is_set_of_the_estimator_is_not_in_the_default_space():
    estimator = short(embedding="none", weight_decay=0.0)
    found = kerasnn.tune(estimator, TABLE, LABELS, trials=1)
    assert set(found.best_params) == {"learning_rate", "dropout"}
    assert found.best_estimator.embedding == "none"


KILLED_IN_ITS_SECOND_TRIAL = """
import os, signal
from kerasnn import NetworkClassifier
from tests.test_tuning import tune

fit, started = NetworkClassifier.fit, []
def fit_or_die(*arguments):
    if started:
        os.kill(os.getpid(), signal.SIGKILL)
    started.append(1)
    return fit(*arguments)

NetworkClassifier.fit = fit_or_die
tune(6, storage={file!r})
"""


@pytest.mark.slow
def test_two_processes_share_a_file_and_one_killed_loses_only_its_trial(tmp_path):
    file = tmp_path / "trials.journal"
    tune(1, storage=file)
    other = subprocess.Popen(
        [sys.executable, "-c", KILLED_IN_ITS_SECOND_TRIAL.format(file=str(file))],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": "."},
        stderr=subprocess.DEVNULL,
    )

    def wait_for_its_death(done, trials, last):
        if done >= 3:
            other.wait()

    tune(6, storage=file, progress=wait_for_its_death)
    assert other.returncode == -signal.SIGKILL
    trials = study_of(file).trials
    failed = [t for t in trials if t.state.name == "FAIL"]
    counted = [t for t in trials if t.state.name in ("COMPLETE", "PRUNED")]
    assert [t.user_attrs["process"][1] for t in failed] == [other.pid]
    assert len(counted) == 6
    assert len({str(t.params) for t in counted}) == 6
    assert {t.user_attrs["process"][1] for t in counted} == {os.getpid(), other.pid}


def test_a_silent_trial_of_another_machine_is_given_up_after_an_hour(tmp_path, monkeypatch):
    file = tmp_path / "trials.journal"
    tune(1, storage=file)
    with quiet_optuna():
        trial = study_of(file).ask()
    trial.set_user_attr("process", ["elsewhere", 1])
    trial.set_user_attr("seen", 1_000.0)
    monkeypatch.setattr(journal.time, "time", lambda: 1_000.0 + 3_599)
    assert journal.fail_abandoned(study_of(file)) == []
    monkeypatch.setattr(journal.time, "time", lambda: 1_000.0 + 3_601)
    assert journal.fail_abandoned(study_of(file)) == [trial.number]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"space": {"learning_rat": [1.0]}},
            "space must name parameters of NetworkClassifier among hidden_units, members,"
            " epochs, batch_size, learning_rate, weight_decay, dropout, label_smoothing,"
            " activation, embedding, calibrate; got 'learning_rat'; did"
            " you mean 'learning_rate'?",
        ),
        ({"space": {}}, "space must have at least one parameter; got {}"),
        (
            {"space": {"dropout": (0.5, 0.1)}},
            "space['dropout'] must be a list of choices, or a range: (low, high), or (low,"
            " high, 'log') with low above 0; got (0.5, 0.1)",
        ),
        (
            {"space": 3},
            "space must be None, a dict of lists and ranges, or a function of an Optuna"
            " trial; got 3",
        ),
        ({"trials": 0}, "trials must be a whole number of at least 1; got 0"),
        ({"time_limit": -1}, "time_limit must be None or seconds above 0; got -1"),
    ],
    ids=["name", "empty", "range", "kind", "trials", "time"],
)
def test_a_wrong_argument_says_what_must_hold(arguments, message):
    with pytest.raises(InputError) as error:
        kerasnn.tune(short(), TABLE, LABELS, **arguments)
    assert str(error.value) == message


def test_an_estimator_without_left_out_rows_cannot_be_tuned():
    with pytest.raises(InputError) as error:
        kerasnn.tune(NetworkClassifier(folds=0), TABLE, LABELS)
    assert str(error.value) == (
        "folds must be 'auto' or at least 2: trials are scored on the rows that members"
        " leave out; got folds=0"
    )


def test_a_file_of_another_sweep_is_refused(tmp_path):
    file = tmp_path / "trials.journal"
    tune(1, storage=file)
    before = file.read_bytes()
    with pytest.raises(InputError) as error:
        tune(1, storage=file, space={"dropout": (0.0, 0.5)})
    assert str(error.value) == (
        f"{file} has trials with different space: dropout=Range(low=0.0, high=0.5,"
        " log=False), learning_rate=Range(low=0.01, high=0.1, log=True); got"
        " dropout=Range(low=0.0, high=0.5, log=False). Use the same again, or"
        " another storage"
    )
    with pytest.raises(InputError, match="has trials with different rows: sha256:"):
        tune(1, storage=file, y=LABELS[::-1])
    with pytest.raises(InputError, match="has trials with different estimator: "):
        kerasnn.tune(short(weight_decay=0.3), TABLE, LABELS, space=RATES, storage=file)
    with pytest.raises(InputError, match=r"random_state=0\); got .*random_state=1\)"):
        tune(1, storage=file, seed=1)
    assert file.read_bytes().startswith(before)


@pytest.mark.parametrize("text", ["no journal", '{"op_code": 0'])
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path, text):
    file = tmp_path / "trials.journal"
    tune(1, storage=file)
    file.write_text(file.read_text() + text)
    before = file.read_bytes()
    with pytest.raises(InputError) as error:
        tune(2, storage=file)
    assert str(error.value) == (
        f"{file} must be a journal of trials; one of its lines is not. If the last line was"
        " cut off, by a full disk for instance, remove that line"
    )
    assert file.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path):
    file = tmp_path / "none" / "trials.journal"
    with pytest.raises(InputError) as error:
        tune(1, storage=file)
    assert str(error.value) == f"{file}: cannot be used: No such file or directory"


def test_when_the_time_is_up_no_trial_is_begun():
    found = tune(50, time_limit=1e-6)
    assert found.trials["state"].tolist() == ["complete"]


def test_the_trial_that_runs_is_given_up_when_the_time_is_up(monkeypatch):
    """The first one is always finished; here an hour passes with every look after it."""
    clock = [0.0]
    monkeypatch.setattr("kerasnn.tuning.sweep.time.monotonic", lambda: clock[0])
    seen = []

    class Hours(optuna.pruners.NopPruner):
        def prune(self, study, trial):
            seen.append(trial.number)
            clock[0] += 3600.0 * (trial.number == 1)
            return False

    found = tune(50, time_limit=3700.0, pruner=Hours())
    assert found.trials["state"].tolist()[0] == "complete"
    assert len(found.trials) == 2
    assert found.trials["state"][1] == "failed"
    assert seen == [1, 1]  # the second look came after the time


@pytest.mark.parametrize("drawn", [0.0123456, 0.04999, 0.0100004])
def test_drawn_numbers_have_three_digits_and_stay_in_the_range(drawn):
    trial = SimpleNamespace(suggest_float=lambda *range_, log: drawn)
    assert space.Range(0.01, 0.05).suggest("x", trial) == float(f"{drawn:.3g}")
    assert 0.0100003 <= space.Range(0.0100003, 0.049994).suggest("x", trial) <= 0.049994


@pytest.mark.slow
def test_an_interrupted_sweep_keeps_its_trials(tmp_path):
    def stop(done, trials, last):
        if done == 2:
            raise KeyboardInterrupt

    file = tmp_path / "trials.journal"
    found = tune(9, storage=file, progress=stop)
    assert found.interrupted
    assert found.trials["state"].tolist() == ["complete"] * 2
    assert found.best_score == found.trials["score"].min()
    assert found.best_estimator.predict(TABLE).shape == (80,)
    assert repr(found).startswith("Tuned(2 complete, interrupted, best log_loss=")
    assert found._repr_html_().count("<tr>") == 3
    assert len(tune(3, storage=file, refit=False).trials) == 3  # it resumes


def test_a_sweep_interrupted_before_its_first_result_raises(monkeypatch):
    def fit(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(NetworkClassifier, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        tune(2)
