"""An OpenAPI description of the served models, made from their signatures.

Source: the OpenAPI Specification 3.1.0, whose schemas are JSON Schema 2020-12.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from kerasnn.graphs.program import INIT_SIGNATURE
from kerasnn.manifest import DEFAULT_SIGNATURE, EXAMPLES_INPUT
from kerasnn.serving.errors import ServingError
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.page.model_facts import manifest_of
from kerasnn.serving.saved_model.signatures import (
    Signature,
    TensorInfo,
)

_Json = dict[str, Any]
_MAX_EXAMPLE_VALUES = 100
_MAX_SHOWN_LEVELS = 20
_ERROR: _Json = {
    "description": "What is wrong, in words.",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}}
        }
    },
}


def openapi(models: ModelRegistry) -> _Json:
    """Return the description of the newest available version of each model."""
    paths: _Json = {
        "/v1/models": {"get": _operation("The models, with their versions", _free())}
    }
    for name in models.names():
        try:
            with models.use(name, None) as version:
                paths |= _model_paths(version)
        except ServingError:
            continue  # no version of it answers now
    return {
        "openapi": "3.1.0",
        "info": {"title": "Models of kerasnn serve", "version": "1"},
        "paths": paths,
    }


def _model_paths(version: ModelVersion) -> _Json:
    path = f"/v1/models/{quote(version.name, safe='')}"
    signatures = version.graph.signatures
    manifest = manifest_of(version.folder)
    found: _Json = {
        path: {"get": _operation("The states of its versions", _free())},
        f"{path}/metadata": {"get": _operation("Its signatures", _free())},
    }
    keys = [key for key in signatures if key != INIT_SIGNATURE]
    keys.sort(key=lambda key: (key != DEFAULT_SIGNATURE, key))
    verbs: dict[str, list[str]] = {"predict": [], "classify": [], "regress": []}
    for key in keys:
        verbs[_verb(signatures[key])].append(key)
    if verbs["predict"]:
        asked = [signatures[key] for key in verbs["predict"]]
        found[f"{path}:predict"] = {"post": _predict(asked, manifest)}
    for verb in ("classify", "regress"):
        if verbs[verb]:
            found[f"{path}:{verb}"] = {"post": _examples(verb, verbs[verb])}
    return found


def _verb(signature: Signature) -> str:
    """Return the verb that calls a signature; for Classify and Regress its form decides."""
    outputs = set(signature.outputs)
    if list(signature.inputs) != [EXAMPLES_INPUT]:
        return "predict"
    if outputs == {"outputs"}:
        return "regress"
    return "classify" if outputs and outputs <= {"classes", "scores"} else "predict"


def _operation(summary: str, answer: _Json, body: _Json | None = None) -> _Json:
    operation: _Json = {
        "summary": summary,
        "responses": {
            "200": {
                "description": "The answer.",
                "content": {"application/json": {"schema": answer}},
            },
            "default": _ERROR,
        },
    }
    if body is not None:
        content = {"application/json": body}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _predict(signatures: list[Signature], manifest: Mapping[str, Any] | None) -> _Json:
    first = signatures[0]
    columns = _columns(first, manifest)
    rows = [_rows(s, columns if s is first else {}) for s in signatures]
    columns_form = [_whole(s) for s in signatures]
    answers = [_object(s.outputs, whole=False) for s in signatures]
    outputs = [_object(s.outputs, whole=True) for s in signatures]
    answer: _Json = {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": _any_of(answers)},
            "outputs": _any_of(outputs),
        },
    }
    body: _Json = {"schema": _any_of([*rows, *columns_form])}
    example = _example(first, columns)
    if example is not None:
        body["example"] = example
    return _operation("Ask the network", answer, body)


def _rows(signature: Signature, columns: Mapping[str, _Json]) -> _Json:
    """Return the schema of a request in row form."""
    row = _object(signature.inputs, whole=False, columns=columns)
    return _request(signature, "instances", {"type": "array", "items": row, "minItems": 1})


def _whole(signature: Signature) -> _Json:
    """Return the schema of a request in column form."""
    return _request(signature, "inputs", _object(signature.inputs, whole=True))


def _request(signature: Signature, key: str, schema: _Json) -> _Json:
    properties: _Json = {key: schema}
    required = [key]
    if signature.key != DEFAULT_SIGNATURE:
        properties["signature_name"] = {"const": signature.key}
        required.append("signature_name")
    return {"type": "object", "required": required, "properties": properties}


def _object(
    infos: Mapping[str, TensorInfo],
    *,
    whole: bool,
    columns: Mapping[str, _Json] | None = None,
) -> _Json:
    """Return the schema of named tensors; of a single one, that of its value."""
    known = columns or {}
    schemas = {
        name: known.get(name) or _tensor(info, whole=whole) for name, info in infos.items()
    }
    if len(schemas) == 1:
        return next(iter(schemas.values()))
    required = [name for name in schemas if not known.get(name, {}).get("x-optional")]
    return {"type": "object", "required": required, "properties": schemas}


def _tensor(info: TensorInfo, *, whole: bool) -> _Json:
    """Return the schema of a tensor, or of one row of it."""
    if info.shape is None:
        return {"description": f"{info.dtype.name} of any shape"}
    schema = _value(info)
    for size in reversed(info.shape if whole else info.shape[1:]):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema |= {"minItems": size, "maxItems": size}
    return schema


def _value(info: TensorInfo) -> _Json:
    dtype = info.dtype
    if dtype.is_floating:
        return {"type": "number"}
    if dtype.is_integer:
        return {"type": "integer", "minimum": int(dtype.min), "maximum": int(dtype.max)}
    if dtype.is_bool:
        return {"type": "boolean"}
    b64 = {"type": "object", "required": ["b64"], "properties": {"b64": {"type": "string"}}}
    return {"anyOf": [{"type": "string"}, b64]}


def _columns(signature: Signature, manifest: Mapping[str, Any] | None) -> dict[str, _Json]:
    """Return the schema of a cell of each input that is a column of a table."""
    if manifest is None or signature.key != DEFAULT_SIGNATURE:
        return {}
    try:
        known = {column["name"]: column for column in manifest["schema"]["columns"]}
        inputs = {name: one["column"] for name, one in manifest["inputs"].items()}
        return {
            name: _cell(known[column])
            for name, column in inputs.items()
            if name in signature.inputs
        }
    except (KeyError, TypeError):
        return {}


def _cell(column: Mapping[str, Any]) -> _Json:
    texts = {"numeric": "number", "boolean": "boolean"}
    kind = texts.get(column["kind"], "string")
    cell: _Json = {"type": [kind, "null"], "description": f"{column['kind']}"}
    if kind == "number":
        cell["description"] = f"in the training {column.get('low')} to {column.get('high')}"
        cell["examples"] = [column.get("low") or 0.0]
    elif column["kind"] == "datetime":
        cell["description"] = "a date, ISO 8601"
        cell["examples"] = [column.get("first") or "2000-01-01"]
    elif kind == "boolean":
        cell["examples"] = [True]
    elif column.get("levels"):
        cell["examples"] = list(column["levels"])[:_MAX_SHOWN_LEVELS]
    if column.get("missing"):
        cell["x-optional"] = True
    return cell


def _example(signature: Signature, columns: Mapping[str, _Json]) -> _Json | None:
    """Return a request that is answered; None if it would be long, or has no inputs."""
    row: dict[str, Any] = {}
    for name, info in signature.inputs.items():
        if columns.get(name, {}).get("examples"):
            row[name] = columns[name]["examples"][0]
            continue
        if info.shape is None or not info.has_rows:
            return None
        row[name] = _zeros(info, [max(size, 1) for size in info.shape[1:]])
    if not row or len(str(row)) > 20 * _MAX_EXAMPLE_VALUES:
        return None
    return {"instances": [row if len(row) > 1 else next(iter(row.values()))]}


def _zeros(info: TensorInfo, sizes: list[int]) -> Any:
    if sizes:
        return [_zeros(info, sizes[1:])] * min(sizes[0], 10_000)
    if info.dtype.is_floating:
        return 0.0
    return 0 if info.dtype.is_integer else False if info.dtype.is_bool else ""


def _examples(verb: str, keys: list[str]) -> _Json:
    """Return the operation that takes tf.Examples, with one of these signatures."""
    feature = {"description": "a number, a text, or a list of one of them"}
    example = {"type": "object", "additionalProperties": feature}
    schema = {
        "type": "object",
        "required": ["examples"],
        "properties": {
            "signature_name": {"enum": keys},
            "examples": {"type": "array", "items": example, "minItems": 1},
        },
    }
    answer = {"type": "object", "properties": {"results": {"type": "array"}}}
    return _operation(f"{verb.capitalize()} tf.Examples", answer, {"schema": schema})


def _any_of(schemas: list[_Json]) -> _Json:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _free() -> _Json:
    return {"type": "object"}
