"""Rows unlike those of the training: in NumPy, in the graph and in the SavedModel."""

import asyncio
import json
import math
import re
import shutil
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, regression_pb2

from kerasnn import NetworkRegressor
from kerasnn.datasets import checked_table, infer_schema, raw_columns
from kerasnn.errors import InputError
from kerasnn.novelty import check_function, fit_novelty
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving import load
from kerasnn.serving.app import make_app
from kerasnn.serving.errors import ServingError
from kerasnn.serving.grpc.examples import regress_examples
from kerasnn.serving.grpc.predict import predict_tensors
from kerasnn.serving.inference.scheduler import Scheduler
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import ModelSource
from kerasnn.serving.options import Limits
from kerasnn.serving.server import add_cell_counts
from kerasnn.serving.service import Service
from kerasnn.tables import check_drift

ROWS = 600


def made_table(rows=ROWS, seed=0):
    """Columns of all kinds, two of which belong together."""
    rng = np.random.default_rng(seed)
    town = rng.choice(["Rome", "Oslo", "Lima"], rows)
    heat = np.select([town == "Rome", town == "Oslo"], [25.0, 5.0], 18.0)
    table = pd.DataFrame(
        {
            "heat": heat + rng.normal(0, 3, rows),
            "town": town,
            "open": rng.choice(["yes", "no"], rows),
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 400, rows), "D"),
            "size": rng.choice([0.0, 1.5], rows, p=[0.9, 0.1]),
            "dose": rng.normal(0, 1, rows),
        }
    )
    table.loc[::10, "dose"] = np.nan
    return table


@pytest.fixture(scope="module")
def fitted():
    table = made_table()
    schema = infer_schema(table)
    checked = checked_table(table, schema)
    novelty = fit_novelty(checked, schema)
    check = check_function(novelty, Preprocessor.fit(checked, schema).graph)

    def run(rows):
        columns = raw_columns(checked_table(rows, schema))
        found = check({name: tf.constant(values) for name, values in columns.items()})
        return {name: value.numpy() for name, value in found.items()}

    return novelty, schema, run


@pytest.fixture(scope="module")
def trained():
    table = made_table()
    target = table["heat"].to_numpy() + 5 * table["size"].to_numpy()
    target += np.random.default_rng(1).normal(0, 5, ROWS)
    return NetworkRegressor(
        hidden_units=(8,), members=4, folds=2, epochs=2, trees=False, random_state=0
    ).fit(table, target)


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    return load(trained.export(tmp_path_factory.mktemp("model") / "towns"))


def changed(**cells):
    """An ordinary row with other cells."""
    row = {
        "heat": 25.2,
        "town": "Rome",
        "open": "yes",
        "day": pd.Timestamp("2024-05-05"),
        "size": 0.0,
        "dose": 0.1,
    }
    return pd.DataFrame([{**row, **cells}])


def test_about_one_ordinary_row_in_a_hundred_is_unlikely(fitted):
    _, _, run = fitted
    found = run(made_table(4000, seed=1))
    assert 0.002 < found["unlikely"].mean() < 0.03


def test_the_graph_flags_what_the_limits_and_the_tree_do(fitted):
    novelty, schema, run = fitted
    rows = made_table(300, seed=2)
    rows.loc[:20, "heat"] = 99.0
    rows.loc[10:30, "town"] = "Paris"
    rows.loc[25:40, "open"] = None
    rows.loc[35:50, "day"] = pd.Timestamp("2031-01-01")
    rows.loc[45:90, "town"] = rows["town"].sample(frac=1, random_state=0).to_numpy()[45:91]
    found, checked = run(rows), checked_table(rows, schema)
    for i, (column, limits) in enumerate(zip(schema.columns, novelty.limits, strict=True)):
        cells = checked[column.name]
        np.testing.assert_array_equal(found["outside"][:, i], limits.outside(cells))
        np.testing.assert_array_equal(found["unseen"][:, i], limits.unseen(cells))
        np.testing.assert_array_equal(
            found["missing"][:, i], cells.isna() & (not limits.was_missing)
        )
    codes = np.stack([b.codes(checked[b.name]) for b in novelty.bins], axis=1)
    surprises = novelty.combinations.of_rows(codes)
    unlikely = surprises.sum(axis=1) > novelty.combinations.threshold
    np.testing.assert_array_equal(found["unlikely"], unlikely)
    pairs = novelty.combinations.pairs[surprises.argmax(axis=1)]
    expected = np.where(unlikely[:, np.newaxis], pairs, -1)
    np.testing.assert_array_equal(found["combination"], expected)
    flags = found["outside"] | found["unseen"] | found["missing"]
    np.testing.assert_array_equal(found["unusual"], flags.any(axis=1) | unlikely)
    assert unlikely.sum() > 20
    assert found["outside"].any(axis=0)[[0, 3]].all()


def test_levels_are_found_in_every_spelling_that_preprocessing_reads(fitted):
    novelty, schema, _ = fitted
    graph = Preprocessor.fit(checked_table(made_table(), schema), schema).graph
    check = check_function(novelty, graph)
    columns = {n: v[:1] for n, v in raw_columns(checked_table(changed(), schema)).items()}
    columns = {name: np.repeat(values, 5) for name, values in columns.items()}
    columns["open"] = np.array([b"YES", b" true ", b"0", b"maybe", b"NA"], object)
    columns["town"] = np.array([b" Rome", b"Rome ", b"rome", b"", b"nan"], object)
    found = check({name: tf.constant(values) for name, values in columns.items()})
    names = [*schema.names]
    unseen, missing = found["unseen"].numpy(), found["missing"].numpy()
    assert unseen[:, names.index("open")].tolist() == [False, False, False, True, False]
    assert missing[:, names.index("open")].tolist() == [False] * 4 + [True]
    assert unseen[:, names.index("town")].tolist() == [False, False, True, False, False]
    assert missing[:, names.index("town")].tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("cells", "columns", "reason"),
    [
        ({}, "", ""),
        ({"heat": 77.0}, "heat", "heat 77 is outside"),
        ({"town": "Paris"}, "town", "town 'Paris' was never seen"),
        ({"open": None}, "open", "open is missing and never was"),
        ({"dose": np.nan}, "", ""),
        ({"day": pd.Timestamp("2030-01-01")}, "day", "day 2030-01-01T00:00:00 is outside"),
        ({"heat": 4.9}, "heat, town", "heat 4.9, town 'Rome'"),
    ],
)
def test_estimator_and_saved_model_name_the_columns_and_why(
    cells, columns, reason, trained, saved
):
    rows = changed(**cells)
    found = trained.check(rows)
    pd.testing.assert_frame_equal(found, saved.check(rows))
    (row,) = found.to_dict("records")
    assert row["unusual"] == bool(columns)
    assert set(row["columns"].split(", ")) == set(columns.split(", "))
    assert all(word in row["reason"] for word in reason.split(", "))


def test_estimator_and_saved_model_agree_on_many_rows(trained, saved):
    rows = made_table(500, seed=3)
    rows["town"] = rows["town"].sample(frac=1, random_state=0).to_numpy()
    found = trained.check(rows)
    pd.testing.assert_frame_equal(found, saved.check(rows))
    assert 0.3 < found["unusual"].mean() < 0.9  # two of three towns do not fit the heat


@pytest.fixture
def copied(saved, tmp_path):
    """A folder of the model that a test may damage."""
    return Path(shutil.copytree(saved.folder, tmp_path / "copy" / "1"))


def test_a_model_without_reference_says_so(copied):
    folder = copied
    (folder / "assets.extra" / "kerasnn_reference.json").unlink()
    with pytest.raises(InputError, match="export the network anew"):
        _ = load(folder).reference


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    "damage", [b"{", b'{"format": 1, "columns": []}', b'{"format": 2, "columns": []}']
)
def test_a_damaged_reference_is_named(damage, copied):
    folder = copied
    path = folder / "assets.extra" / "kerasnn_reference.json"
    path.write_bytes(damage)
    with pytest.raises(InputError, match="kerasnn_reference"):
        _ = load(folder).reference


def test_the_reference_is_read_as_it_was_written(trained, saved):
    assert saved.reference == trained.novelty_.reference
    assert saved.reference.target.rows == ROWS
    assert saved.reference.predictions[0].bins.name == "value"


@pytest.mark.parametrize("only", ["heat", "town"])
def test_a_table_of_one_kind_of_column_can_be_checked(only):
    table = made_table()[[only]]
    schema = infer_schema(table)
    checked = checked_table(table, schema)
    novelty = fit_novelty(checked, schema)
    check = check_function(novelty, Preprocessor.fit(checked, schema).graph)
    found = check({n: tf.constant(v) for n, v in raw_columns(checked).items()})
    assert novelty.combinations is None
    assert not found["unusual"].numpy().any()
    assert found["outside"].shape == (ROWS, 1)


# ---------------------------------------------------------------------- drift of a table


def test_rows_like_those_of_the_training_have_not_drifted(saved):
    found = check_drift(saved, made_table(1000, seed=5))
    assert found.verdict == "no drift"
    assert {drift.role for drift in found.drifts} == {"column", "combination", "prediction"}
    assert found.rows == 1000
    assert found.rows_before == ROWS
    assert not found.effects


def test_a_shift_is_named_with_its_effect_on_the_predictions(saved):
    rows = made_table(1000, seed=5)
    rows["heat"] += 0.5 * rows["heat"].std()
    found = check_drift(saved, rows)
    assert found.verdict == "drift"
    assert "heat" in {drift.name for drift in found.drifted}
    values = [float(saved.predict(t)["value"].mean()) for t in (rows, made_table(1000, 5))]
    effect = found.effects["heat"]
    assert effect.output == "target"
    assert effect.shift == pytest.approx(values[0] - values[1], abs=0.5)


def test_columns_that_no_longer_belong_together_are_a_drift(saved):
    rows = made_table(1000, seed=5)
    rows["town"] = rows["town"].sample(frac=1, random_state=0).to_numpy()
    found = check_drift(saved, rows)
    assert "combination" in {drift.role for drift in found.drifted}
    assert "town" not in {drift.name for drift in found.drifted}
    assert found.unlikely > 0.3


def test_the_target_is_compared_where_it_is_known(saved):
    rows = made_table(1000, seed=5)
    like = saved.reference.target.mean
    for shift, drifted in ((0.0, False), (30.0, True)):
        known = rows.assign(
            target=like + shift + np.random.default_rng(0).normal(0, 9, 1000)
        )
        known.loc[:500, "target"] = np.nan
        found = check_drift(saved, known)
        (target,) = (drift for drift in found.drifts if drift.role == "target")
        assert target.drifted == drifted
        assert target.missing == 0
    assert found.matters


def test_few_rows_are_too_few(saved):
    found = check_drift(saved, changed(heat=1e9))
    assert found.verdict == "too few rows"
    assert not found.drifts


@pytest.mark.slow
def test_the_command_says_what_has_drifted_in_words_and_by_its_exit_code(saved, run):
    rows = made_table(200, seed=5)
    rows.to_csv("same.csv", index=False)
    code, out, _ = run("check", saved.folder, "same.csv")
    assert code == 0
    assert out.endswith("No drift.\n")
    rows.assign(town="Paris").to_csv("paris.csv", index=False)
    code, out, _ = run("check", saved.folder, "paris.csv")
    assert code == 3
    assert "100.0% unseen" in out
    assert "Drift: 1 of 6 columns (town)" in out
    code, out, _ = run("check", saved.folder, "paris.csv", "--json")
    found = json.loads(out)
    assert code == 3
    assert found["verdict"] == "drift"
    (town,) = (one for one in found["drifts"] if one["drifted"] and one["role"] == "column")
    assert town["name"] == "town"
    assert set(town["effect"]) == {"output", "shift"}


@pytest.mark.slow
def test_the_command_counts_cells_that_cannot_be_read(saved, run):
    rows = made_table(100, seed=5).astype({"dose": object})
    rows.loc[:29, "dose"] = "much"
    rows.to_csv("rows.csv", index=False)
    code, out, _ = run("check", saved.folder, "rows.csv")
    assert code == 3
    assert "100 rows of rows.csv (30 with a cell that cannot be read)" in out
    assert "30.0% unreadable" in out
    code, _, err = run("check", saved.folder, "rows.csv", "--strict")
    assert code == 1
    assert "'much' is not a number" in err


@pytest.mark.slow
def test_the_command_reads_a_file_in_chunks_as_it_does_at_once(saved, run, monkeypatch):
    rows = made_table(400, seed=6).assign(town="Paris")
    rows.to_csv("rows.csv", index=False)
    whole = json.loads(run("check", saved.folder, "rows.csv", "--json")[1])
    monkeypatch.setattr("kerasnn.datasets.files.table_files.MAX_CHUNK_ROWS", 70)
    parts = json.loads(run("check", saved.folder, "rows.csv", "--json")[1])
    for one, other in zip(whole["drifts"], parts["drifts"], strict=True):
        assert one["psi"] == pytest.approx(other["psi"])
        assert one["drifted"] == other["drifted"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("heat,town\n1,Rome\n", "open"), ("heat,town,open,day,size,dose\n", "no rows")],
)
def test_the_command_names_what_a_file_lacks(content, message, saved, run):
    Path("rows.csv").write_text(content)
    code, _, err = run("check", saved.folder, "rows.csv")
    assert code == 1
    assert message in err


def test_the_command_says_what_an_older_version_lacks(copied, run):
    made_table(50).to_csv("rows.csv", index=False)
    (copied / "assets.extra" / "kerasnn_reference.json").unlink()
    code, _, err = run("check", copied, "rows.csv")
    assert code == 1
    assert "train and export the network anew" in err


# ---------------------------------------------------------------------- on a server


def predict_request(raw):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "towns", "check"
    for name, values in raw.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def regress_request(raw):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "towns", "regress"
    for row in zip(*raw.values(), strict=True):
        features = request.input.example_list.examples.add().features.feature
        for name, cell in zip(raw, row, strict=True):
            if isinstance(cell, bytes):
                features[name].bytes_list.value.append(cell)
            else:
                features[name].float_list.value.append(cell)
    return request


def table_counts(text):
    """The counts of a table's rows and unusual cells in the metrics, without zeros."""
    pattern = r'kerasnn_unusual_cells_total{.*column="(.*)",reason="(.*)"} ([0-9]+)'
    counts = {(column, why): int(n) for column, why, n in re.findall(pattern, text)}
    counts["rows"] = int(re.search("kerasnn_table_rows_total{.*} ([0-9]+)", text)[1])
    return {key: count for key, count in counts.items() if count}


@pytest.mark.slow
def test_rest_and_grpc_serve_the_signature_and_count_unusual_cells(trained, saved):
    rows = made_table(20, seed=8)
    rows.loc[3, "heat"], rows.loc[4, "town"], rows.loc[5, "open"] = 99.0, "Paris", None
    raw = raw_columns(checked_table(rows, saved.schema))
    expected = trained.check(rows)["unusual"].tolist()
    metrics = Metrics()
    models = ModelRegistry({"towns": ModelSource(saved.folder.parent)}, metrics=metrics)
    models.refresh()
    add_cell_counts(metrics, models)

    async def ask():
        inference = Scheduler(threads=1, metrics=metrics)
        inference.start()
        service = Service(models, inference, metrics, Limits())
        app = make_app(service, stopping=lambda: False)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost"
        ) as rest:
            # As people write rows: a number as text, null, a truth.
            instances = json.loads(rows.to_json(orient="records", date_format="iso"))
            instances[0] |= {"heat": str(instances[0]["heat"]), "open": True}
            content = {"instances": instances, "signature_name": "check"}
            answer = await rest.post("/v1/models/towns:predict", json=content)
            text = (await rest.get("/metrics")).text
            instances[0]["heat"] = math.inf
            wrong = await rest.post("/v1/models/towns:predict", content=json.dumps(content))
        deadline = asyncio.get_running_loop().time() + 60
        over_grpc = await predict_tensors(service, predict_request(raw), deadline)
        truths = np.where(raw["open"] == b"True", b"yes", raw["open"])
        as_meant = await predict_tensors(
            service, predict_request({**raw, "open": truths}), deadline
        )
        heats = np.array([np.inf, *raw["heat"][1:]], raw["heat"].dtype)
        request = predict_request({**raw, "heat": heats})
        with pytest.raises(ServingError) as caught:
            await predict_tensors(service, request, deadline)
        before = metrics.text()
        await regress_examples(service, regress_request(raw), deadline)
        await inference.stop()
        assert wrong.json() == {"error": caught.value.message}
        assert as_meant.outputs == over_grpc.outputs
        return answer, text, over_grpc, before

    answer, text, over_grpc, before = asyncio.run(ask())
    later = metrics.text()
    models.stop()
    assert answer.status_code == 200, answer.text
    assert [row["unusual"] for row in answer.json()["predictions"]] == expected
    assert tf.make_ndarray(over_grpc.outputs["unusual"]).tolist() == expected
    once = {
        "rows": 20,
        ("heat", "outside"): 1,
        ("open", "missing"): 1,
        ("town", "unseen"): 1,
    }
    assert table_counts(text) == once
    # Two more requests over gRPC were answered, and then one of tf.Examples.
    assert table_counts(before) == {key: 3 * count for key, count in once.items()}
    assert table_counts(later) == {key: 4 * count for key, count in once.items()}
