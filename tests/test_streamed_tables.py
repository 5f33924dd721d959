"""Tables that are read from disk in training: the same rows, schema, bits and errors."""

import dataclasses
import itertools
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from kerasnn import tables
from kerasnn.datasets import (
    ColumnHints,
    ReadOptions,
    ShuffledShards,
    as_table,
    infer_schema,
    open_shards,
    write_shards,
)
from kerasnn.datasets.files import table_files
from kerasnn.ensembles.chunk_sources import DiskChunks
from kerasnn.ensembles.groups import MemberGroups
from kerasnn.ensembles.members.learner_cache import learner_cache
from kerasnn.ensembles.task import DiskTask
from kerasnn.ensembles.train import RunOptions, Training, train_on_disk
from kerasnn.errors import InputError
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving import load
from kerasnn.tables import files, streamed
from kerasnn.training.distribution.workers import ALONE
from tests.deaths import Killed
from tests.test_saver import same

N = 3000
SETTINGS = {"members": 2, "epochs": 2, "hidden_units": (16,), "batch_size": 64}


def made(n=N, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({f"f{i}": rng.normal(size=n) for i in range(3)})
    table["holes"] = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    table["city"] = rng.choice([f"c{i}" for i in range(40)], n)
    table["kind"] = rng.choice(["a", "b", None], n)
    table["flag"] = rng.choice(["yes", "no"], n)
    table["day"] = np.datetime64("2020-01-01") + rng.integers(0, 900, n)
    table["day"] = table["day"].astype(str)
    table["position"] = np.arange(n) + 17
    score = table["f0"] * table["f1"] + (table["kind"] == "a") + rng.normal(size=n) * 0.3
    table["label"] = np.where(score > 0.3, "up", "down")
    table["price"] = score * 10 + 100
    return table


@pytest.fixture(scope="module")
def table():
    return made()


@pytest.fixture(scope="module", params=["csv", "parquet"])
def path(request, table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    if request.param == "csv":
        table.to_csv(folder / "rows.csv", index=False)
        return folder / "rows.csv"
    for i, start in enumerate(range(0, N, 1000)):
        part = table.iloc[start : start + 1000]
        part.to_parquet(folder / f"part-{i}.parquet")
    return folder


@pytest.fixture(scope="module")
def file(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "rows.parquet"
    table.to_parquet(path)
    return path


@pytest.fixture
def small(monkeypatch):
    """A table of some thousand rows is one that is larger than memory."""
    monkeypatch.setattr(table_files, "MAX_CHUNK_ROWS", 700)
    monkeypatch.setattr(streamed, "MAX_TEST_ROWS", 300)
    monkeypatch.setattr(streamed, "MAX_HELD_OUT_ROWS", 200)
    monkeypatch.setattr(streamed, "MAX_SAMPLE_ROWS", 800)
    monkeypatch.setattr(streamed, "SHARD_ROWS", 256)


def read(path, target="label", seed=0, strict=False, **hints):
    other = {"label": "price", "price": "label"}[target]
    hints = ColumnHints(ignore=[other], **hints)
    reading = ReadOptions(strict=strict)
    return tables.stream_rows(path, target=target, hints=hints, seed=seed, reading=reading)


def fit(rows, **settings):
    return tables.fit(rows, tables.estimator_for(rows.target)(**settings))


def unseen(rows):
    """The ascending numbers of the test rows and the held-out rows."""
    return np.sort(np.concatenate([rows.test.index, rows.held_out.index]))


def shards_of(rows, folder):
    on_disk = rows.on_disk(folder)
    return on_disk.write(
        Preprocessor.fit(
            streamed.checked_table(rows.sample, rows.schema),
            rows.schema,
            counts=rows.counts,
        )
    )


# ------------------------------------------------------------------ schema and counts


def test_a_table_that_is_all_in_the_sample_has_the_schema_that_it_has_in_memory(path):
    found = read(path).schema
    expected = infer_schema(
        as_table(path), target="label", hints=ColumnHints(ignore=["price"])
    )
    assert found.left_out[0].reason.startswith("row numbers")
    assert found.names == tuple(n for n in expected.names if n != "position")
    assert found.columns == tuple(c for c in expected.columns if c.name != "position")
    assert found.target == expected.target


def test_counts_and_ranges_are_those_of_all_rows(path, small, table, tmp_path):
    rows = read(path)
    assert len(rows.sample) == 800
    expected = infer_schema(
        as_table(path), target="label", hints=ColumnHints(ignore=["price", "position"])
    )
    learned = table.drop(index=unseen(rows))
    for column in expected.columns:
        found = rows.schema.column(column.name)
        assert (found.missing, found.levels, found.counts) == (
            column.missing,
            column.levels,
            column.counts,
        )
        assert rows.counts[column.name].missing == learned[column.name].isna().sum()
    assert rows.schema.target.counts == expected.target.counts
    assert rows.counts["city"].texts == learned["city"].value_counts().to_dict()
    shards = shards_of(rows, tmp_path / "rows")
    for name in ("f0", "holes"):
        ends = [learned[name].min(), learned[name].max()]
        assert shards.notes["ranges"][name] == pytest.approx(ends, rel=1e-12)
    assert shards.notes["ranges"]["day"] == [
        f"{learned['day'].min()}T00:00:00",
        f"{learned['day'].max()}T00:00:00",
    ]


def test_a_class_that_was_not_drawn_is_known(small, tmp_path):
    table = made()
    table.loc[[5, 2900], "label"] = "rare"
    table.to_parquet(tmp_path / "rows.parquet")
    seed = next(s for s in range(99) if "rare" not in set(drawn(tmp_path, s)))
    rows = read(tmp_path / "rows.parquet", seed=seed)
    assert rows.target.classes == ("down", "rare", "up")
    assert rows.target.counts[1] == 2


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    "convert",
    [
        lambda label: label == "up",
        lambda label: (label == "up").astype("int64"),
        lambda label: (label == "up").astype("float32"),
        lambda label: label.astype("category"),
        lambda label: pd.Series(np.where(label == "up", 2**53 - 1, -3)),
        lambda label: pd.Series(np.arange(len(label)) > len(label) - 3),
    ],
    ids=["bool", "int64", "float32", "category", "large", "rare bool"],
)
def test_a_target_of_any_type_is_what_it_is_in_memory(small, convert, tmp_path):
    table = made()
    table["label"] = convert(table["label"])
    table.to_parquet(tmp_path / "rows.parquet")
    rows = read(tmp_path / "rows.parquet")
    in_memory = tables.read_rows(tmp_path / "rows.parquet", target="label").target
    found = dataclasses.replace(rows.target, reason=in_memory.reason)
    assert found == in_memory
    shards = shards_of(rows, tmp_path / "rows")
    parts = [shards.shard(i)["y"] for i in range(len(shards.sizes))]
    assert {*np.unique(np.concatenate(parts))} == {0, 1}


def drawn(folder, seed):
    rows = read(folder / "rows.parquet", seed=seed)
    return [*rows.sample["label"], *rows.test["label"], *rows.held_out["label"]]


def test_what_was_found_in_a_sample_says_so(small, tmp_path):
    table = made()
    table["always"] = 1
    table.to_parquet(tmp_path / "rows.parquet")
    rows = read(tmp_path / "rows.parquet")
    seen = [*unseen(rows), *rows.sample.index]
    table.loc[table.index.difference(seen)[0], "always"] = 2
    table["customer_id"] = np.random.default_rng(0).permutation(len(table))
    table.to_parquet(tmp_path / "rows.parquet")
    left_out = {c.name: c.reason for c in read(tmp_path / "rows.parquet").schema.left_out}
    seen = "in 1,300 rows drawn from 3,000: "
    assert left_out["always"] == seen + "constant: always 1"
    assert left_out["customer_id"].startswith(seen + "an id by its name")
    assert left_out["price"] == "as asked"


def test_numbers_in_text_that_are_categories_have_the_texts_of_numbers(small, tmp_path):
    table = made()
    table["grade"] = np.random.default_rng(1).choice(["1.50", "2.0", "3"], N)
    table.to_csv(tmp_path / "rows.csv", index=False)
    rows = read(tmp_path / "rows.csv", categorical=["grade"])
    assert set(rows.schema.column("grade").levels) == {"1.5", "2", "3"}
    shards = shards_of(rows, tmp_path / "rows")
    assert len(shards) == rows.n_trained  # every row could be read


# ------------------------------------------------------------------ rows on disk


def test_every_row_is_of_the_test_or_held_out_or_learned_from(path, small, tmp_path):
    rows = read(path, target="price")
    assert (rows.n_tested, len(rows.held_out), rows.n_trained) == (300, 200, 2500)
    shards = shards_of(rows, tmp_path / "rows")
    on_disk = np.concatenate([shards.shard(i)["y"] for i in range(len(shards.sizes))])
    prices = as_table(path)["price"]
    kept = prices[unseen(rows)]
    assert len(set(unseen(rows))) == 500
    np.testing.assert_array_equal(on_disk, prices.drop(index=unseen(rows)))
    np.testing.assert_array_equal(
        np.sort(kept), np.sort([*rows.test["price"], *rows.held_out["price"]])
    )
    moments = shards.notes["moments"]
    assert moments["mean"] == pytest.approx(on_disk.mean(), rel=1e-12)
    assert moments["deviation"] == pytest.approx(on_disk.std(), rel=1e-12)


def test_the_same_rows_are_used_again_and_others_refused(file, small, tmp_path):
    folder = tmp_path / "rows"
    shards_of(read(file), folder)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    shards_of(read(file), folder)
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    with pytest.raises(InputError) as raised:
        shards_of(read(file, seed=1), folder)
    assert str(raised.value).startswith(
        f"{folder}: holds rows of another table or of other settings (preprocessing,"
    )


# ------------------------------------------------------------------ the loop


@pytest.fixture
def groups(tmp_path):
    rng = np.random.default_rng(0)
    n = 1150
    block = {
        "x": rng.normal(size=(n, 3)).astype(np.float32),
        "codes": rng.integers(0, 3, (n, 1)).astype(np.int32),
        "y": np.arange(n, dtype=np.int32),
    }
    shards = write_shards([block], tmp_path / "shards", rows_per_shard=100)
    source = ShuffledShards(shards, seed=3)
    return MemberGroups(source, [5, 6], 32, lambda data: (*data[0].values(), data[1]))


def batches(groups, epoch, done=0):
    """[steps][members]: targets and weights of each batch."""
    found = []
    for call in groups.chunks(epoch, done=done):
        _, _, y, weights = call.rows
        for slots in call.blocks[0][0, : call.stop].numpy():
            members = slots.reshape(2, -1)
            found.append([(y.numpy()[m], weights.numpy()[m]) for m in members])
    return found


def test_every_member_meets_every_row_once_an_epoch(groups):
    orders = []
    for epoch in range(2):
        found = batches(groups, epoch)
        assert len(found) == groups.steps(epoch)
        for member in range(2):
            rows = [y[w > 0] for y, w in (batch[member] for batch in found)]
            orders.append(np.concatenate(rows))
            assert sorted(orders[-1]) == list(range(1150))
            assert {len(r) for r in rows} <= {24, 25, 26, 29, 30, 31, 32}
    assert all((a != b).any() for a, b in itertools.combinations(orders, 2))


@pytest.mark.parametrize("done", [0, 1, 12, 13, 14, 30, 36, 37])
def test_an_epoch_that_goes_on_has_the_same_batches(groups, done):
    whole = batches(groups, 1)
    rest = batches(groups, 1, done)
    assert len(rest) == max(len(whole) - done, 0)
    np.testing.assert_array_equal(np.array(rest), np.array(whole[done:]))


@pytest.mark.slow
def test_the_training_is_its_steps_taken_one_by_one(file, small, monkeypatch):
    tasks = []

    def spy(task, options):
        tasks.append(task)
        return train_on_disk(task, options)

    monkeypatch.setattr("kerasnn.estimators.base.train_on_disk", spy)
    fitted = fit(read(file), **SETTINGS, dropout=0.1)
    trained = fitted.estimator
    (task,) = tasks
    # The shards are gone; their rows are prepared anew, and taken in plain Python.
    task = rewritten(task, read(file), trained.preprocessor_)
    validation, feed = task.validation, task.feed()
    recipe = validation.recipe
    with learner_cache().borrow(validation, recipe.members) as learner:
        source = DiskChunks(task, ALONE)
        Training(source, RunOptions(driver="eager")).prepare(learner)
        for epoch in range(recipe.epochs):
            for call in feed.chunks(epoch):
                for slots in call.blocks[0][0, : call.stop]:
                    learner.train_step([tf.gather(t, slots) for t in call.rows])
        for mine, theirs in zip(
            [v.numpy() for v in learner.network.learned], trained._kept_weights, strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    assert trained.best_epoch_ == trained.n_epochs_ == 2


def rewritten(task: DiskTask, rows, preprocessor):
    with streamed.rows_folder(None) as folder:
        shards = rows.on_disk(folder).write(preprocessor)
        read_back = [shards.shard(i) for i in range(len(shards.sizes))]
        held = [{k: np.array(v) for k, v in shard.items()} for shard in read_back]
    kept = dataclasses.replace(task.rows, shards=_InMemory(shards, held))
    return dataclasses.replace(task, rows=kept)


class _InMemory:
    def __init__(self, shards, held):
        self.sizes, self.arrays, self._held = shards.sizes, shards.arrays, held

    def shard(self, number):
        return self._held[number]


# ------------------------------------------------------------------ from file to network


@pytest.mark.slow_cases
@pytest.mark.parametrize("target", ["label", "price"])
def test_the_blocks_in_which_it_is_read_do_not_matter(file, small, target, monkeypatch):
    one = fit(read(file, target), **SETTINGS)
    monkeypatch.setattr(table_files, "MAX_CHUNK_ROWS", 131)
    other = fit(read(file, target), **SETTINGS)
    assert same(one.estimator._kept_weights, other.estimator._kept_weights)
    assert one.estimator.history_ == other.estimator.history_


@pytest.mark.slow
@pytest.mark.parametrize("target", ["label", "price"])
def test_it_learns_measures_and_is_saved(small, target, tmp_path):
    made(6000).to_parquet(tmp_path / "rows.parquet")
    rows = read(tmp_path / "rows.parquet", target)
    fitted = fit(rows, members=2, epochs=12, hidden_units=(32, 32), driver="graph")
    outcome = tables.measure(fitted)
    if target == "label":
        assert outcome.metrics["auc"] > 0.85
    else:
        assert outcome.metrics["r2"] > 0.7
    version = tables.save(outcome, tmp_path / "net")
    saved = load(version)
    answers = saved.predict(rows.test)
    served = answers["probabilities" if target == "label" else "value"]
    estimator = outcome.fitted.estimator
    inside = estimator.predict_prepared(*estimator.prepare(rows.test))
    np.testing.assert_allclose(served, inside, rtol=1e-4, atol=1e-5)
    assert saved.manifest["data"]["train_rows"] == rows.n_trained
    assert "learned from 5,500 rows" in (
        (version / "assets.extra" / "report.html").read_text().replace("\n", " ")
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["label", "price"])
def test_from_every_checkpoint_it_ends_at_the_same_bits(
    small, target, die_after, tmp_path, monkeypatch
):
    monkeypatch.setattr("kerasnn.ensembles.groups.ROWS_PER_CHUNK", 1000)
    made().to_parquet(tmp_path / "rows.parquet")
    rows = read(tmp_path / "rows.parquet", target)
    whole = fit(rows, **SETTINGS).estimator
    middle = 0
    for deaths in (1, 2, 4, 7, 11, 16):
        folder = tmp_path / str(deaths)
        die_after(deaths)
        with pytest.raises(Killed):
            fit(rows, **SETTINGS, checkpoint=folder, checkpoint_every=1e-9)
        die_after(-1)
        middle += json_of_newest(folder)[3] > 0
        again = fit(rows, **SETTINGS, checkpoint=folder, resume=True).estimator
        assert same(again._kept_weights, whole._kept_weights)
        assert again.history_ == whole.history_
        assert again.best_epoch_ == whole.best_epoch_
    assert middle >= 4  # they died in the middle of an epoch


def json_of_newest(folder):
    from kerasnn.checkpoints import CheckpointFolder

    return CheckpointFolder(folder).newest().description["position"]


@pytest.mark.slow
def test_its_time_may_be_up_in_the_middle_of_an_epoch(file, small, monkeypatch):
    monkeypatch.setattr("kerasnn.ensembles.groups.ROWS_PER_CHUNK", 1000)
    fitted = fit(read(file), **{**SETTINGS, "epochs": 500}, time_limit=1e-3)
    assert fitted.estimator.n_epochs_ == fitted.estimator.best_epoch_ == 1
    assert tables.measure(fitted).metrics["log_loss"] < 1


# ------------------------------------------------------------------ what cannot be


def message(path, **wishes):
    with pytest.raises(InputError) as raised:
        fit(read(path, **wishes), **SETTINGS)
    return str(raised.value)


@pytest.mark.slow
def test_a_cell_that_is_no_number_is_named_with_its_place(small, tmp_path):
    table = made()
    table["f0"] = table["f0"].astype(object)
    file = tmp_path / "rows.csv"
    seed, row = 0, 2500
    table.loc[row, "f0"] = "much"
    table.to_csv(file, index=False)
    while row in [*read(file, seed=seed).sample.index, *unseen(read(file, seed=seed))]:
        seed += 1
    assert message(file, seed=seed) == (
        f"{file}: in the rows from 2,100 on, counted from there: column 'f0', row 400:"
        " 'much' is not a number. The column is numeric: its cells are numbers, or empty"
        " where missing"
    )


def test_a_target_that_is_missing_is_told_before_anything_is_trained(small, tmp_path):
    table = made()
    table.loc[[7, 2999], "label"] = None
    table.to_parquet(tmp_path / "rows.parquet")
    assert message(tmp_path / "rows.parquet", strict=True) == (
        "the target 'label' is missing in 2 of 3,000 rows. Fill it in, or leave these rows"
        " out"
    )


def test_rows_without_a_usable_target_are_left_out_and_said(small, tmp_path):
    table = made()
    table.loc[[7, 2999], "label"] = None
    table.loc[1500, "label"] = "one"
    table["f0"] = np.where(table["f0"] > 2.5, np.inf, table["f0"])
    table.to_parquet(tmp_path / "rows.parquet")
    rows = read(tmp_path / "rows.parquet")
    shards = shards_of(rows, tmp_path / "rows")
    assert rows.n_rows == N - 3
    assert len(shards) == rows.n_trained == N - 3 - len(rows.test) - len(rows.held_out)
    assert not {7, 1500, 2999} & {*rows.test.index, *rows.held_out.index}
    codes = {notice.code for notice in rows.notices}
    assert codes == {"missing-target", "one-row-class", "infinite-cells"}


def test_a_row_of_the_sample_is_not_told_as_one_of_the_table(small, tmp_path):
    table = made()
    table["f0"] = np.where(table["f0"] > 1.5, np.inf, table["f0"])
    file = tmp_path / "rows.parquet"
    table.to_parquet(file)
    told = message(file, strict=True)
    start = (
        f"{file}: in the 1,300 rows drawn from it, counted among them: column 'f0', row "
    )
    assert told.startswith(start)
    table.iloc[:1000].to_parquet(file)  # all of them are drawn
    row = int(np.argmax(np.isinf(table["f0"])))
    assert message(file, strict=True).startswith(
        f"column 'f0', row {row}: inf is not finite."
    )


def test_rows_that_were_written_for_another_target_are_not_used(small, tmp_path):
    file = tmp_path / "rows.parquet"
    made().to_parquet(file)
    shards_of(read(file, "label"), tmp_path / "rows")
    other = read(file, "price")
    with pytest.raises(InputError, match=r"of other settings \(target differ\)"):
        shards_of(other, tmp_path / "rows")


@pytest.mark.slow
def test_numbers_among_which_a_text_comes_late_are_texts_everywhere(small, tmp_path):
    table = made()
    table["version"] = np.random.default_rng(1).choice(["1.10", "1.20"], N)
    seed, late = 0, [2998, 2999]
    table.loc[late, "version"] = "beta"
    file = tmp_path / "rows.csv"
    table.to_csv(file, index=False)
    while set(late) & {*unseen(rows := read(file, seed=seed)), *rows.sample.index}:
        seed += 1
    rows = read(file, seed=seed, categorical=["version"])
    assert set(rows.schema.column("version").levels) == {"1.10", "1.20", "beta"}
    shards = shards_of(rows, tmp_path / "rows")
    known = np.concatenate([shards.shard(i)["x"] for i in range(len(shards.sizes))])
    fitted = Preprocessor.from_dict(shards.notes["preprocessing"])
    (place,) = (i for i, n in enumerate(fitted.feature_names) if "version" in n)
    learned = table.drop(index=unseen(rows))["version"]  # two rows of beta are too few
    np.testing.assert_array_equal(known[:, place] != 0, learned != "beta")


@pytest.mark.parametrize("seed", range(4))
def test_a_class_of_one_row_is_refused_whoever_drew_it(small, seed, tmp_path):
    table = made()
    table.loc[7, "label"] = "one"
    table.to_parquet(tmp_path / "rows.parquet")
    assert message(tmp_path / "rows.parquet", seed=seed, strict=True) == (
        "the target 'label' has a class with one row only: 'one'. Each class needs two rows"
        " or more: add some, leave the class out or, where it is a number, say"
        " task='regression'"
    )


def test_folds_are_not_for_a_table_on_disk(file, small):
    with pytest.raises(InputError) as raised:
        fit(read(file), **SETTINGS, folds=2)
    assert str(raised.value) == (
        "folds must be 'auto' for a table that is read from disk: it has one part that no"
        " member learns from; got folds=2"
    )


def test_a_small_table_is_read_into_memory(tmp_path):
    made(50).to_csv(tmp_path / "rows.csv", index=False)
    assert message(tmp_path / "rows.csv") == (
        f"{tmp_path / 'rows.csv'}: has 50 rows; a table that is read from disk needs 100."
        " Read it into memory: stream=False"
    )


def test_a_table_that_changes_meanwhile_is_noticed(small, tmp_path):
    file = tmp_path / "rows.parquet"
    made().to_parquet(file)
    rows = read(file)
    made(2990).to_parquet(file)
    with pytest.raises(InputError) as raised:
        fit(rows, **SETTINGS)
    assert str(raised.value) == (
        f"{file}: had 3,000 rows when it was read first, and 2,990 now; leave it alone"
        " while it is read"
    )


def test_a_run_on_another_table_is_not_gone_on_with(small, tmp_path):
    file = tmp_path / "rows.parquet"
    made().to_parquet(file)
    saving = {"checkpoint": tmp_path / "saves", "checkpoint_every": 1e-9}
    fit(read(file), **SETTINGS, **saving)
    made(seed=1).to_parquet(file)
    with pytest.raises(InputError) as raised:
        fit(read(file), **SETTINGS, **saving, resume=True)
    assert str(raised.value).startswith(
        f"{tmp_path / 'saves' / 'rows'}: holds rows of another table or of other settings"
    )


def test_a_full_disk_tells_of_another_one_and_nothing_is_left(
    file, small, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kerasnn.datasets.shards.shards.np.save", full)
    with pytest.raises(InputError) as raised:
        fit(read(file), **SETTINGS)
    folder, told = str(raised.value).split(": ", 1)
    assert folder.startswith(str(tmp_path / "kerasnn-rows-"))
    assert told == (
        "cannot be written: No space left on device; the environment variable TMPDIR names"
        " another folder"
    )
    assert list(tmp_path.iterdir()) == []


def test_without_checkpoints_no_rows_stay_on_disk(file, small, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    fit(read(file), **SETTINGS)
    assert list(tmp_path.glob("kerasnn*")) == []  # TensorFlow has files of its own there


# ------------------------------------------------------------------ evaluation


@pytest.mark.slow
def test_a_large_table_is_evaluated_in_parts_with_the_same_scores(
    file, small, tmp_path, monkeypatch
):
    outcome = tables.measure(fit(read(file), **SETTINGS))
    saved = load(tables.save(outcome, tmp_path / "net"))
    whole = tables.evaluate(saved, file)
    monkeypatch.setattr(files, "STREAMED_FROM_BYTES", 0)
    parts = tables.evaluate(saved, file)
    assert parts.rows == whole.rows == N
    assert parts.learned
    assert whole.learned
    for name, score in whole.scores.items():
        assert parts.scores[name].value == pytest.approx(score.value, rel=1e-6)


def test_open_shards_tell_what_they_are_of(file, small, tmp_path):
    rows = read(file)
    shards_of(rows, tmp_path / "rows")
    notes = open_shards(tmp_path / "rows").notes
    assert notes["fingerprint"] == rows.fingerprint
    json.dumps(dict(notes))
