"""Tables of README and docs, written from the measurements in `docs/measured`.

    python scripts/doc_tables.py           # writes them
    python scripts/doc_tables.py --check   # exit status 1 if a page has other figures

A page says where a table goes by `<!-- table: NAME -->` and `<!-- end of table -->`. The
measurements of steps are written by

    python scripts/benchmark.py --work WORK --json > docs/measured/steps-WORK.json

and those of servers, in the same folder, by

    python scripts/benchmark_serving.py --peer-python FILE --json > serving.json

those of first runs and of many networks by

    python scripts/benchmark.py --work WORK --cold --json > docs/measured/cold-WORK.json
    python scripts/benchmark_many.py --json > docs/measured/many.json

and those of explanations by

    python scripts/benchmark_explain.py --json > docs/measured/explain.json

`docs/measured/quality.csv` has a line for each table, split and method: columns `dataset`,
`half` (A: defaults were chosen by it; B: not), `split`, `method`, `error` (empty for a
regression), `logloss`, `nrmse` and `fit_cpu_s`. `docs/recipe.md` says what was measured.

`docs/measured/examples.csv` has a line for each public example of Keras, with and without
`accelerate`: columns `example`, `kind`, `steps`, `stock_us_per_step` (of a second fit),
`stock_s` and `accelerated_s` (of the first fits, tracing and compiling included), `ratio`
of these, `second_ratio` of second fits, `same` (what is equal), and `fell_back` (what
Keras's loop did). `docs/faster-fit.md` says what was measured.
"""

import argparse
import json
import math
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

DOCS = Path(__file__).parents[1] / "docs"
MEASURED = DOCS / "measured"
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
TABLE = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

WORKS = ("digits", "fit-small", "fit-norm", "fit-middle")
# Rows of the table of steps: contenders of `benchmark.py`, the first that took part.
STEPS = {
    "**kerasnn, XLA**": ("kerasnn-xla", "kerasnn-fit-xla"),
    "kerasnn, graph": ("kerasnn-graph", "kerasnn-fit-graph"),
    "`kerasnn.fit`, as it is called": ("kerasnn-fit",),
    "JAX, `lax.scan`, by hand": ("jax",),
    "PyTorch, one thread": ("torch",),
    "PyTorch, two threads": ("torch-2",),
    "scikit-learn `MLPClassifier`": ("scikit-learn",),
    "Keras `fit` on JAX": ("keras-jax",),
    "Keras `fit`": ("keras",),
    "Keras `fit`, `jit_compile`": ("keras-jit",),
    "Keras `fit`, `steps_per_execution` of an epoch": ("keras-epoch",),
    "Keras `fit`, both of these": ("keras-epoch-jit",),
}
# Rows of the table of first runs, in the same way.
COLD = {
    "kerasnn `auto`": ("kerasnn-fit",),
    "kerasnn XLA": ("kerasnn-xla", "kerasnn-fit-xla"),
    "Keras `fit`": ("keras",),
    "Keras `fit`, `jit_compile`": ("keras-jit",),
    "JAX by hand": ("jax",),
}
METHODS = {
    "hgb": "HGB",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "hgb_bag8": "HGB, bagged",
    "lightgbm_bag8": "LightGBM, bagged",
    "catboost_bag8": "CatBoost, bagged",
}

# Columns of the tables of quality: half and measure.
COLUMNS = (("A", "primary"), ("A", "logloss"), ("B", "primary"), ("B", "logloss"))
HALVES = ("A: error", "A: log loss", "B: error", "B: log loss")

Cells = Sequence[str]


def markdown(head: Cells, rows: Sequence[Cells], rule: Cells = ()) -> str:
    """A table; without a rule the first column is text and the others are numbers."""
    rule = rule or ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


# --- training steps ---------------------------------------------------------------


@cache
def steps(work: str) -> dict[str, Any]:
    """Contenders of a work by name, with `us_a_step` of each round and `median`."""
    report = json.loads((MEASURED / f"steps-{work}.json").read_text())
    return {row["name"]: row for row in report["contenders"]}


def median_us(work: str, names: Cells) -> str:
    """The median of the first of these contenders that took part, in microseconds."""
    return next((f"{steps(work)[n]['median']:,.0f}" for n in names if n in steps(work)), "")


def step_cell(work: str, names: Cells) -> str:
    """Microseconds, and how many times ours they are, by the rounds."""
    found = [steps(work)[name] for name in names if name in steps(work)]
    if not found:
        return ""
    ours = next(steps(work)[n] for n in STEPS["**kerasnn, XLA**"] if n in steps(work))
    pairs = zip(found[0]["us_a_step"], ours["us_a_step"], strict=True)
    ratio = statistics.median(theirs / own for theirs, own in pairs)
    return f"{found[0]['median']:,.0f} ({ratio:.{0 if ratio >= 9.95 else 1}f}x)"


def step_table() -> str:
    """All contenders on all works."""
    rows = [
        [title, *(step_cell(w, names) for w in WORKS)] for title, names in STEPS.items()
    ]
    return markdown(["", *WORKS], rows)


# --- examples ---------------------------------------------------------------------


def example_table() -> str:
    """Public examples of Keras, the smallest step first."""
    lines = pd.read_csv(MEASURED / "examples.csv", keep_default_na=False)
    rows = [
        [
            line.example,
            f"{line.steps:,}",
            f"{line.stock_us_per_step / 1000:.1f}",
            f"{line.stock_s:.1f}",
            f"{line.accelerated_s:.1f}",
            f"{line.ratio:.1f}x",
            f"{line.second_ratio:.1f}x",
            line.same,
        ]
        for line in lines.sort_values("stock_us_per_step").itertuples()
    ]
    head = ["example", "steps", "ms a step", "Keras, s", "accelerated, s", "ratio"]
    rule = ["---", *["---:"] * 6, "---"]
    return markdown([*head, "second fit", "the same"], rows, rule)


# --- quality ----------------------------------------------------------------------


@cache
def values(measure: str, method: str) -> pd.Series:
    """A measure of each table and split, by these two.

    Args:
        measure: "primary" (error rate, or nRMSE of a regression) or "logloss".
        method: "kerasnn" or a peer.
    """
    rows = pd.read_csv(MEASURED / "quality.csv").set_index(["half", "dataset", "split"])
    rows = rows[rows["method"] == method]
    # As in all our ratios: a hundredth is added, so that no error at all has a ratio.
    rows["logloss"] += 0.01
    rows["primary"] = (rows["error"] + 0.01).fillna(rows["nrmse"])
    return rows[measure].dropna()


def table_means(measure: str, methods: Cells) -> pd.DataFrame:
    """Means of each table over the splits that all methods have, by half and table."""
    columns = [values(measure, method) for method in methods]
    paired = pd.concat(columns, axis=1, join="inner", keys=methods)
    return paired.groupby(level=["half", "dataset"]).mean()


def ratio(measure: str, method: str, halves: str) -> tuple[float, int]:
    """Geometric mean over tables of ours by a peer's value, and the number of tables."""
    means = table_means(measure, ["kerasnn", method])
    means = means[means.index.isin(list(halves), level="half")]
    logs = (means["kerasnn"] / means[method]).map(math.log)
    return math.exp(logs.mean()), len(logs)


def quality_table() -> str:
    """Ratios to every peer on both halves, and in brackets the numbers of tables."""
    rows = []
    for method, title in METHODS.items():
        cells = [ratio(measure, method, half) for half, measure in COLUMNS]
        rows.append([title, *(f"{value:.3f} ({tables})" for value, tables in cells)])
    return markdown(["", *HALVES], rows)


def rank_table() -> str:
    """Mean ranks of all methods on the tables that all of them have."""
    names = ["kerasnn", *METHODS]
    ranks = [
        table_means(measure, names).loc[half].rank(axis=1) for half, measure in COLUMNS
    ]
    columns = [each.mean() for each in ranks]
    titles = {"kerasnn": "**kerasnn**", **METHODS}
    rows = [
        [titles[name], *(f"{column[name]:.2f}" for column in columns)]
        for name in sum(columns).sort_values().index
    ]
    heads = [f"{head} ({len(each)})" for head, each in zip(HALVES, ranks, strict=True)]
    return markdown(["", *heads], rows)


# --- first runs, many networks ----------------------------------------------------


def cold_table() -> str:
    """Seconds and memory of first runs in new processes."""
    rows = []
    for work in ("digits", "fit-norm"):
        report = json.loads((MEASURED / f"cold-{work}.json").read_text())
        measured = {row["name"]: row for row in report["contenders"]}
        for title, names in COLD.items():
            row = next(measured[name] for name in names if name in measured)
            seconds = [row[k] for k in ("compile_seconds", "seconds_10", "seconds_100")]
            numbers = [f"{value:.1f}" for value in seconds]
            if row["estimated"]:
                numbers[-1] = f"~{numbers[-1]}"
            rows.append([f"{work}, {title}", *numbers, f"{row['peak_megabytes']:,.0f} MB"])
    heads = ["", "first epoch compiles", "10 epochs", "100 epochs", "peak memory"]
    return markdown(heads, rows)


def many_table() -> str:
    """A step of one of many networks, by `fit_many` and alone."""
    report = json.loads((MEASURED / "many.json").read_text())
    names = {"fit_many": "**`fit_many`**", "Keras fit": "Keras `fit` of one network"}
    rows = [
        [
            names.get(row["name"], row["name"]),
            f"{row['us_a_step']:,.0f}",
            f"{row['ratio']:.1f}x",
        ]
        for row in report["contenders"]
    ]
    return markdown(["", "µs a step of one network", "multiple"], rows)


# --- explanations ------------------------------------------------------------------


def explain_table() -> str:
    """CPU time and size of a SavedModel that explains its answers, and of one without."""
    report = json.loads((MEASURED / "explain.json").read_text())
    answer, explained = (
        {
            call["rows"]: call["cpu_ms"]
            for call in report["calls"]
            if call["signature"] == key
        }
        for key in ("serving_default", "explain")
    )
    alone, both = report["exports"]
    rows = [
        ["one row in a call", f"{answer[1]:.1f} ms", f"{explained[1]:.1f} ms"],
        ["a row of 16 in a call", f"{answer[16]:.2f} ms", f"{explained[16]:.1f} ms"],
        ["export", *(f"{one['cpu_seconds']:.1f} s" for one in (alone, both))],
        ["SavedModel", *(f"{one['kilobytes']:,.0f} KB" for one in (alone, both))],
    ]
    return markdown(["", "answer alone", "with reasons"], rows)


# --- servers ----------------------------------------------------------------------


def of_servers() -> dict[str, Any]:
    """The report of `benchmark_serving.py`."""
    report: dict[str, Any] = json.loads((MEASURED / "serving.json").read_text())
    return report


def serving_table() -> str:
    """Requests that each server answered, by kind and number of clients."""
    rows = []
    for row in of_servers()["cells"]:
        title, ours = row["title"], row["name"] == "kerasnn"
        kind, clients = row["cell"].split()
        rows.append(
            [
                f"**{title}**, {kind}" if ours else f"{title}, {kind}",
                clients,
                f"{row['requests_per_second']:,.0f}",
                f"{row['p50_ms']:.2f}",
                f"{row['p99_ms']:.1f}",
                f"{row['requests_per_cpu_second']:,.0f}",
                "" if ours else f"{row['ratio']:.1f}",
            ]
        )
    heads = ["", "clients", "requests/s", "p50 ms", "p99 ms", "per CPU second"]
    return markdown([*heads, "`kerasnn serve` is ... times as fast"], rows)


def starts_table() -> str:
    """How soon each server gives its first answer, and its memory."""
    rows = [
        [
            f"**{row['title']}**" if row["name"] == "kerasnn" else row["title"],
            f"{row['start_seconds']:.1f}",
            f"{row['rss_megabytes']:,.0f}",
        ]
        for row in of_servers()["starts"]
    ]
    return markdown(["", "first answer, s after the command", "MB"], rows)


# --- the front door ---------------------------------------------------------------


def peers(measure: str) -> str:
    """Each peer's value by ours, and on how many tables if it has fewer than we."""
    said = []
    for method in ("catboost", "catboost_bag8", "lightgbm_bag8", "hgb_bag8"):
        value, tables = ratio(measure, method, "AB")
        few = len(table_means(measure, ["kerasnn"])) > tables
        where = f" ({tables} tables)" if few else ""
        said.append(f"{METHODS[method]} {1 / value:.2f}{where}")
    return "; ".join(said)


def front_table() -> str:
    """The table of README."""
    digits = {name: median_us("digits", [name]) for name in steps("digits")}
    larger = {name: median_us("fit-middle", [name]) for name in steps("fit-middle")}
    tables = len(table_means("primary", ["kerasnn"]))
    answers = {
        row["name"]: f"{row['requests_per_second']:,.0f}"
        for row in of_servers()["cells"]
        if row["cell"] == "REST 8"
    }
    rows = [
        [
            "one training step, digits 64-30-10",
            f"{digits['kerasnn-xla']} µs",
            f"Keras `fit` {digits['keras']}, PyTorch {digits['torch']}, scikit-learn"
            f" {digits['scikit-learn']}, JAX by hand {digits['jax']}",
        ],
        [
            "one step of a larger one, 54-256-256-256-7",
            f"{larger['kerasnn-fit-xla']} µs",
            f"Keras `fit` {larger['keras']}, PyTorch {larger['torch-2']}, JAX by hand"
            f" {larger['jax']}",
        ],
        [f"{tables} public tables, error or RMSE, ratio", "1.00", peers("primary")],
        ["the same, log loss, ratio", "1.00", peers("logloss")],
        [
            "answers a second to 8 REST clients, digits",
            answers["kerasnn"],
            f"FastAPI {answers['fastapi']}, LitServe {answers['litserve-batch']}, BentoML"
            f" {answers['bentoml']}",
        ],
    ]
    return markdown(["what", "kerasnn", "others"], rows, ["---", "---:", "---"])


TABLES: dict[str, Callable[[], str]] = {
    "front": front_table,
    "steps": step_table,
    "examples": example_table,
    "cold": cold_table,
    "many": many_table,
    "explain": explain_table,
    "quality": quality_table,
    "ranks": rank_table,
    "serving": serving_table,
    "serving-starts": starts_table,
}


def with_tables(text: str) -> str:
    """A page's text with the tables that it asks for."""
    return TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check all pages; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(argv).check
    other = [page for page in PAGES if with_tables(page.read_text()) != page.read_text()]
    for page in other:
        print(f"{page.relative_to(DOCS.parent)}: other figures than docs/measured")
        if not check:
            page.write_text(with_tables(page.read_text()))
    return int(check and bool(other))


if __name__ == "__main__":
    sys.exit(main())
