"""The OpenAPI description of the served models."""

import json

import pytest

from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import folder_sources
from kerasnn.serving.page.openapi import openapi
from tests import serving_models


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in ("classifier", "columns", "types", "picture", "table", "broken", "counter"):
        getattr(serving_models, f"make_{name}")(folder / name)
    serving_models.make_half_plus_two(folder / "a b")
    models = ModelRegistry(folder_sources(folder, latest=1, versions=()))
    models.refresh()
    yield json.loads(json.dumps(openapi(models)))
    models.stop()


def body(description, path):
    return description["paths"][path]["post"]["requestBody"]["content"]["application/json"]


def test_each_model_that_answers_has_its_paths(description):
    assert {p for p in description["paths"] if "a%20b" in p} == {
        "/v1/models/a%20b",
        "/v1/models/a%20b/metadata",
        "/v1/models/a%20b:predict",
        "/v1/models/a%20b:classify",
        "/v1/models/a%20b:regress",
    }
    assert "/v1/models/classifier:classify" in description["paths"]
    assert not [path for path in description["paths"] if "broken" in path]


def test_a_row_of_a_table_has_its_columns_with_their_ranges_and_levels(description):
    rows = body(description, "/v1/models/table:predict")["schema"]["anyOf"][0]
    row = rows["properties"]["instances"]["items"]
    assert sorted(row["required"]) == ["age", "city", "member"]
    age, city = row["properties"]["age"], row["properties"]["city"]
    assert age["type"] == ["number", "null"]
    assert "17.0 to 91.0" in age["description"]
    assert city["examples"] == ["Lyon", "Oslo"]
    assert body(description, "/v1/models/table:predict")["example"] == {
        "instances": [{"age": 17.0, "city": "Lyon", "member": True}]
    }


def test_a_tensor_is_nested_lists_of_its_sizes(description):
    rows, whole = body(description, "/v1/models/picture:predict")["schema"]["anyOf"]
    height = rows["properties"]["instances"]["items"]
    assert (height["minItems"], height["maxItems"]) == (32, 32)
    assert height["items"]["items"]["items"] == {"type": "number"}
    assert "minItems" not in whole["properties"]["inputs"]
    assert "example" not in body(description, "/v1/models/picture:predict")  # too long


def test_a_signature_beside_the_default_one_is_named_in_its_request(description):
    schema = body(description, "/v1/models/classifier:classify")["schema"]
    assert schema["required"] == ["examples"]
    assert schema["properties"]["signature_name"]["enum"]
