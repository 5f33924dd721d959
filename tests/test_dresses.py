"""One table as different people write it: the same schema, rows and answers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from kerasnn import saving, tables
from kerasnn.datasets import Schema, checked_table

pytestmark = pytest.mark.slow

N = 80
RANDOM = np.random.default_rng(11)
AREA = RANDOM.integers(200, 19000, N) / 10
PRICE = RANDOM.integers(50_000, 900_000, N).astype(float)
SHARE = RANDOM.integers(1, 99, N) / 100
WHEN = pd.Timestamp("2021-01-01") + pd.to_timedelta(RANDOM.permutation(N) * 9, unit="D")
GARDEN = RANDOM.random(N) < 0.5
TOWN = RANDOM.choice(["Köln", "Bonn", "Trier"], N)
SOLD = np.where(AREA + 400 * GARDEN + RANDOM.normal(0, 300, N) > 1200, "yes", "no")
MISSING = np.arange(N) % 9 == 0


def dressed(number=str, price=None, share=str, when=None, truth=str, missing=""):
    """Return the table as text, by the spelling of each kind of cell."""
    price, when = price or number, when or (lambda day: day.strftime("%Y-%m-%d"))
    area = [missing if m else number(a) for a, m in zip(AREA, MISSING, strict=True)]
    return pd.DataFrame(
        {
            "area": area,
            "price": [price(p) for p in PRICE],
            "share": [share(s) for s in SHARE],
            "when": [when(day) for day in WHEN],
            "garden": [truth(bool(g)) for g in GARDEN],
            "town": TOWN,
            "sold": SOLD,
        }
    )


def commas(value):
    return f"{value:,.1f}".replace(",", " ").replace(".", ",").replace(" ", ".")


def plain(path):
    dressed().to_csv(path, index=False)


def continental(path):
    table = dressed(commas, share=lambda s: f"{s:.2f}".replace(".", ","), missing="k.A.")
    table["when"] = [day.strftime("%d.%m.%Y") for day in WHEN]
    table.replace("k.A.", "#N/A").to_csv(path, index=False, sep=";", encoding="cp1252")


def american(path):
    table = dressed(
        lambda a: f"{a:,}",
        price=lambda p: f"${p:,.0f}",
        share=lambda s: f"{s:.0%}",
        when=lambda day: day.strftime("%m/%d/%Y"),
        truth=lambda g: str(g).upper(),
        missing="n/a",
    )
    table.to_csv(path, index=False)


def spoken(path):
    table = dressed(
        when=lambda day: day.strftime("%B %d, %Y"),
        truth=lambda g: "yes" if g else "no",
        missing="unknown",
    )
    table.to_csv(path, index=False, sep="|", encoding="utf-16")


def with_tabs(path):
    table = dressed(truth=lambda g: "on" if g else "off", missing="NULL")
    text = "# exported\n" + table.to_csv(index=False, sep="\t")
    path.write_text(text, encoding="utf-8-sig")


def lines_of_json(path):
    table = dressed(truth=lambda g: "T" if g else "F", missing="<NA>")
    table.to_json(path, orient="records", lines=True, force_ascii=False)


def typed():
    table = dressed()
    area = np.where(MISSING, np.nan, AREA)
    return table.assign(area=area, price=PRICE, share=SHARE, when=WHEN, garden=GARDEN)


def parquet(path):
    typed().to_parquet(path)


def feather(path):
    typed().convert_dtypes().to_feather(path)


DRESSES = {
    "plain.csv": plain,
    "continental.csv": continental,
    "american.csv": american,
    "spoken.txt": spoken,
    "tabs.data": with_tabs,
    "lines.jsonl": lines_of_json,
    "typed.parquet": parquet,
    "nullable.feather": feather,
}


def bare(schema):
    """Return the schema without the dress: reasons and spellings."""
    plain = {"reason": "", "number_format": None, "date_format": "", "missing_texts": ()}
    columns = tuple(dataclasses.replace(c, **plain) for c in schema.columns)
    return Schema(columns, schema.left_out, rows=schema.rows)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dresses")
    for name, write in DRESSES.items():
        write(folder / name)
    return folder


@pytest.fixture(scope="module")
def expected(files):
    rows = tables.read_rows(files / "plain.csv", target="sold")
    return rows, checked_table(rows.table, rows.schema)


@pytest.fixture(scope="module")
def network(files, expected, tmp_path_factory):
    settings = {"members": 2, "epochs": 2, "hidden_units": (8,), "driver": "graph"}
    fitted = tables.fit(expected[0], tables.estimator_for(expected[0].target)(**settings))
    folder = tmp_path_factory.mktemp("models") / "homes"
    tables.save(tables.measure(fitted, importance=False), folder)
    return saving.load(folder)


@pytest.mark.parametrize("name", DRESSES)
def test_every_dress_gives_the_same_schema_and_rows(files, expected, name):
    rows = tables.read_rows(files / name, target="sold")
    assert bare(rows.schema) == bare(expected[0].schema)
    assert rows.target.classes == ("no", "yes")
    found = checked_table(rows.table, rows.schema)
    pd.testing.assert_frame_equal(found, expected[1])
    np.testing.assert_array_equal(rows.tested, expected[0].tested)


@pytest.mark.parametrize("name", DRESSES)
def test_a_network_answers_the_same_in_every_dress(files, network, name):
    table = tables.read_rows(files / name, target="sold").table
    answers = network.predict(table.drop(columns="sold"))["probabilities"]
    plain = network.predict(files / "plain.csv")["probabilities"]
    np.testing.assert_array_equal(answers, plain)
