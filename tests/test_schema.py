import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnn import InputError
from kerasnn.datasets import Column, LeftOut, Schema, Target, infer_schema

texts = st.text(max_size=5)
finite = st.floats(allow_nan=False, allow_infinity=False)
many = st.lists(texts, max_size=3).map(tuple)
counts = st.lists(st.integers(0, 9), max_size=3).map(tuple)
kinds = st.sampled_from(["numeric", "categorical", "boolean", "datetime"])
columns = st.builds(
    Column,
    name=texts,
    kind=kinds,
    reason=texts,
    missing=st.integers(0, 9),
    low=st.none() | finite,
    high=st.none() | finite,
    first=st.none() | st.just("2020-01-01T00:00:00"),
    levels=many,
    counts=counts,
    n_levels=st.integers(0, 9),
)
targets = st.builds(
    Target,
    name=texts,
    task=st.sampled_from(["classification", "regression"]),
    classes=many,
    counts=counts,
    low=st.none() | finite,
)
schemas = st.builds(
    Schema,
    columns=st.lists(columns, max_size=3).map(tuple),
    left_out=st.lists(st.builds(LeftOut, texts, texts), max_size=2).map(tuple),
    target=st.none() | targets,
    rows=st.integers(0, 9),
)


@given(schemas)
def test_a_schema_read_from_its_json_is_the_same(schema):
    assert Schema.from_dict(json.loads(schema.to_json())) == schema


def test_the_json_is_readable():
    schema = infer_schema(
        {
            "age": [22, 38.5, None],
            "sex": ["m", "f", "f"],
            "id": [7, 7, 7],
            "y": [0, 1, 0.5],
        },
        target="y",
    )
    assert schema.to_dict() == {
        "format": 1,
        "columns": [
            {
                "name": "age",
                "kind": "numeric",
                "reason": "numbers",
                "missing": 1,
                "low": 22.0,
                "high": 38.5,
            },
            {
                "name": "sex",
                "kind": "categorical",
                "reason": "text, 2 different",
                "levels": ["f", "m"],
                "counts": [2, 1],
                "n_levels": 2,
            },
        ],
        "left_out": [{"name": "id", "reason": "constant: always 7"}],
        "target": {
            "name": "y",
            "task": "regression",
            "reason": "numbers that are not whole",
            "low": 0.0,
            "high": 1.0,
        },
        "rows": 3,
    }


def test_a_column_is_found_by_its_name():
    schema = Schema((Column("a", "numeric"), Column("b", "boolean")))
    assert schema.names == ("a", "b")
    assert schema.column("b").kind == "boolean"
    with pytest.raises(KeyError):
        schema.column("c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "it has no format, columns"),
        ({"format": 1}, "it has no columns"),
        ({"format": 2, "columns": [1]}, "format must be 1; got 2"),
        ([], "it must be an object; got []"),
        ({"format": 1, "columns": [3]}, "columns[0] must be an object; got 3"),
        (
            {"format": 1, "columns": [{"name": "a", "kind": "numeric", "low": "x"}]},
            "columns[0].low must be a finite number; got 'x'",
        ),
        (
            {"format": 1, "columns": [{"name": "a", "kind": "number"}]},
            "columns[0].kind must be 'numeric' or 'categorical' or 'boolean' or 'datetime'"
            " or 'text'; got 'number'",
        ),
        (
            {"format": 1, "columns": [{"name": "a", "kind": "numeric", "unit": "cm"}]},
            "columns[0].unit is not known",
        ),
        (
            {"format": 1, "columns": [{"name": "a", "kind": "datetime", "last": "relu"}]},
            "Invalid isoformat string: 'relu'",
        ),
    ],
)
def test_what_is_no_schema_is_told(content, message):
    with pytest.raises(InputError) as caught:
        Schema.from_dict(content)
    assert str(caught.value) == f"this is not a schema of kerasnn: {message}"
