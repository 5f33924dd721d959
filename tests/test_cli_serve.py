"""`kerasnn serve`: its options, and what is refused before TensorFlow is loaded."""

import logging
import socket
import sys
from pathlib import Path

import click
import pytest

from kerasnn.cli import console, main, serve
from kerasnn.cli.serve import command
from kerasnn.cli.serve.options import server_options
from kerasnn.serving.options import Limits, ServerOptions, TlsFiles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`models/half/1`, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/half/1").mkdir(parents=True)
    (tmp_path / "models/half/1/saved_model.pb").touch()
    return tmp_path


@pytest.fixture
def run(monkeypatch, capfd, folder):
    """Run the command: exit code, and the last line of standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kerasnn", "serve", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capfd.readouterr()
        assert captured.out == ""
        return stop.value.code, captured.err.splitlines()[-1]

    return run


def options(*arguments):
    """What the server would be told."""
    context = serve.serve.make_context("serve", [str(a) for a in arguments])
    given = dict(context.params)
    del given["as_json"]
    return server_options(given)


# --- what the server is told ------------------------------------------------------------


def test_without_options_the_server_is_told_its_own_defaults(folder):
    assert options("models") == ServerOptions(Path("models"))


def test_control_characters_are_escaped_in_the_log():
    formatter = command._LineFormatter("%(message)s")
    record = logging.LogRecord("a", 30, "", 1, "model %s", ("\x1b[31m\nb",), None)
    assert formatter.format(record) == r"model \x1b[31m\nb"


@pytest.mark.parametrize("given", [("--allow", "ReadFile"), ("--model", "a")])
def test_allow_says_for_which_model(folder, given):
    with pytest.raises(click.UsageError, match="--allow and --model go together"):
        options("models", *given)


def test_an_operation_that_tensorflow_does_not_have_is_refused_with_a_near_one(folder):
    with pytest.raises(click.UsageError, match="no operation ReadFle; did you mean ReadF"):
        options("models", "--model", "a", "--allow", "ReadFle")
    with pytest.raises(click.UsageError, match="no operation NoSuchThing"):
        options("models", "--model", "a", "--allow", "NoSuchThing")


def test_each_option_arrives(folder):
    told = options(
        "models",
        *("--rest-port", 1, "--grpc-port", "off", "--host", "::1", "--allow-origin", "*"),
        *("--drain-seconds", 2, "--versions", 3, "--versions", 5, "--versions", 3),
        *("--poll-seconds", 4, "--no-warm-up", "--allow", "ReadFile"),
        *("--allow", "WriteFile", "--model", "a", "--model", "b"),
        *("--no-batching", "--max-batch-rows", 6, "--batch-wait-us", 7, "--threads", 8),
        *("--max-body-bytes", 9, "--max-rows", 10, "--max-nesting", 11),
        *("--max-message-bytes", 14, "--max-bytes-in-flight", 15),
        *("--max-waiting", 12, "--timeout-seconds", 13, "--access-log", "log"),
        *("--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a"),
    )
    assert told == ServerOptions(
        Path("models"),
        latest=None,
        versions=(3, 5),
        host="::1",
        rest_port=1,
        grpc_port=None,
        poll_seconds=4,
        allow=("ReadFile", "WriteFile"),
        allow_models=("a", "b"),
        warm_up=False,
        batching=False,
        max_batch_rows=6,
        batch_wait_microseconds=7,
        threads=8,
        limits=Limits(
            body_bytes=9,
            message_bytes=14,
            bytes_in_flight=15,
            rows=10,
            nesting=11,
            waiting=12,
            timeout_seconds=13,
        ),
        allowed_origins=("*",),
        tls=TlsFiles(Path("c"), Path("k"), Path("a")),
        access_log="log",
        drain_seconds=2,
    )


@pytest.mark.parametrize(
    ("given", "latest"), [("latest", 1), ("all", None)], ids=["latest", "all"]
)
def test_versions_can_be_a_word(folder, given, latest):
    told = options("models", "--versions", given)
    assert (told.latest, told.versions) == (latest, ())


def test_a_file_of_models_takes_the_place_of_the_folder():
    told = options("--model-config-file", "models.config")
    assert told == ServerOptions(None, model_config_file=Path("models.config"))


def test_a_file_of_batching_takes_the_place_of_options(folder):
    (folder / "b.config").write_text(
        "max_batch_size { value: 8 } max_enqueued_batches { value: 2 }"
        " batch_timeout_micros { value: 500 } allowed_batch_sizes: [4, 8]"
    )
    assert options("models", "--batching-parameters-file", "b.config") == ServerOptions(
        Path("models"),
        max_batch_rows=8,
        max_request_rows=8,
        batch_sizes=(4, 8),
        batch_wait_microseconds=500,
        limits=Limits(waiting=16),
    )


def test_a_folder_may_be_one_model(folder):
    assert options("models/half").folder == Path("models/half")


# --- wrong use --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "Give either FOLDER or --model-config-file"),
        ("models --model-config-file x", "Give either FOLDER or --model-config-file"),
        (
            "models --rest-port off --grpc-port off",
            "--rest-port and --grpc-port must not both be off",
        ),
        (
            "models --versions latest --versions 3",
            "--versions is latest, or all, or numbers (--versions 3 --versions 5); got"
            " latest, 3",
        ),
        (
            "models --versions latest --versions all",
            "--versions is latest, or all, or numbers (--versions 3 --versions 5); got"
            " latest, all",
        ),
        (
            "models --versions newest",
            "Invalid value for '--versions': 'newest' is neither latest, nor all, nor a"
            " number",
        ),
        (
            "--model-config-file x --versions all",
            "--versions is for FOLDER; the file of models names its own",
        ),
        (
            "models --rest-port 65536",
            "Invalid value for '--rest-port': '65536' is neither a port (1 to 65535), nor 0"
            " for any free one, nor off",
        ),
        (
            "models --poll-seconds nan",
            "Invalid value for '--poll-seconds': 'nan' is not a number of seconds",
        ),
        (
            "models --drain-seconds inf",
            "Invalid value for '--drain-seconds': 'inf' is not a number of seconds",
        ),
        (
            "models --batching-parameters-file x --max-batch-rows 8",
            "--batching-parameters-file takes the place of --no-batching,"
            " --max-batch-rows, --batch-wait-us and --threads; give one or the other",
        ),
        ("models --tls-cert x", "--tls-cert and --tls-key go together"),
        ("models --tls-client-ca x", "--tls-client-ca needs --tls-cert and --tls-key"),
    ],
)
def test_wrong_use_is_told_and_exits_2(run, arguments, message):
    assert run(*arguments.split()) == (2, f"Error: {message}")


def test_an_unknown_option_is_answered_with_all_there_are(run):
    code, told = run("models", "--port", 1)
    assert code == 2
    assert told.startswith("Error: No such option: --port. Possible: --json, --rest-port, ")


# --- what cannot be served --------------------------------------------------------------


def test_a_folder_that_is_not_there_is_told_with_what_was_meant(run):
    told = "Error: model: there is no such folder; did you mean models?"
    assert run("model") == (1, told)


def test_a_folder_without_models_is_told(run, folder):
    (folder / "empty/inner").mkdir(parents=True)
    assert run("empty") == (
        1,
        "Error: empty: holds no model; expected empty/NAME/1/saved_model.pb or"
        " empty/1/saved_model.pb",
    )


def test_a_version_is_told_to_be_one(run, folder):
    assert run("models/half/1") == (
        1,
        "Error: models/half/1: is one version of a model; give its model's folder,"
        f" {folder}/models/half, and --versions 1",
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("s3://bucket/models", "aws s3 cp --recursive s3://bucket/models models"),
        ("models/net.keras", "keras.models.load_model('models/net.keras').export("),
        ("models/half/1/saved_model.pb", "give its folder, models/half/1"),
    ],
)
def test_what_is_no_folder_of_models_is_told_with_the_way_out(run, path, words):
    code, told = run(path)
    assert code == 1
    assert words in told


def test_a_saved_model_without_a_version_is_told_how_to_get_one(run, folder):
    (folder / "shop").mkdir()
    (folder / "shop/saved_model.pb").touch()
    assert run("shop") == (
        1,
        "Error: shop: is a SavedModel without a version, whose folder must be a number:"
        f" mkdir -p models/shop; cp -r {folder}/shop models/shop/1; kerasnn serve models",
    )


def test_a_taken_port_is_told_before_anything_is_loaded(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run("models", "--rest-port", 0, "--grpc-port", port) == (
            1,
            f"Error: --grpc-port {port}: another program listens on 127.0.0.1:{port};"
            " give another port, or 0 for any free one",
        )


def test_a_certificate_that_is_not_there_is_told_before_anything_is_loaded(run):
    assert run("models", "--tls-cert", "no.crt", "--tls-key", "no.key") == (
        1,
        "Error: --tls-cert no.crt: No such file or directory",
    )


def test_a_missing_extra_is_told_with_the_way_out(run, monkeypatch):
    monkeypatch.setattr(command, "NEEDED", ("no_such_module",))
    code, err = run("models")
    assert code == 1
    assert err.startswith("Error: kerasnn serve needs packages that are not installed.")
    assert err.endswith('python -m pip install ".[serve]"')


# --- Keras is left out --------------------------------------------------------------------


def test_keras_can_be_imported_again_after_tensorflow_was(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with console.without_keras(), pytest.raises(ImportError):
        import keras  # noqa: F401
    assert "keras" not in sys.modules


def test_keras_stays_if_it_is_there_already(monkeypatch):
    there = object()
    monkeypatch.setitem(sys.modules, "keras", there)
    with console.without_keras():
        assert sys.modules["keras"] is there
    assert sys.modules["keras"] is there
