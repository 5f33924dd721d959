"""Paths in place of arrays: `fit`, `evaluate` and `predict` of files with tables.

The columns that the model takes are written to shards once, and the call goes on from
these. Which columns those are, and where the shards lie for how long, is decided here;
what a file holds is known to `kerasnn.datasets`. No other module of training knows tables.
"""

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import keras
import numpy as np

from kerasnn.checkpoints import ROWS_FOLDER
from kerasnn.errors import InputError
from kerasnn.partial_folders import ROWS, remove, temporary_folder
from kerasnn.training import keras_names
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from kerasnn.training.distribution.workers import workers_of
from kerasnn.training.paths.model_inputs import matrix_input, named_inputs

if TYPE_CHECKING:  # pandas takes a while to load, and most fits need none
    from kerasnn.datasets import NumberRows, Shards

P = ParamSpec("P")
R = TypeVar("R")


def takes_tables(function: Callable[P, R]) -> Callable[P, R]:
    """`fit`, `evaluate` or `predict`, also of a path and the names of columns."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        given = bound.arguments
        if not any(map(_is_path, (given.get("x"), *_held_out(given)[:1]))):
            return function(*args, **kwargs)
        _check_possible(given)
        if function.__name__ != "predict":
            keras_names.assert_compiled(given["model"], function.__name__)
        run = _run(given)  # before anything is written: it may not begin
        if "seed" in signature.parameters:
            given["seed"] = _seed(given, run)
        with _Place(run) as place:
            given |= _on_disk(given, place)
            return function(*bound.args, **bound.kwargs)

    return called


class _Place(contextlib.AbstractContextManager["_Place"]):
    """Where the rows of a call lie: among the checkpoints for good, or for its time.

    Args:
        run: whose checkpoints they are; None: there are none.
    """

    def __init__(self, run: RunCheckpoints | None) -> None:
        self._checkpoint = None if run is None else run.folder.folder / ROWS_FOLDER
        self._begun = run is not None and run.found is not None

    def __enter__(self) -> "_Place":
        if self._checkpoint is None:
            self._folder = temporary_folder(ROWS)
        else:
            self._folder = self._checkpoint
        return self

    def __exit__(self, *_: object) -> None:
        if self._checkpoint is None:
            remove(self._folder)

    def shards(self, rows: "NumberRows", name: str) -> "Shards":
        """The rows as shards: those that the run has written, or new ones.

        Raises:
            InputError: those there are of other files or columns.
        """
        from kerasnn.datasets import open_shards

        folder = self._folder / name
        if self._checkpoint is None:
            return rows.write(folder, {})
        if self._begun and not folder.exists():
            raise InputError(
                f"{folder}: is not there; the run that goes on would have its rows in it"
            )
        notes = rows.described()
        if not folder.exists():
            return rows.write(folder, notes)
        shards = open_shards(folder)
        if shards.notes != notes:
            raise InputError(
                f"{folder}: holds other rows: {_difference(shards.notes, notes)}; with"
                " another folder for checkpoint= the training begins anew"
            )
        return shards


def _on_disk(given: dict[str, Any], place: _Place) -> dict[str, Any]:
    """The arguments of a call that become others: rows on disk in place of paths."""
    from kerasnn.datasets import ShuffledShards

    model, columns = given["model"], None
    rows = {}  # all of them are looked at before any is written
    if _is_path(given.get("x")):
        names = [given.pop(name, None) for name in ("y", "sample_weight")]
        rows["training"] = _number_rows(model, given["x"], *names)
        columns = rows["training"].inputs[0].columns
    held_out = _held_out(given)
    if _is_path(*held_out[:1]):
        rows["validation"] = _number_rows(model, *held_out, columns=columns)
    seeds = {"training": given.get("seed") or 0, "validation": 0}
    arguments = {"training": "x", "validation": "validation_data"}
    return {
        arguments[name]: ShuffledShards(place.shards(some, name), seed=seeds[name])
        for name, some in rows.items()
    }


def _number_rows(
    model: keras.Model,
    path: str | Path,
    target: Any = None,
    weight: Any = None,
    *,
    columns: Sequence[str] | None = None,
) -> "NumberRows":
    """What of a table a model takes.

    Args:
        model: of one input, which gets a matrix, or of several, which get columns.
        path: of the table.
        target: name of its column.
        weight: name of its column.
        columns: of the matrix; None: all others, in the order of the file.
    """
    from kerasnn import datasets

    for argument, name in {"y": target, "sample_weight": weight}.items():
        if not isinstance(name, str | None):
            raise InputError(
                f"{argument} must be the name of a column where x is a path; got"
                f" {type(name).__name__}"
            )
    files = datasets.table_files(path)
    present = datasets.column_names(files)
    taken = [name for name in (target, weight) if name is not None]
    datasets.check_columns(taken, present, files[0])
    inputs = [
        datasets.InputArray(name, (name,), dtype, flat)
        for name, dtype, flat in named_inputs(model)
    ]
    if not inputs:
        if columns is None:
            columns = [name for name in present if name not in taken]
        name, dtype, flat = matrix_input(model, columns, str(files[0]))
        inputs = [datasets.InputArray(name, tuple(columns), dtype, flat)]
    wanted = [name for array in inputs for name in array.columns]
    datasets.check_columns(wanted, present, files[0])
    return datasets.NumberRows(tuple(files), tuple(inputs), target, weight)


def _check_possible(given: Mapping[str, Any]) -> None:
    """What a path cannot be given together with.

    Raises:
        InputError: the model or another argument is such.
    """
    model = given["model"]
    if not isinstance(model, keras.Model):
        raise InputError(
            "a tf.Module network takes arrays; its Keras twin (kerasnn.models) takes the"
            " path of a table"
        )
    workers = workers_of(model)
    if workers.n_workers > 1:
        raise InputError(
            "several workers each read shards of their own: write them once with"
            " kerasnn.datasets.write_shards and give ShuffledShards in place of a path"
        )
    if not _is_path(given.get("x")):
        return
    if given.get("class_weight") is not None:
        raise InputError(
            "class_weight is for rows in memory; with a path give sample_weight=, the name"
            " of a column"
        )
    if given.get("validation_split"):
        raise InputError(
            "validation_split is for rows in memory; with a path give validation_data="
            "(path, name of the target)"
        )


def _run(given: Mapping[str, Any]) -> RunCheckpoints | None:
    """The run that a fit begins or goes on with; None without checkpoints.

    Raises:
        InputError: it may not begin.
    """
    if given.get("checkpoint") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit looks once more, and tells
        return RunCheckpoints(given["checkpoint"], resume=given.get("resume", False))


def _seed(given: Mapping[str, Any], run: RunCheckpoints | None) -> int | None:
    """The seed of a fit: that of its run, one that is given, or drawn."""
    seed = given.get("seed")
    if run is not None:
        seed = run.setting("seed", seed)
    if seed is None and _is_path(given.get("x")):
        seed = int(np.random.randint(2**31))  # noqa: NPY002 - as Keras seeds it
    return seed


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words, what is another in the notes of shards."""
    old, new = before.get("files", {}), now["files"]
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            return f"{name} is gone"
        if old.get(name) != new[name]:
            return f"{name} {'has changed' if name in old else 'is new'}"
    for key in ("target", "weight"):
        if before[key] != now[key]:
            return f"the {key} was {before[key]!r} and is {now[key]!r}"
    return "the columns for the model were others"


def _held_out(given: Mapping[str, Any]) -> tuple[Any, ...]:
    data = given.get("validation_data")
    return data if isinstance(data, tuple) else (data,)


def _is_path(thing: Any) -> bool:
    return isinstance(thing, str | Path)
