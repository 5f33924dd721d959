"""Requests for a table's network as people write them."""

import time

import numpy as np
import pytest

from kerasnn.datasets import Column, LeftOut, Schema, Target
from kerasnn.manifest import DEFAULT_SIGNATURE
from kerasnn.serving.errors import ServingError
from kerasnn.serving.saved_model.cell_counts import MAX_LABELS, OTHERS
from kerasnn.serving.saved_model.table_inputs import TableInputs, read_table_inputs

SCHEMA = Schema(
    (
        Column("age", "numeric", low=17.0, high=91.0),
        Column("fare", "numeric", missing=3, low=0.0, high=6000.0),
        Column("alone", "numeric", low=0.0, high=1.0, n_levels=2),
        Column("class", "categorical", levels=("First", "Second"), counts=(3, 9)),
        Column("member", "boolean", levels=("False", "True"), counts=(5, 4)),
        Column("since", "datetime", first="2001-05-03T00:00:00", missing=1),
    ),
    left_out=(LeftOut("id", "an id"),),
    target=Target("bought", "classification", classes=("no", "yes")),
)
INPUTS = TableInputs(
    SCHEMA,
    {
        "age": "age",
        "fare": "fare",
        "alone": "alone",
        "class_": "class",
        "member": "member",
        "since": "since",
    },
    {DEFAULT_SIGNATURE: [], "interval": ["coverage"]},
)
ROW = {
    "age": 30.5,
    "fare": 7.25,
    "alone": 0,
    "class_": "First",
    "member": "True",
    "since": "2010-01-02",
}


def read(**changes):
    row = {name: value for name, value in {**ROW, **changes}.items() if value != "gone"}
    return {name: values[0] for name, values in INPUTS.read({"instances": [row]}).items()}


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"age": "30.5"}, "age", 30.5),
        ({"age": " 30 "}, "age", 30.0),
        ({"fare": "4,081.45"}, "fare", 4081.45),
        ({"fare": "$1,234.50"}, "fare", 1234.5),
        ({"alone": True}, "alone", 1.0),
        ({"alone": "no"}, "alone", 0.0),
        ({"member": False}, "member", b"False"),
        ({"member": "yes"}, "member", b"True"),
        ({"member": 1}, "member", b"True"),
        ({"member": None}, "member", b""),
        ({"class_": None}, "class_", b""),
        ({"class_": "Third"}, "class_", b"Third"),
        ({"class_": 3}, "class_", b"3"),
        ({"since": None}, "since", b""),
        ({"since": "gone"}, "since", b""),
        ({"class_": "gone", "class": "Second"}, "class_", b"Second"),
        ({"id": 7, "bought": "yes"}, "age", 30.5),
    ],
)
def test_what_has_one_meaning_is_read(changes, name, value):
    assert read(**changes)[name] == value


@pytest.mark.parametrize("changes", [{"age": None}, {"fare": "gone"}, {"fare": "n/a"}])
def test_a_missing_number_is_nan(changes):
    assert np.isnan(read(**changes)[next(iter(changes))])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"age": "old"}, "column 'age', row 0: 'old' is not a number"),
        ({"age": "gone"}, "column 'age' is not in the request; it was never missing"),
        ({"agee": 3, "age": "gone"}, "no column 'agee'; did you mean 'age'?"),
        ({"since": "next week"}, "column 'since', row 0"),
        ({"class": "First"}, "column 'class', row 0: it is given twice, as 'class_' and"),
        ({"agee": 3}, "did you mean 'age'? A row looks"),
        ({"member": "maybe"}, "column 'member', row 0: 'maybe' is neither true nor false"),
        ({"member": 7}, "column 'member', row 0: '7' is neither true nor false"),
        ({"age": 1e400}, "column 'age', row 0"),
    ],
)
def test_what_has_none_is_refused_with_a_row_that_is_right(changes, told):
    with pytest.raises(ServingError) as caught:
        read(**changes)
    assert told in caught.value.message
    assert '{"age": 17.0, "fare": 0.0, "alone": 0.0, "class_": "First"' in (
        caught.value.message
    )


def test_the_columns_of_a_request_are_read_as_its_rows_are():
    columns = {name: [value] * 2 for name, value in ROW.items()}
    columns["age"] = ["30", None]
    del columns["since"]
    read = INPUTS.read({"inputs": columns})
    np.testing.assert_array_equal(read["age"], [30.0, np.nan])
    assert list(read["since"]) == [b"", b""]
    columns["age"] = [1]
    with pytest.raises(ServingError, match="'age' has 1 values, and another one 2"):
        INPUTS.read({"inputs": columns})


def refusal(document):
    with pytest.raises(ServingError) as caught:
        INPUTS.read(document)
    return caught.value.message


def test_a_column_may_be_missing_in_some_rows_only_if_it_was_in_the_training():
    some = {name: value for name, value in ROW.items() if name not in ("fare", "since")}
    assert INPUTS.read({"instances": [ROW, some]})["since"][1] == b""
    assert "column 'age', row 1: it is not in the row; it was never missing" in refusal(
        {"instances": [ROW, {}]}
    )
    null = {**ROW, "age": None}
    assert np.isnan(INPUTS.read({"instances": [ROW, null]})["age"][1])


def test_rows_may_name_a_column_in_different_ways():
    other = {("class" if name == "class_" else name): v for name, v in ROW.items()}
    read = INPUTS.read({"instances": [ROW, other]})
    assert read["class_"].tolist() == [b"First"] * 2


def test_an_unknown_or_doubled_column_is_refused_in_rows_and_in_columns():
    columns = {name: [value] for name, value in ROW.items()}
    for wrong, told in (
        ({"agee": 3}, "no column 'agee'; did you mean 'age'?"),
        ({"class": "First"}, "column 'class'"),
    ):
        assert told in refusal({"instances": [{**ROW, **wrong}]})
        lists = {name: [value] for name, value in wrong.items()}
        assert told in refusal({"inputs": {**columns, **lists}})
    assert INPUTS.read({"inputs": {**columns, "id": ["x", "y"]}})["age"].tolist() == [30.5]


def test_no_request_costs_much_more_than_its_size():
    start = time.perf_counter()
    assert "no column 'k0'" in refusal({"instances": [{f"k{i}": 1} for i in range(20_000)]})
    assert "may be left out" in refusal({"instances": [{}] * 2_000_000})
    assert time.perf_counter() - start < 2.0


@pytest.mark.parametrize(
    ("name", "cell", "plain"),
    [
        ("age", np.inf, False),
        ("age", np.nan, True),
        ("since", b"", True),
        ("since", b"2010-01-02 03:04", True),
        ("since", b"2021-13-45", False),
        ("since", b"garbage", False),
        ("since", b"2010-1-2", False),
        ("member", b"", True),
        ("member", b"True", True),
        ("member", b"maybe", False),
        ("class_", b"maybe", True),
    ],
)
def test_strict_cells_are_read_by_the_graph_only_if_it_reads_them(name, cell, plain):
    for rows in (1, 20):
        inputs = INPUTS.read({"instances": [ROW] * rows})
        assert INPUTS.are_plain({}, inputs)
        inputs[name] = np.array([*inputs[name][:-1], cell], inputs[name].dtype)
        assert INPUTS.are_plain({}, inputs) is plain


def test_inputs_of_another_shape_are_left_to_the_signature():
    inputs = INPUTS.read({"instances": [ROW]})
    assert INPUTS.are_plain({}, {**inputs, "age": np.array([[np.inf]])})
    assert INPUTS.are_plain({}, {**inputs, "since": np.array(b"garbage", object)})


@pytest.mark.parametrize(
    ("name", "cell", "read"),
    [
        ("member", b"yes", b"True"),
        ("since", b"May 3, 2010", b"2010-05-03T00:00:00"),
        ("class_", b"\xff", b"\xff"),
        ("age", np.nan, np.nan),
    ],
)
def test_arrays_are_read_as_the_rows_of_a_table(name, cell, read):
    inputs = INPUTS.read({"instances": [ROW] * 2})
    inputs[name] = np.array([inputs[name][0], cell], inputs[name].dtype)
    found = INPUTS.as_meant(inputs, DEFAULT_SIGNATURE)
    np.testing.assert_equal(found[name][1], read)


@pytest.mark.parametrize(
    ("name", "cell", "told"),
    [
        ("age", -np.inf, "-inf"),
        ("since", b"2021-13-45", "2021-13-45"),
        ("member", b"m", "m"),
    ],
)
def test_arrays_with_cells_without_a_meaning_are_refused(name, cell, told):
    inputs = INPUTS.read({"instances": [ROW] * 2})
    inputs[name] = np.array([inputs[name][0], cell], inputs[name].dtype)
    with pytest.raises(ServingError, match=rf"column '{name}', row 1: .*{told}"):
        INPUTS.as_meant(inputs, DEFAULT_SIGNATURE)


def test_columns_that_the_signature_does_not_name_are_not_ignored():
    inputs = INPUTS.read({"instances": [ROW]})
    assert not INPUTS.are_plain({"inputs": {**ROW, "agee": 3}}, inputs)
    assert INPUTS.are_plain({"inputs": ROW}, inputs)


def test_features_of_examples_are_named_by_column_or_input():
    names = INPUTS.feature_names(["age", "class", "alone", "member", "id"], 0)
    assert names == {"age": "age", "class": "class_", "alone": "alone", "member": "member"}
    for wrong, told in (
        (["agee"], "no column 'agee'"),
        (["class", "class_"], "column 'class', row 3: it is given twice"),
    ):
        with pytest.raises(ServingError, match=told):
            INPUTS.feature_names(wrong, 3)


def test_a_damaged_manifest_is_reported_once(tmp_path, caplog):
    path = tmp_path / "assets.extra" / "kerasnn.json"
    path.parent.mkdir()
    path.write_text('{"format": 1, "created": 3}')
    assert read_table_inputs(tmp_path, {}) is None
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert "has no versions" in record.getMessage()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"instances": []},
        {"instances": [1.0]},
        {"instances": [{"age": [1.0]}]},
        {"instances": [{"age": {"b64": "aa"}}]},
        {"instances": [{}]},
        {"inputs": [1.0]},
        {"inputs": {"age": 3}},
        {"inputs": {"age": [[3]]}},
    ],
)
def test_what_is_no_table_is_left_to_the_signature(document):
    assert INPUTS.read(document) is None


def test_a_signature_with_options_takes_them_beside_the_columns():
    rows = [{**ROW, "age": "30.5", "coverage": 0.8}, ROW, {**ROW, "coverage": None}]
    read = INPUTS.read({"instances": rows}, "interval")
    np.testing.assert_array_equal(read["coverage"], [0.8, np.nan, np.nan])
    assert read["age"].tolist() == [30.5] * 3


@pytest.mark.parametrize("value", ["0.9", True, 10**400])
def test_an_option_that_is_no_number_is_named(value):
    with pytest.raises(ServingError, match="coverage must be a number for each row"):
        INPUTS.read({"instances": [{**ROW, "coverage": value}]}, "interval")


# ---------------------------------------------------------------------- counts of cells


def counted(*rows):
    """The counts that are not 0, after requests of single rows and of all rows at once."""
    counts = INPUTS.cell_counts()
    read = [INPUTS.read({"instances": [row]}) for row in rows]
    for inputs in read:
        counts.count(inputs)
    counts.count({name: np.concatenate([one[name] for one in read]) for name in read[0]})
    assert counts.rows == 2 * len(rows)
    return {key: count for key, count in counts.counts.items() if count}


def test_usual_rows_have_no_unusual_cells():
    ends = [{**ROW, "age": 17, "fare": 6000.0}, {**ROW, "age": 91, "since": None}]
    assert counted(ROW, *ends, {**ROW, "fare": None, "member": "no"}) == {}


def test_unusual_cells_are_counted_by_column_and_reason_in_few_rows_and_in_many():
    rows = [
        {**ROW, "age": 16.9},
        {**ROW, "age": 1e9, "class_": "Third"},
        {**ROW, "class_": None, "age": None},
        {**ROW, "member": None, "fare": -1},
        *[ROW] * 10,
    ]
    assert counted(*rows) == {
        ("age", "outside"): 4,
        ("age", "missing"): 2,
        ("fare", "outside"): 2,
        ("class", "unseen"): 2,
        ("class", "missing"): 2,
        ("member", "missing"): 2,
    }


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (b"First", None),
        (b" First ", None),
        (b"first", "unseen"),
        (b"", "missing"),
        (b"NA", "missing"),
        (b"\xff", "unseen"),
    ],
)
def test_cells_of_requests_count_as_the_network_reads_them(cell, reason):
    counts = INPUTS.cell_counts()
    counts.count({**INPUTS.read({"instances": [ROW]}), "class_": np.array([cell], object)})
    found = [reason for (_, reason), count in counts.counts.items() if count]
    assert found == ([] if reason is None else [reason])


def test_texts_of_a_column_without_levels_can_only_be_missing():
    schema = Schema((Column("since", "datetime", first="2001-05-03T00:00:00"),))
    counts = TableInputs(schema, {"since": "since"}, {}).cell_counts()
    cells = [b"2010-01-02", b"next week", b"", b" NA ", b"1900-01-01"]
    counts.count({"since": np.array(cells, object)})
    assert counts.counts == {("since", "missing"): 2, ("since", "unseen"): 0}


def test_requests_without_the_columns_are_not_counted():
    counts = INPUTS.cell_counts()
    counts.count({"inputs": np.array([b"example"], object)})
    counts.count({**INPUTS.read({"instances": [ROW]}), "age": np.array(3.0)})
    assert counts.rows == 0


def test_columns_after_the_first_fifty_share_their_counts():
    names = [f"x{i}" for i in range(MAX_LABELS + 30)]
    schema = Schema(tuple(Column(name, "numeric", low=0.0, high=1.0) for name in names))
    counts = TableInputs(schema, {name: name for name in names}, {}).cell_counts()
    counts.count({name: np.array([2.0]) for name in names})
    assert len({column for column, _ in counts.counts}) == MAX_LABELS + 1
    assert counts.counts[OTHERS, "outside"] == 30
