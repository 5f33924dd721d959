"""A path in place of arrays trains as shards written by hand, and leaves nothing behind."""

import itertools
import os
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import kerasnn
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.datasets import NumberRows, ShuffledShards, open_shards, write_shards
from kerasnn.errors import InputError
from kerasnn.models import SigmoidNetwork
from kerasnn.system import partial_folders
from kerasnn.training.distribution.workers import SingleProcess
from kerasnn.training.paths import table_source

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(RNG.normal(size=(300, 3)).round(3), columns=["a", "b", "c"])
TABLE["flag"] = TABLE["a"] > 0
TABLE["price"] = TABLE.sum(axis=1).round(3)
TABLE["kind"] = (TABLE["price"] > 0).astype(int)
TABLE["w"] = np.linspace(0.5, 1.5, len(TABLE)).round(3)
X = TABLE[["a", "b", "c", "flag"]].to_numpy(np.float32)
Y = TABLE["price"].to_numpy(np.float32)
FIT = {"epochs": 2, "batch_size": 16, "verbose": 0}


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files; no rows are left in it after a test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.glob("kerasnn*")) == []


def written(
    path, table=TABLE, columns=("a", "b", "c", "flag", "price"), parts=(0, 120, 300)
):
    """A folder of CSV or Parquet files, depending on its suffix."""
    path.mkdir()
    for i, (start, stop) in enumerate(itertools.pairwise(parts)):
        part = table[list(columns)][start:stop]
        if path.name.endswith("csv"):
            part.to_csv(path / f"{i}.csv", index=False)
        else:
            pytest.importorskip("pyarrow", reason="an extra")
            part.to_parquet(path / f"{i}.parquet")
    return path


@pytest.fixture
def rows(tmp_path):
    return written(tmp_path / "rows-csv")


def model(inputs=4, loss="mse"):
    keras.utils.set_random_seed(7)
    made = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(2, "relu")])
    made.add(keras.layers.Dense(1))
    made.compile(keras.optimizers.Adam(0.01), loss)
    return made


def weights(of):
    return [variable.numpy().tolist() for variable in of.variables]


def error_of(function, *args, **kwargs):
    with pytest.raises(InputError) as raised:
        function(*args, **kwargs)
    return str(raised.value)


@pytest.mark.slow_cases
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_path_trains_as_shards_written_by_hand(tmp_path, kind):
    path = written(tmp_path / f"rows-{kind}", columns=("a", "b", "w", "c", "flag", "price"))
    block = {"x": X, "y": Y, "sample_weight": TABLE["w"].to_numpy(np.float32)}
    shards = ShuffledShards(write_shards([block], tmp_path / "shards"), seed=5)
    by_hand, of_path = model(), model()
    expected = kerasnn.fit(by_hand, shards, seed=5, validation_data=shards, **FIT)
    got = kerasnn.fit(
        of_path,
        str(path),
        "price",
        sample_weight="w",
        validation_data=(path, "price", "w"),
        seed=5,
        **FIT,
    )
    assert got.history == expected.history
    assert weights(of_path) == weights(by_hand)


def test_without_a_seed_keras_seed_decides(rows):
    fitted = [model() for _ in range(2)]
    for one in fitted:
        keras.utils.set_random_seed(3)
        kerasnn.fit(one, rows, "price", **FIT)
    assert weights(fitted[0]) == weights(fitted[1])


def test_evaluate_and_predict_take_paths(rows, tmp_path):
    fitted = model()
    got = kerasnn.evaluate(fitted, rows, "price", verbose=0)
    assert got == pytest.approx(kerasnn.evaluate(fitted, X, Y, verbose=0), rel=1e-6)
    TABLE[["a", "b", "c", "flag"]].to_csv(tmp_path / "new.csv.gz", index=False)
    np.testing.assert_allclose(
        kerasnn.predict(fitted, tmp_path / "new.csv.gz", verbose=0),
        kerasnn.predict(fitted, X, verbose=0),
        atol=1e-6,
    )


@pytest.mark.slow
def test_validation_columns_are_put_into_the_order_of_training(rows, tmp_path):
    other = written(tmp_path / "other-csv", columns=("price", "c", "b", "flag", "a"))
    histories = [
        kerasnn.fit(
            model(), rows, "price", seed=1, validation_data=(path, "price"), **FIT
        ).history
        for path in (rows, other)
    ]
    assert histories[0] == histories[1]
    in_memory = kerasnn.fit(model(), X, Y, validation_data=(rows, "price"), **FIT)
    assert len(in_memory.history["val_loss"]) == 2


@pytest.mark.parametrize("as_dict", [False, True], ids=["list", "dict"])
def test_named_inputs_get_the_columns_of_their_names(rows, as_dict):
    flag = keras.Input((), name="flag", dtype="int32")
    a = keras.Input((1,), name="a")
    joined = keras.layers.Concatenate()([a, keras.layers.Embedding(2, 2)(flag)])
    inputs = {"flag": flag, "a": a} if as_dict else [flag, a]
    made = keras.Model(inputs, keras.layers.Dense(1)(joined))
    made.compile("sgd", "mse")
    kerasnn.fit(made, rows, "price", **FIT)
    given = {"flag": TABLE["flag"].to_numpy(np.int32), "a": X[:, :1]}
    np.testing.assert_allclose(
        kerasnn.predict(made, rows, verbose=0), made.predict(given, verbose=0), atol=1e-6
    )


def test_methods_take_paths_and_a_model_may_not_know_its_inputs(rows):
    made = kerasnn.Sequential([keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    assert len(made.fit(rows, "price", **FIT).history["loss"]) == 2


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["1", "0", "-3"], "int64"),
        (["True", "false", "TRUE"], "int64"),
        (["1", "2", "2.5"], "float32"),
        (["1e3", "2", "3"], "float32"),
    ],
    ids=["whole", "booleans", "parts", "exponent"],
)
@pytest.mark.parametrize("rows_at_once", [2, 100])
def test_a_target_of_integers_stays_integer(
    tmp_path, cells, dtype, rows_at_once, monkeypatch
):
    monkeypatch.setattr("kerasnn.datasets.shards.number_rows._BLOCK", rows_at_once)
    lines = [f"{i},{cell}" for i, cell in enumerate(cells)]
    (tmp_path / "t.csv").write_text("\n".join(["x,t", *lines]))
    rows = table_source._number_rows(model(1), tmp_path / "t.csv", "t")
    shard = rows.write(tmp_path / "shards", {}).shard(0)
    assert shard["y"].dtype == dtype
    expected = [{"true": 1, "false": 0}.get(c.casefold(), c) for c in cells]
    assert shard["y"].tolist() == [float(cell) for cell in expected]
    assert shard["x"].tolist() == [[0], [1], [2]]


def test_parquet_files_may_differ_in_the_number_type_of_the_target(tmp_path):
    pytest.importorskip("pyarrow", reason="an extra")
    (tmp_path / "rows").mkdir()
    for i, values in enumerate(([1, 2], [0.5, 1.5])):
        part = pd.DataFrame({"x": [1, 2], "t": values})
        part.to_parquet(tmp_path / "rows" / f"{i}.parquet")
    rows = table_source._number_rows(model(1), tmp_path / "rows", "t")
    shard = rows.write(tmp_path / "shards", {}).shard(0)
    assert shard["y"].tolist() == [1, 2, 0.5, 1.5]


INPUTS = "`kerasnn train` prepares any table, or fill, encode or leave out the column"
TARGETS = "`kerasnn train` prepares any target, or give classes as whole numbers"


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("a", "Paris", f"'Paris'; {INPUTS}"),
        ("a", "007", f"'007'; {INPUTS}"),
        ("a", "2020-01-31", f"'2020-01-31'; {INPUTS}"),
        ("a", "NA", f"missing; {INPUTS}"),
        ("a", "1e300", f"1e+300, which float32 cannot hold; {INPUTS}"),
        ("a", "inf", f"'inf'; {INPUTS}"),
        ("price", "high", f"'high'; {TARGETS}"),
        ("price", "?", f"missing; {TARGETS}"),
    ],
    ids=["text", "code", "date", "missing", "large", "infinite", "class", "no target"],
)
def test_cells_that_are_not_numbers_raise(rows, column, cell, message):
    table = TABLE[["a", "b", "c", "flag", "price"]].astype(object)[120:]
    table.iloc[7, table.columns.get_loc(column)] = cell
    table.to_csv(rows / "1.csv", index=False)
    assert error_of(kerasnn.fit, model(), rows, "price", **FIT) == (
        f"{rows / '1.csv'}: column {column!r} must hold numbers; row 7 is {message}"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["u", "v"], "'u'"),
        (pd.to_datetime(["2020-01-31", "2020-02-01"]), "'2020-01-31 00:00:00'"),
        ([1.0, None], "missing"),
        (pd.Series([True, None], dtype="boolean"), "missing"),
        (pd.Series(["u", "v"], dtype="category"), "'u'"),
    ],
    ids=["text", "dates", "missing", "boolean", "category"],
)
def test_parquet_columns_that_are_not_numbers_raise(tmp_path, values, message):
    pytest.importorskip("pyarrow", reason="an extra")
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"a": [1, 2], "b": values, "t": [0, 1]}).to_parquet(path)
    row = 1 if message == "missing" else 0
    assert error_of(kerasnn.fit, model(2), path, "t", **FIT) == (
        f"{path}: column 'b' must hold numbers; row {row} is {message}; {INPUTS}"
    )


def test_numbers_of_all_types_of_parquet_are_read(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="an extra")
    types = [arrow.int8(), arrow.uint64(), arrow.float32(), arrow.decimal128(21, 2)]
    columns = {str(t): arrow.array([1, 2]).cast(t) for t in types}
    columns["Int64"] = pd.Series([1, 2], dtype="Int64")
    columns["flag"] = [True, False]
    arrow.parquet.write_table(arrow.table(columns), tmp_path / "rows.parquet")
    rows = table_source._number_rows(model(6), tmp_path / "rows.parquet")
    shard = rows.write(tmp_path / "shards", {}).shard(0)
    assert shard["x"].tolist() == [[1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 0]]


def test_files_without_rows_raise(tmp_path):
    path = tmp_path / "rows.parquet"
    pytest.importorskip("pyarrow", reason="an extra")
    pd.DataFrame({"a": [1.0], "t": [1]})[:0].to_parquet(path)
    assert error_of(kerasnn.fit, model(1), path, "t") == f"{path}: there are no rows"


def test_columns_that_do_not_fit_the_inputs_raise(rows):
    first = rows / "0.csv"
    assert error_of(kerasnn.fit, model(), rows, "prise") == (
        f"{first}: the table has no column 'prise' (did you mean 'price'?); it has a, b, c,"
        " flag, price"
    )
    assert error_of(kerasnn.predict, model(), rows) == (
        f"{first}: has 5 columns for the model, a, b, c, flag, price; it takes [rows, 4]."
        " y= and sample_weight= name the columns that are not inputs; a model with several"
        " inputs takes columns by name"
    )
    one, wide = keras.Input((1,), name="a"), keras.Input((3,), name="b")
    made = keras.Model([one, wide], keras.layers.Concatenate()([one, wide]))
    assert error_of(kerasnn.predict, made, rows) == (
        "the model's input 'b' is [rows, 3]; a column of a table is [rows, 1] or [rows]"
    )
    other = keras.Input((1,), name="y")
    made = keras.Model([one, other], keras.layers.Concatenate()([one, other]))
    assert error_of(kerasnn.predict, made, rows) == (
        "the model has an input 'y', which is the name of the target or weight in rows on"
        " disk; it needs another name"
    )
    made = keras.Model({"a": one}, keras.layers.Dense(1)(one))
    assert error_of(kerasnn.predict, made, rows) == (
        "the model takes a dict of one input, 'a'; for a table make it with the input"
        " itself: keras.Model(input, output)"
    )
    text = keras.Input((1,), name="b", dtype="string")
    made = keras.Model([one, text], [one, text])
    assert error_of(kerasnn.predict, made, rows) == (
        "the model's input 'b' takes text; rows of a path are numbers. `kerasnn train`"
        " prepares any table"
    )


def test_arguments_that_need_rows_in_memory_raise_beside_a_path(rows, monkeypatch):
    assert error_of(kerasnn.fit, model(), rows, Y) == (
        "y must be the name of a column where x is a path; got ndarray"
    )
    assert error_of(kerasnn.fit, model(), rows, "price", validation_split=0.2) == (
        "validation_split is for rows in memory; with a path give validation_data=(path,"
        " name of the target)"
    )
    assert error_of(kerasnn.fit, model(), rows, "price", class_weight={0: 2.0}) == (
        "class_weight is for rows in memory; with a path give sample_weight=, the name of a"
        " column"
    )
    with pytest.raises(ValueError, match=r"^You must call `compile\(\)` before using"):
        kerasnn.fit(keras.Sequential([keras.layers.Dense(1)]), rows, "price")
    assert error_of(kerasnn.fit, SigmoidNetwork(), rows, "price") == (
        "a tf.Module network takes arrays; its Keras twin (kerasnn.models) takes the path"
        " of a table"
    )

    class Several(SingleProcess):
        n_workers = 2

    monkeypatch.setattr(table_source, "workers_of", lambda model: Several())
    assert error_of(kerasnn.fit, model(), rows, "price") == (
        "several workers each read their own shards: write them once with"
        " kerasnn.datasets.write_shards and give ShuffledShards in place of a path"
    )


def test_the_temporary_folder_is_removed_however_the_call_ends(rows, temporary):
    seen = []

    class Looking(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.extend(path.name for path in temporary.iterdir())
            raise KeyboardInterrupt

    gone = partial_folders.name_prefix(2**22 + 1, kind="kerasnn-rows")
    (temporary / f"{gone}of-a-killed-fit").mkdir()
    with pytest.raises(KeyboardInterrupt):
        kerasnn.fit(model(), rows, "price", callbacks=[Looking()], **FIT)
    assert len(seen) == 1
    assert seen[0].startswith(partial_folders.name_prefix(os.getpid(), kind="kerasnn-rows"))
    assert list(temporary.glob("kerasnn*")) == []


@pytest.mark.slow
def test_a_resumed_fit_of_a_path_ends_as_an_uninterrupted_one(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("kerasnn.training.feeds.shard_feed.MAX_STEPS", 4)
    whole = model()
    fit = {**FIT, "seed": 5, "validation_data": (rows, "price")}
    history = kerasnn.fit(whole, rows, "price", **fit).history
    folder = tmp_path / "run"
    kept = CheckpointFolder(folder, keep=1000)
    monkeypatch.setattr(
        "kerasnn.training.checkpoints.run_checkpoints.CheckpointFolder", lambda folder: kept
    )
    kerasnn.fit(model(), rows, "price", checkpoint=folder, checkpoint_every=0, **fit)
    numbers = kept.numbers()
    within = [n for n in numbers if kept.load(n).description["position"][1]]
    monkeypatch.setattr(NumberRows, "write", None)  # the rows exist
    del fit["seed"]  # the run knows it
    for number in (within[-1], within[0]):
        for later in [n for n in kept.numbers() if n > number]:
            kept.path(later).unlink()
        resumed = model()
        again = kerasnn.fit(
            resumed, rows, "price", checkpoint=folder, resume=True, **fit
        ).history
        assert again == history
        assert weights(resumed) == weights(whole)
    assert sorted(p.name for p in (folder / "rows").iterdir()) == ["training", "validation"]


def test_a_run_does_not_resume_with_rows_of_another_table(rows, tmp_path):
    folder = tmp_path / "run"
    kerasnn.fit(model(), rows, "price", checkpoint=folder, **FIT)
    stored = folder / "rows" / "training"

    def message(target="price"):
        return error_of(
            kerasnn.fit, model(), rows, target, checkpoint=folder, resume=True, **FIT
        )

    def other(change):
        return (
            f"{stored}: holds other rows: {change}; another folder for checkpoint= starts a"
            " new training"
        )

    assert message("c") == other("the target was 'price' and is 'c'")
    content = (rows / "1.csv").read_text()
    (rows / "1.csv").write_text(content.replace("1", "2", 1))
    assert message() == other("1.csv has changed")
    (rows / "1.csv").write_text(content)
    (rows / "2.csv").write_text(content)
    assert message() == other("2.csv is new")
    (rows / "2.csv").unlink()
    (rows / "1.csv").unlink()
    assert message() == other("1.csv is gone")
    (rows / "1.csv").write_text(content)
    shards = open_shards(stored)
    stored.rename(folder / "rows" / "elsewhere")
    assert message() == (f"{stored}: does not exist; the resumed run stored its rows there")
    (folder / "rows" / "elsewhere").rename(stored)
    assert open_shards(stored) == shards
    kerasnn.fit(model(), rows, "price", checkpoint=folder, resume=True, **FIT)
    assert error_of(kerasnn.fit, model(), rows, "price", checkpoint=folder, **FIT) == (
        f"{folder}: holds {newest(folder).name}; resume=True resumes from it, another"
        " folder starts again"
    )


def newest(folder) -> Path:
    checkpoints = CheckpointFolder(folder)
    return checkpoints.path(checkpoints.numbers()[-1])


def test_a_temporary_folder_that_cannot_be_written_raises(rows, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    assert error_of(kerasnn.fit, model(), rows, "price", **FIT) == (
        f"{tmp_path / 'file'}: cannot be written: Not a directory; the environment variable"
        " TMPDIR names another folder"
    )
