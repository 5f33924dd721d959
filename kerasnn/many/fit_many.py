"""`fit_many`: many Keras models on the same rows, several at a time.

A step of many stacked networks takes as long as the steps of each: their products are
small, and a batched one is no faster. What many fits share is the traced and compiled
program of models of one kind, and the cores.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.model_selection import BaseCrossValidator, check_cv

from kerasnn.choices import FitDriver
from kerasnn.errors import InputError, check_whole_number
from kerasnn.many.result import LearnedAndLeftOut, ManyFits
from kerasnn.training.callbacks.history import FitHistory
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.fallback import check_driver
from kerasnn.training.fit import fit


def fit_many(
    models: Sequence[keras.Model] | Callable[..., keras.Model],
    x: Any,
    y: Any = None,
    *,
    seeds: Sequence[int] | None = None,
    settings: Sequence[Mapping[str, Any]] = ({},),
    cv: int | BaseCrossValidator | Iterable[LearnedAndLeftOut] | None = None,
    batch_size: int = 32,
    epochs: int = 1,
    validation_data: Any = None,
    sample_weight: Any = None,
    shuffle: bool = True,
    driver: FitDriver = "auto",
    threads: int | None = None,
) -> ManyFits:
    """Train many Keras models on the same rows, several at a time.

    Each ends as `kerasnn.fit(model, x, y, seed=seed, ...)` leaves it. Models of the same
    layers, shapes, loss, metrics and optimizer use one trace and one compilation; weights,
    seeds and learning rates may differ.

    Args:
        models: compiled models. Or a function that returns one: it is called with each of
            the settings as keywords, after `keras.utils.set_random_seed(seed)`, for each of
            the seeds; Keras's seed is the last one afterwards.
        x: rows in memory, as `Model.fit` takes them.
        y: targets.
        seeds: of the row orders, one for each model that was given; by default 0, 1, 2 ...;
            for a function [0].
        settings: for a function: the keywords of each call.
        cv: for a function: a number of folds, a splitter of scikit-learn, or pairs of row
            numbers. Each setting and seed is then trained on each split, and tested on the
            rows that it leaves out after each epoch. A number means stratified folds of
            whole numbers as targets, else plain ones, without shuffling.
        batch_size: rows of a batch of each model.
        epochs: number of epochs.
        validation_data: (x, y) or (x, y, sample_weight), tested after each epoch.
        sample_weight: weights of the rows.
        shuffle: whether each model sees the rows in an order of its own.
        driver: see `fit`; "auto" counts the steps of all models.
        threads: number of models that train at a time; by default one for each core.

    Returns:
        Models, histories, the best, the mean as a model: see `ManyFits`.

    Raises:
        InputError: there is no model, one is no compiled model, or appears twice; seeds and
            models differ in number; `cv` with a list or with validation rows; a number out
            of range; what `fit` raises.
    """
    check_driver(driver)
    check_whole_number("batch_size", batch_size, minimum=1)
    check_whole_number("epochs", epochs, minimum=1)
    if threads is not None:
        check_whole_number("threads", threads, minimum=1)
    rows = (x, y, sample_weight)
    splits = _splits(models, rows, cv, validation_data)
    built, orders, used = _models(models, seeds, settings, copies=len(splits or [None]))

    def train(i: int) -> FitHistory:
        data, test = rows, validation_data
        if splits:
            learned, left_out = splits[i % len(splits)]
            data, test = _taken(rows, learned), _taken(rows, left_out)
        with _sharing(built[i], len(built)):
            return fit(
                built[i],
                data[0],
                data[1],
                batch_size=batch_size,
                epochs=epochs,
                verbose=0,
                validation_data=test,
                shuffle=shuffle,
                sample_weight=data[2],
                seed=orders[i],
                driver=driver,
            )

    histories = _in_threads(train, built, threads or os.cpu_count() or 1)
    return ManyFits(built, histories, orders, used, splits)


@contextmanager
def _sharing(model: keras.Model, sharers: int) -> Iterator[None]:
    """Let the steps of all models choose the driver: those of one kind share a program."""
    programs = programs_of(model)
    programs.sharers = sharers
    try:
        yield
    finally:
        programs.sharers = 1


def _in_threads(
    train: Callable[[int], FitHistory], models: list[keras.Model], threads: int
) -> list[FitHistory]:
    """Train all models by their numbers; the first alone, as others use its program."""
    first = train(0)
    with ThreadPoolExecutor(threads) as pool:
        fits = [pool.submit(train, i) for i in range(1, len(models))]
        try:
            return [first, *(future.result() for future in fits)]
        except BaseException:  # Ctrl-C, too: the others end with their epoch
            pool.shutdown(wait=False, cancel_futures=True)
            for model in models:
                model.stop_training = True
            raise


def _splits(
    models: Any, rows: tuple[Any, Any, Any], cv: Any, validation_data: Any
) -> list[LearnedAndLeftOut]:
    """Return the row numbers of each split; none without `cv`.

    Raises:
        InputError: `cv` does not go with the other arguments, or with the rows.
    """
    if cv is None:
        return []
    if not callable(models):
        raise InputError("cv= is for a function that builds models, one for each split")
    if validation_data is not None:
        raise InputError("cv= tests the rows that a split leaves out; omit validation_data")
    y = rows[1]
    if y is None:
        raise InputError("cv= needs the targets as y; x alone cannot be split")
    labels = np.asarray(y)
    classes = labels.dtype.kind in "biu" and labels.ndim == 1
    if isinstance(cv, int):
        check_whole_number("cv", cv, minimum=2)
    try:
        splitter = check_cv(cv, labels, classifier=classes)
        return list(splitter.split(np.zeros(len(labels)), labels))
    except ValueError as error:
        raise InputError(f"cv={cv!r} cannot split these rows: {error}") from error


def _taken(rows: tuple[Any, Any, Any], numbers: Any) -> tuple[Any, Any, Any]:
    def of_leaf(leaf: Any) -> Any:
        if isinstance(leaf, pd.DataFrame | pd.Series):
            return leaf.iloc[numbers]
        return np.asarray(leaf)[numbers]

    x, y, weights = (
        None if part is None else keras.tree.map_structure(of_leaf, part) for part in rows
    )
    return x, y, weights


def _models(
    models: Any,
    seeds: Sequence[int] | None,
    settings: Sequence[Mapping[str, Any]],
    copies: int,
) -> tuple[list[keras.Model], list[int], list[dict[str, Any]]]:
    """Return the models, the seed of each, and its setting; for a function with copies."""
    if isinstance(models, keras.Model) or not (
        callable(models) or isinstance(models, Sequence)
    ):
        raise InputError(
            "fit_many takes a list of compiled models, or a function that returns one;"
            f" got {type(models).__name__}"
        )
    if callable(models):
        seeds = [0] if seeds is None else seeds
        pairs = itertools.product(map(dict, settings), _checked(seeds), range(copies))
        used, orders = [], []
        for setting, seed, _ in pairs:
            used.append(setting)
            orders.append(seed)
        built = [
            _build(models, setting, seed)
            for setting, seed in zip(used, orders, strict=True)
        ]
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
