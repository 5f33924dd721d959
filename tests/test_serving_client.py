"""The client of model servers: what it sends, what it takes, and what it says of errors."""

import json
import math
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from fake_model_server import FakeModel, FakeServer, error, nothing_listens

from kerasnn.errors import InputError, ServerError
from kerasnn.serving.client import RemoteModel, RestClient

PEOPLE = {
    "age": ("DT_DOUBLE", [-1]),
    "hours_per_week": ("DT_DOUBLE", [-1]),
    "job": ("DT_STRING", [-1]),
    "class_": ("DT_STRING", [-1]),
}
TABLE = {
    "age": [33, None],
    "hours-per-week": [40.5, 0.1],
    "job": ["cook", None],
    "class": [2.0, 3.0],
    "more": ["not", "needed"],
}


def echo(**inputs):
    """What was asked, as the answer."""
    rows = len(next(iter(inputs.values())))
    return {"value": list(range(rows))}


def people(**options):
    return FakeModel(PEOPLE, {"value": ("DT_FLOAT", [-1])}, echo, **options)


def numbers(width=2, dtype="DT_FLOAT", answer=echo, outputs=None):
    outputs = outputs or {"value": ("DT_FLOAT", [-1])}
    return FakeModel({"x": (dtype, [-1, width])}, outputs, answer)


@pytest.fixture
def serving():
    """Start a fake with these models."""
    started = []

    def serving(tells_manifests=False, **models):
        started.append(FakeServer(models, tells_manifests=tells_manifests).__enter__())
        return started[-1]

    yield serving
    for server in started:
        server.__exit__()


@pytest.fixture
def waits(monkeypatch):
    """Nobody waits; how long it would have been, in seconds."""
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def sent(fake):
    """The inputs of the last request."""
    verb, _, content = fake.asked[-1]
    assert verb == "POST"
    return content["inputs"]


# --- what is sent -----------------------------------------------------------------


def test_columns_go_to_the_inputs_of_their_names(serving):
    fake = serving(people=people())
    with RestClient(fake.url) as server:
        RemoteModel(server, "people").predict(TABLE | {"age": [33, 4]})
    assert sent(fake) == {
        "age": [33, 4],
        "hours_per_week": [40.5, 0.1],
        "job": ["cook", ""],
        "class_": ["2", "3"],
    }


def test_a_missing_number_is_sent_as_nan(serving):
    fake = serving(people=people())
    with RestClient(fake.url) as server:
        RemoteModel(server, "people").predict(TABLE)
    first, second = sent(fake)["age"]
    assert first == 33
    assert math.isnan(second)


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        (["A", "a"], {"A": "A", "a_2": "a"}),
        (["a", "A"], {"a": "a", "A_2": "A"}),
        (["a", "A"], {"A": "A", "a_2": "a"}),
        (["a b", "a_b"], {"a_b": "a_b", "a_b_2": "a b"}),
        (["1st", "ß", "lambda"], {"x1st": "1st", "x_": "ß", "lambda_": "lambda"}),
    ],
)
def test_names_that_tensorflow_does_not_take_find_their_columns(serving, columns, taken):
    inputs = {name: ("DT_DOUBLE", [-1]) for name in taken}
    fake = serving(odd=FakeModel(inputs, {"value": ("DT_FLOAT", [-1])}, echo))
    with RestClient(fake.url) as server:
        RemoteModel(server, "odd").predict({c: [i] for i, c in enumerate(columns)})
    assert sent(fake) == {n: [columns.index(c)] for n, c in taken.items()}


def test_a_list_of_numbers_takes_the_columns_as_they_stand(serving):
    fake = serving(digits=numbers())
    with RestClient(fake.url) as server:
        RemoteModel(server, "digits").predict({"b": ["1", "2"], "a": [0.1, 1e-30]})
    assert sent(fake) == {"x": [[1.0, 0.1], [2.0, 1e-30]]}


def test_a_manifest_gives_the_columns_their_names(serving):
    model = numbers()
    model.manifest = {"inputs": {"x": {"dtype": "float32", "columns": ["a", "b"]}}}
    fake = serving(tells_manifests=True, digits=model)
    with RestClient(fake.url) as server:
        RemoteModel(server, "digits").predict({"more": [7], "b": [1], "a": [2]})
    assert sent(fake) == {"x": [[2.0, 1.0]]}


def test_a_manifest_that_is_not_that_of_the_signature_is_not_used(serving):
    model = numbers()
    fake = serving(tells_manifests=True, digits=model)
    for manifest in (None, [], {}, {"inputs": []}, {"inputs": {"y": {}}}):
        model.manifest = manifest
        with RestClient(fake.url) as server:
            assert RemoteModel(server, "digits").manifest is None


@pytest.mark.parametrize(
    ("dtype", "cells", "values"),
    [
        ("DT_INT64", ["9007199254740993", "-1"], [9007199254740993, -1]),
        ("DT_INT32", [3.0, 4.0], [3, 4]),
        ("DT_UINT8", ["3.0", "+4"], [3, 4]),
        ("DT_BOOL", [True, False], [True, False]),
        ("DT_BOOL", ["true", "0"], [True, False]),
        ("DT_FLOAT", ["1e3", None], [1000.0, "nan"]),
        ("DT_STRING", ["ä", " x "], ["ä", "x"]),
    ],
)
@pytest.mark.parametrize("shape", [[-1], [-1, 1], None], ids=str)
def test_cells_become_what_the_input_takes(serving, dtype, cells, values, shape):
    model = FakeModel({"a": (dtype, shape)}, {"value": ("DT_FLOAT", [-1])}, echo)
    fake = serving(one=model)
    with RestClient(fake.url) as server:
        RemoteModel(server, "one").predict({"a": cells})
    got = [v[0] for v in sent(fake)["a"]] if shape == [-1, 1] else sent(fake)["a"]
    assert ["nan" if v != v else v for v in got] == values
    assert next(map(type, got)) is type(values[0])


@pytest.mark.parametrize(
    ("name", "asked", "used"),
    [
        ("people", "/v1/models/people", "/v1/models/people/versions/1"),
        ("people/1", "/v1/models/people/versions/1", "/v1/models/people/versions/1"),
        (
            "people/versions/1",
            "/v1/models/people/versions/1",
            "/v1/models/people/versions/1",
        ),
        (
            "people/labels/good one",
            "/v1/models/people/labels/good%20one",
            "/v1/models/people/versions/1",
        ),
    ],
)
def test_the_version_that_was_found_is_held_on_to(serving, name, asked, used):
    fake = serving(people=people())
    with RestClient(fake.url + "/") as server:
        model = RemoteModel(server, name)
        model.predict(TABLE)
    assert (model.name, model.version) == ("people", "1")
    assert [path for _, path, _ in fake.asked] == [
        f"{asked}/metadata",
        "/page/models/people/1",
        f"{used}:predict",
    ]


# --- what comes back --------------------------------------------------------------


def test_answers_have_the_types_of_the_model(serving):
    outputs = {
        "class": ("DT_STRING", [-1]),
        "number": ("DT_INT64", [-1]),
        "probabilities": ("DT_FLOAT", [-1, 2]),
        "raw_bytes": ("DT_STRING", [-1]),
        "flags": ("DT_BOOL", [-1, 1]),
    }
    given = {
        "class": ["ä", "b"],
        "number": [2**60, 1],
        "probabilities": [[0.110755622, math.inf], [math.nan, 1.0]],
        "raw_bytes": [{"b64": "YQ=="}, {"b64": "/w"+"=="}],
        "flags": [[True], [False]],
    }  # fmt: skip
    fake = serving(net=numbers(answer=lambda x: given, outputs=outputs))
    with RestClient(fake.url) as server:
        answers = RemoteModel(server, "net").predict({"a": [1, 2], "b": [3, 4]})
    assert {name: array.dtype.name for name, array in answers.items()} == {
        "class": "object",
        "flags": "bool",
        "number": "int64",
        "probabilities": "float32",
        "raw_bytes": "object",
    }
    assert list(answers["class"]) == ["ä", "b"]
    assert list(answers["raw_bytes"]) == ["a", r"\xff"]
    assert list(answers["number"]) == [2**60, 1]
    np.testing.assert_array_equal(
        answers["probabilities"],
        np.array([[0.11075562, np.inf], [np.nan, 1]], np.float32),
    )


def test_every_float32_survives_the_text_of_json(serving, rng):
    values = rng.integers(0, 2**31 - 2**24, 500).astype(np.uint32).view(np.float32)
    # As TensorFlow Serving writes a float: 6 digits, or 9 where these do not suffice.
    texts = [f"{v:.6g}" if np.float32(f"{v:.6g}") == v else f"{v:.9g}" for v in values]
    fake = serving(net=numbers(answer=lambda x: {"value": [float(t) for t in texts]}))
    with RestClient(fake.url) as server:
        answers = RemoteModel(server, "net").predict({"a": values, "b": values})
    np.testing.assert_array_equal(answers["value"], values)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda x: {"value": [1.0]},
            "the model does not answer row by row: 'value' is [1] for 2 rows",
        ),
        (
            lambda x: {"value": 1.0},
            "the model does not answer row by row: 'value' is [] for 2 rows",
        ),
        (
            lambda x: {"value": ["one", "two"]},
            "the server's answer is not of the model's form: ValueError: could not convert"
            " string to float: 'one'",
        ),
    ],
)
def test_an_answer_of_another_form_is_told(serving, answer, message):
    fake = serving(net=numbers(answer=answer))
    with RestClient(fake.url) as server, pytest.raises(ServerError) as raised:
        RemoteModel(server, "net").predict({"a": [1, 2], "b": [3, 4]})
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("labels", "manifest", "classes"),
    [
        (None, None, None),
        (["no", "yes"], None, ("no", "yes")),
        (["no", "no"], None, None),
        (["no", "yes", "perhaps"], None, None),
        ([], None, None),  # an empty example is refused
        (["no", "yes"], {"schema": {}, "classes": ["a", "b"]}, ("a", "b")),
        (["0", "1"], {}, None),
    ],
)
def test_classes_are_those_of_the_manifest_or_of_classify(
    serving, labels, manifest, classes
):
    outputs = {"probabilities": ("DT_FLOAT", [-1, 2])}
    if manifest is not None:
        manifest = manifest | {"inputs": PEOPLE}
    model = FakeModel(PEOPLE, outputs, echo, labels=labels, manifest=manifest)
    fake = serving(tells_manifests=True, people=model)
    with RestClient(fake.url) as server:
        assert RemoteModel(server, "people").classes == classes


# --- what cannot be sent ----------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"aeg": [1], "hours-per-week": [1], "job": ["a"], "class": ["b"]},
            "the table has no column 'age' (did you mean 'aeg'?); it has aeg,"
            " hours-per-week, job, class",
        ),
        (
            {**TABLE, "hours per week": [1, 2], "hours-per-week": [3, 4]},
            "the model's input 'hours_per_week' may take any of the columns"
            " 'hours-per-week', 'hours per week': name the right one 'hours_per_week'",
        ),
        (
            {**TABLE, "age": ["young", "1"]},
            "column 'age', row 0: 'young' is not a number. The column is numeric: its"
            " cells are numbers, or empty where missing",
        ),
        (
            {**TABLE, "hours-per-week": [1, math.inf]},
            "column 'hours-per-week', row 1: inf is not finite. Give a finite number, or"
            " leave the cell empty where it is missing",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_told_before_anything_is_sent(serving, table, message):
    fake = serving(people=people())
    with RestClient(fake.url) as server:
        model = RemoteModel(server, "people")
        with pytest.raises(InputError) as raised:
            model.predict(table)
    assert str(raised.value) == message
    assert [verb for verb, _, _ in fake.asked] == ["GET", "GET"]


@pytest.mark.parametrize(
    ("dtype", "cell", "message"),
    [
        ("DT_INT64", 1.5, "'1.5' is not a whole number, which the model takes"),
        ("DT_INT64", None, "a missing value is not a whole number, which the model takes"),
        ("DT_BOOL", "yes", "'yes' is not true or false, which the model takes"),
        ("DT_FLOAT", 1e39, "1e+39 is not finite in float32"),
    ],
)
def test_a_cell_that_the_input_does_not_take_is_told(serving, dtype, cell, message):
    model = FakeModel({"a": (dtype, [-1])}, {"value": ("DT_FLOAT", [-1])}, echo)
    fake = serving(one=model)
    with RestClient(fake.url) as server, pytest.raises(InputError) as raised:
        RemoteModel(server, "one").predict(pd.DataFrame({"a": [cell]}))
    assert str(raised.value) == f"column 'a', row 0: {message}"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"x": ("DT_FLOAT", [-1, 3])},
            "the model takes 3 numbers a row, and its server does not tell their names: the"
            " table must have these 3 columns alone, in the order of the training; it has"
            " 2: a, b",
        ),
        (
            {"x": ("DT_FLOAT", [-1, 28, 28])},
            "the model's input 'x' DT_FLOAT [-1, 28, 28] does not take the columns of a"
            " table: those are one value a row, or a list of them",
        ),
        (
            {"a": ("DT_FLOAT", [-1]), "x": ("DT_FLOAT", [-1, 4])},
            "of several inputs each must take one value a row; the model's are 'a' DT_FLOAT"
            " [-1], 'x' DT_FLOAT [-1, 4]",
        ),
        (
            {"a": ("DT_COMPLEX64", [-1])},
            "the model's input 'a' DT_COMPLEX64 [-1] is of a type that JSON does not carry",
        ),
    ],
)
def test_a_model_that_takes_no_such_table_is_told(serving, inputs, message):
    fake = serving(net=FakeModel(inputs, {"value": ("DT_FLOAT", [-1])}, echo))
    with RestClient(fake.url) as server, pytest.raises(InputError) as raised:
        RemoteModel(server, "net").predict({"a": [1], "b": [2]})
    assert str(raised.value) == message


def test_numbers_in_a_list_may_not_be_missing(serving):
    fake = serving(net=numbers())
    with RestClient(fake.url) as server, pytest.raises(InputError) as raised:
        RemoteModel(server, "net").predict({"a": [1, 2], "b": [1, None]})
    assert str(raised.value) == (
        "column 'b', row 1: the value is missing, and the model accepts no missing values"
    )


@pytest.mark.parametrize(
    "name", ["", "a/b", "a/labels/", "a/versions/x", "saved_models/digits", "a:predict"]
)
def test_a_name_of_another_form_is_told(serving, name):
    with nothing_listens() as url, pytest.raises(InputError) as raised:
        RemoteModel(RestClient(url), name)
    assert str(raised.value) == (
        "a model on a server is named NAME, NAME/VERSION or NAME/labels/LABEL, such as"
        f" digits, digits/3 or digits/labels/stable; got {name!r}"
    )


# --- servers that do not answer as asked ------------------------------------------


@pytest.mark.parametrize(
    ("tells", "hint"), [(False, ""), (True, "; did you mean 'people'? It has people")]
)
def test_an_unknown_model_is_told(serving, tells, hint):
    fake = serving(tells_manifests=tells, people=people())
    with RestClient(fake.url) as server, pytest.raises(InputError) as raised:
        RemoteModel(server, "poeple")
    assert str(raised.value) == (
        f"{fake.url} answered with 404: Servable not found for request: Latest(poeple)"
        + hint
    )


def test_an_unknown_version_is_told(serving):
    fake = serving(tells_manifests=True, people=people())
    with RestClient(fake.url) as server, pytest.raises(InputError) as raised:
        RemoteModel(server, "people/7")
    assert str(raised.value) == (
        f"{fake.url} answered with 404: Servable not found for request: Specific(people,"
        " 7). Its versions there: 1"
    )


def test_a_server_that_is_not_there_is_told():
    with nothing_listens() as url, pytest.raises(ServerError) as raised:
        RemoteModel(RestClient(url), "digits")
    assert str(raised.value) == (
        f"{url} gives no answer: Connection refused. Is a server running there, and is this"
        " its REST port?"
    )


def test_something_else_that_answers_is_told(serving):
    fake = serving()
    fake.before = [(200, {}, b"<html>  Welcome</html>")]
    with RestClient(fake.url) as server, pytest.raises(ServerError) as raised:
        RemoteModel(server, "digits")
    assert str(raised.value) == (
        f"{fake.url}/v1/models/digits/metadata: the answer is not JSON, but '<html>"
        " Welcome</html>'; is this the REST port of a model server?"
    )
    fake.before = [(200, {}, {"models": []})]
    with RestClient(fake.url) as server, pytest.raises(ServerError) as raised:
        RemoteModel(server, "digits")
    assert str(raised.value) == (
        "the server's metadata is not of TensorFlow Serving's form: KeyError: 'metadata'"
    )


def test_a_page_for_whatever_else_is_asked_is_no_manifest(serving, monkeypatch):
    """As of a proxy that answers every path."""
    fake = serving(net=numbers())
    answer = fake.answer

    def everything(verb, path, content):
        return (200, {}, b"<html>") if "page" in path else answer(verb, path, content)

    monkeypatch.setattr(fake, "answer", everything)
    with RestClient(fake.url) as server:
        assert RemoteModel(server, "net").manifest is None


def test_a_model_without_serving_default_is_told(serving):
    fake = serving(people=people())
    metadata = fake.models["people"].metadata("people")
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    signatures["classify"] = signatures.pop("serving_default")
    fake.before = [(200, {}, metadata)]
    with RestClient(fake.url) as server, pytest.raises(InputError) as raised:
        RemoteModel(server, "people")
    assert str(raised.value) == (
        "the model 'people' has no signature 'serving_default'; it has classify"
    )


def test_the_servers_own_words_are_passed_on(serving):
    def refuse(x):
        raise ValueError("Matrix size-incompatible")

    fake = serving(net=numbers(answer=refuse))
    with RestClient(fake.url) as server, pytest.raises(ServerError) as raised:
        RemoteModel(server, "net").predict({"a": [1], "b": [2]})
    assert str(raised.value) == f"{fake.url} answered with 400: Matrix size-incompatible"
    assert raised.value.status == 400


def test_a_busy_server_is_asked_again_when_it_says(serving, waits):
    fake = serving(net=numbers())
    with RestClient(fake.url) as server:
        model = RemoteModel(server, "net")
        fake.before = [
            error(429, "busy", **{"Retry-After": "2"}),
            error(503, "busy", **{"Retry-After": "900"}),
            error(503, "busy", **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
            error(503, "busy"),
        ]
        assert list(model.predict({"a": [1], "b": [2]})["value"]) == [0]
    assert waits == [2, 30, 1, 2]


def test_a_server_that_stays_busy_is_told(serving, waits):
    fake = serving(net=numbers())
    fake.before = [error(429, "Too many requests wait")] * 6
    with RestClient(fake.url) as server, pytest.raises(ServerError) as raised:
        RemoteModel(server, "net")
    assert str(raised.value) == f"{fake.url} answered with 429: Too many requests wait"
    assert waits == [0.25, 0.5, 1, 2, 4]
    assert len(fake.asked) == 6


def test_a_connection_that_was_closed_meanwhile_is_made_again(serving):
    fake = serving(net=numbers())
    with RestClient(fake.url) as server:
        model = RemoteModel(server, "net")
        fake.before = [None]
        assert list(model.predict({"a": [1], "b": [2]})["value"]) == [0]
    assert [verb for verb, _, _ in fake.asked] == ["GET", "GET", "POST", "POST"]


def test_a_connection_that_is_closed_at_once_is_told(serving):
    fake = serving(net=numbers())
    fake.before = [None]
    with RestClient(fake.url) as server, pytest.raises(ServerError) as raised:
        RemoteModel(server, "net")
    assert str(raised.value) == (
        f"{fake.url} gives no answer: Remote end closed connection without response. Is a"
        " server running there, and is this its REST port?"
    )


def test_a_server_that_is_too_slow_is_told(serving, monkeypatch):
    fake = serving(net=numbers())
    held = threading.Event()
    monkeypatch.setattr(fake, "answer", lambda *asked: held.wait(30) and None)
    with RestClient(fake.url, timeout_seconds=0.05) as server:
        with pytest.raises(ServerError) as raised:
            RemoteModel(server, "net")
        held.set()
    assert str(raised.value) == f"{fake.url} did not answer within 0.05 seconds"


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("localhost:8501", ""),
        ("127.0.0.1", ""),
        ("ftp://a", ""),
        ("http://", ""),
        ("http://a:b", ": Port could not be cast to integer value as 'b'"),
        ("http://a:0", ""),
        ("http://me@a", ""),
        ("http://a/?b", ""),
    ],
)
def test_an_address_of_another_form_is_told(url, more):
    with pytest.raises(InputError) as raised:
        RestClient(url)
    assert str(raised.value) == (
        f"the server's address is http://HOST:PORT or https://HOST:PORT; got {url!r}{more}"
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody has signed, and its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path),
            *("-out", path.with_suffix(".crt")),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


def test_https_is_checked_by_the_certificates_that_are_given(certificate):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with FakeServer({"net": numbers()}, tls=tls) as fake:
        with RestClient(fake.url, ca_cert=str(certificate)) as server:
            answers = RemoteModel(server, "net").predict({"a": [1], "b": [2]})
        with RestClient(fake.url) as server, pytest.raises(ServerError) as raised:
            RemoteModel(server, "net")
    assert list(answers["value"]) == [0]
    assert str(raised.value) == (
        f"{fake.url}: the server's certificate is not trusted: self-signed certificate."
        " Name the authority that signed it (--ca-cert)"
    )


def test_certificates_that_are_none_are_told(tmp_path):
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(InputError) as raised:
        RestClient("https://a", ca_cert=str(tmp_path / "ca.pem"))
    assert re.fullmatch(
        re.escape(f"{tmp_path / 'ca.pem'}: cannot be used as certificates: ") + ".+",
        str(raised.value),
    )
    with pytest.raises(InputError) as raised:
        RestClient("https://a", ca_cert=str(tmp_path / "none.pem"))
    assert str(raised.value) == (
        f"{tmp_path / 'none.pem'}: cannot be used as certificates: No such file or"
        " directory"
    )


def test_the_client_loads_neither_tensorflow_nor_sklearn(serving):
    fake = serving(people=people())
    code = (
        "import json, sys\n"
        "from kerasnn.serving.client import RemoteModel, RestClient\n"
        f"answers = RemoteModel(RestClient({fake.url!r}), 'people').predict({TABLE!r})\n"
        "heavy = sorted({'tensorflow', 'keras', 'sklearn'} & sys.modules.keys())\n"
        "print(json.dumps([answers['value'].tolist(), heavy]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[0, 1], []]
