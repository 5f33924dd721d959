"""`fit_many`: many models of one kind, trained side by side in one compiled loop."""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasnn.choices import FitDriver
from kerasnn.errors import InputError, check_whole_number
from kerasnn.training import keras_names
from kerasnn.training.callbacks.callback_list import with_history
from kerasnn.training.callbacks.history import History
from kerasnn.training.checks import Labels, warn_of_nan
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.fingerprint import (
    ELEMENTWISE_OPTIMIZERS,
    NotComparableError,
    model_fingerprint,
)
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.specs import BatchSpec
from kerasnn.training.epochs import FitRun
from kerasnn.training.fallback import check_driver
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.keras_iterator import keras_iterator
from kerasnn.training.feeds.make_feed import make_feed
from kerasnn.training.feeds.plan import EpochPlan, RowOrder, epochs_planned, keras_plan
from kerasnn.training.fit import fit
from kerasnn.training.many.learner import StackedLearner
from kerasnn.training.many.result import ManyFits
from kerasnn.training.runner import Runner

_log = logging.getLogger("kerasnn")
_WHOLE = ("clipnorm", "global_clipnorm", "use_ema", "gradient_accumulation_steps")


@dataclass(frozen=True)
class ManyArguments:
    """The arguments of `fit_many` that are the same for all models."""

    batch_size: int
    epochs: int
    validation_data: Any
    shuffle: bool
    driver: FitDriver


def fit_many(
    models: Sequence[keras.Model] | Callable[..., keras.Model],
    x: Any,
    y: Any = None,
    *,
    seeds: Sequence[int] | None = None,
    settings: Sequence[Mapping[str, Any]] = ({},),
    batch_size: int = 32,
    epochs: int = 1,
    validation_data: Any = None,
    sample_weight: Any = None,
    shuffle: bool = True,
    driver: FitDriver = "auto",
) -> ManyFits:
    """Train many Keras models on the same rows, side by side where that is possible.

    Each ends as `kerasnn.fit(model, x, y, seed=seed, ...)` would have left it, to rounding.
    Models of the same layers, shapes, loss, metrics and optimizer run side by side; their
    weights, seeds and learning rates may differ. Other differences (dropout, weight decay,
    units) make other groups. What is alone in its group, or cannot run side by side, is
    trained by itself, one after the other; `alone` of the result says which and why.

    Args:
        models: compiled models. Or a function that returns one: it is called with each of
            the settings as keywords, after `keras.utils.set_random_seed(seed)`, for each of
            the seeds; Keras's seed is the last one afterwards.
        x: rows in memory, as `Model.fit` takes them.
        y: targets.
        seeds: of the row orders, one for each model that was given; by default 0, 1, 2 ...;
            for a function [0].
        settings: for a function: the keywords of each call.
        batch_size: rows of a batch of each model.
        epochs: number of epochs.
        validation_data: (x, y) or (x, y, sample_weight), tested after each epoch.
        sample_weight: weights of the rows.
        shuffle: whether each model sees the rows in an order of its own.
        driver: see `fit`.

    Returns:
        Models, histories, the best, the mean as a model: see `ManyFits`.

    Raises:
        InputError: there is no model, one is no compiled model, or appears twice; seeds and
            models differ in number; rows that are not in memory; a number out of range.
    """
    check_driver(driver)
    check_whole_number("batch_size", batch_size, minimum=1)
    check_whole_number("epochs", epochs, minimum=1)
    built, orders, used = _models(models, seeds, settings)
    arguments = ManyArguments(batch_size, epochs, validation_data, shuffle, driver)
    rows = (x, y, sample_weight)
    _build_alike(built, rows, batch_size)
    histories: dict[int, History] = {}
    alone: dict[int, str] = {}
    for numbers, reason in _groups(built):
        if reason is None:
            try:
                group = [built[i] for i in numbers]
                fits = _fit_group(group, [orders[i] for i in numbers], rows, arguments)
                histories.update(zip(numbers, fits, strict=True))
                continue
            except NeedsKerasError as error:
                reason = str(error).splitlines()[0]
        for i in numbers:
            alone[i] = reason
            histories[i] = _fit_alone(built[i], orders[i], rows, arguments)
    for reason in dict.fromkeys(alone.values()):
        count = list(alone.values()).count(reason)
        _log.info("%d of %d models were trained alone: %s", count, len(built), reason)
    return ManyFits(built, [histories[i] for i in range(len(built))], orders, used, alone)


def _models(
    models: Any, seeds: Sequence[int] | None, settings: Sequence[Mapping[str, Any]]
) -> tuple[list[keras.Model], list[int], list[dict[str, Any]]]:
    """Return the models, the seed of each, and its setting."""
    if isinstance(models, keras.Model) or not (
        callable(models) or isinstance(models, Sequence)
    ):
        raise InputError(
            "fit_many takes a list of compiled models, or a function that returns one;"
            f" got {type(models).__name__}"
        )
    if callable(models):
        seeds = [0] if seeds is None else seeds
        pairs = list(itertools.product(map(dict, settings), _checked(seeds)))
        orders, used = [seed for _, seed in pairs], [setting for setting, _ in pairs]
        built = [_build(models, setting, seed) for setting, seed in pairs]
    else:
        if list(settings) != [{}]:
            raise InputError("settings= is for a function that builds models; got a list")
        built = list(models)
        orders = _checked(range(len(built)) if seeds is None else seeds)
        used = [{} for _ in built]
    if not built or len(orders) != len(built):
        raise InputError(
            f"there must be a model, and a seed for each; got {len(built)} models and"
            f" {len(orders)} seeds"
        )
    for i, model in enumerate(built):
        if not isinstance(model, keras.Model) or not model.compiled:
            raise InputError(f"model {i} must be a compiled keras.Model; got {model!r}")
    if len(set(map(id, built))) < len(built):
        raise InputError("a model is given twice; each of the models must be its own")
    return built, orders, used


def _checked(seeds: Sequence[int]) -> list[int]:
    for seed in seeds:
        check_whole_number("seeds", seed, minimum=0)
    return list(seeds)


def _build(build: Callable[..., Any], setting: dict[str, Any], seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build(**setting)


def _build_alike(
    models: list[keras.Model], rows: tuple[Any, Any, Any], batch_size: int
) -> None:
    """Make the metrics of all models if one was trained before: they count for its kind."""
    if not any(model.optimizer.built for model in models):
        return
    with suppress(NeedsKerasError):  # then each is trained by itself
        specs = _feed(models[0], rows, batch_size).batch_spec
        for model in filter(keras_names.is_plain, models):
            with suppress(Exception):  # its own fit raises it again
                data = specs.structure.pack(specs.row_specs())
                keras_names.symbolic_build(model, data)


def _groups(models: list[keras.Model]) -> list[tuple[list[int], str | None]]:
    """Return the numbers of models that run side by side, or by themselves and why."""
    by_kind: dict[Any, list[int]] = {}
    alone: list[tuple[list[int], str | None]] = []
    for i, model in enumerate(models):
        try:
            by_kind.setdefault(_kind(model), []).append(i)
        except NotComparableError as error:
            alone.append(([i], str(error)))
    groups = [
        (numbers, None if len(numbers) > 1 else "no other model is like it")
        for numbers in by_kind.values()
    ]
    return groups + alone


def _kind(model: keras.Model) -> tuple[Any, ...]:
    """Return what models have in common that run side by side.

    Raises:
        NotComparableError: it must run by itself.
    """
    optimizer = model.optimizer
    if not keras_names.is_plain(model) or model.run_eagerly or not model.built:
        raise NotComparableError("it is no built Sequential or functional model of Keras")
    if model.dtype_policy.name not in ("float32", "float64"):
        raise NotComparableError(f"it computes in {model.dtype_policy.name}")
    if type(optimizer) not in ELEMENTWISE_OPTIMIZERS:
        raise NotComparableError(f"{type(optimizer).__name__} is not elementwise")
    whole = [name for name in _WHOLE if getattr(optimizer, name, None)]
    if whole:
        raise NotComparableError(f"its optimizer has {', '.join(whole)}")
    # Keras multiplies a weight by decay and rate before the update, which only knows one.
    rate = float(optimizer.learning_rate) if optimizer.weight_decay else None
    steps = int(optimizer.iterations)
    return rate, steps, model_fingerprint(model, names=False)


def _fit_alone(
    model: keras.Model, seed: int, rows: tuple[Any, Any, Any], arguments: ManyArguments
) -> Any:
    x, y, sample_weight = rows
    return fit(
        model,
        x,
        y,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        verbose=0,
        validation_data=arguments.validation_data,
        shuffle=arguments.shuffle,
        sample_weight=sample_weight,
        seed=seed,
        driver=arguments.driver,
    )


def _fit_group(
    models: list[keras.Model],
    seeds: list[int],
    rows: tuple[Any, Any, Any],
    arguments: ManyArguments,
) -> list[History]:
    """Train models of one kind side by side; return the history of each."""
    first, size = models[0], arguments.batch_size
    given = _feed(first, rows, size)
    n_rows = given.plan.n_rows
    plan = _joined([keras_plan(n_rows, size, arguments.shuffle, seed) for seed in seeds])
    planned = epochs_planned(plan)
    feed = ArrayFeed(given.data, plan, planned=planned, batch_size=plan.sizes[0])
    test = None
    if arguments.validation_data is not None:
        validation = keras.utils.unpack_x_y_sample_weight(arguments.validation_data)
        test = _feed(first, validation, size)
    _check_and_build(first, feed, test)
    learner = StackedLearner(models)
    programs = programs_of(learner)
    driver = programs.choose(arguments.driver, plan.steps * arguments.epochs)
    inside = test.whole(range(1)) if test else None
    runner = Runner(
        programs, "train_step", wanted=arguments.driver, driver=driver, inside=inside
    )
    runner.prepare(feed.batch_spec)
    history, callbacks = with_history(
        learner, [], verbose=0, epochs=arguments.epochs, steps=plan.steps
    )
    FitRun(runner, feed, callbacks, history, arguments.epochs).run()
    learner.unstack()
    return [_history_of(history, i, model) for i, model in enumerate(models)]


def _feed(model: keras.Model, rows: tuple[Any, Any, Any], batch_size: int) -> ArrayFeed:
    """Return rows in memory, in their order, as `fit` would read them.

    Raises:
        NeedsKerasError: they are not in memory, or too large to be copied.
    """
    feed = make_feed(keras_iterator(model, rows, batch_size=batch_size))
    if not isinstance(feed, ArrayFeed):
        raise NeedsKerasError("the rows are a stream, or too many to be copied")
    return feed


def _joined(plans: list[EpochPlan]) -> EpochPlan:
    """Return the plan whose batches are those of several plans, one after the other."""

    def row_order(epoch: int) -> RowOrder:
        batches = zip(*(plan.batches(epoch) for plan in plans), strict=True)
        return np.concatenate([rows for batch in batches for rows in batch])

    return EpochPlan(tuple(size * len(plans) for size in plans[0].sizes), row_order)


def _check_and_build(first: keras.Model, feed: ArrayFeed, test: ArrayFeed | None) -> None:
    """Make the metrics of a model; check the rows.

    Raises:
        NeedsKerasError: its steps cannot be traced with these rows.
        InputError: a label is not one of the classes.
    """
    specs: BatchSpec = feed.batch_spec
    data = specs.structure.pack(specs.row_specs())
    try:
        keras_names.symbolic_build(first, data)
    except Exception as error:  # the fit of one model raises it again
        raise NeedsKerasError(f"{type(error).__name__}: {error}") from error
    warn_of_nan(feed.data)
    labels = Labels(first, keras.utils.unpack_x_y_sample_weight(data)[0])
    for rows in filter(None, (feed, test)):
        rows.check_with(labels.check)


def _history_of(history: History, i: int, model: keras.Model) -> History:
    """Return the history of one model, also as `model.history`."""
    own = History()
    own.set_params(history.params)
    own.set_model(model)
    own.epoch = list(history.epoch)
    own.history = {
        name: [float(np.asarray(value)[i]) for value in values]
        for name, values in history.history.items()
    }
    own.seconds, own.steps_per_call = history.seconds, history.steps_per_call
    model.history = own
    return own
