"""The life of models: found, loaded, swapped, unloaded; and who uses them meanwhile."""

import gc
import logging
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import serving_models
from serving_models import make_half_plus_two

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.models import registry as registry_module
from kerasnn.serving.models import versions as versions_module
from kerasnn.serving.models.allowed import Allowed
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import ModelSource, folder_sources
from kerasnn.serving.saved_model.graph import Graph


@pytest.fixture(autouse=True, scope="module")
def quick_collector():
    """As in the server: what is there already need not be looked through."""
    gc.freeze()
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # as conftest has it


@pytest.fixture(scope="module")
def spare(tmp_path_factory):
    """Versions that need not be made again: y = x / 2 + number."""
    folder = tmp_path_factory.mktemp("spare")
    for number in range(1, 6):
        make_half_plus_two(folder, number, two=float(number))
    serving_models.make_broken(folder / "broken")
    serving_models.make_failing_warm_up(folder / "failing_warm_up")
    return folder


class Disk:
    """A folder with one model, "m", whose versions come and go."""

    def __init__(self, folder, spare):
        self.folder, self.spare = folder / "m", spare
        self.folder.mkdir()

    def add(self, *numbers, kind=None, name=None):
        for number in numbers:
            source = self.spare / (str(number) if kind is None else f"{kind}/1")
            shutil.copytree(source, self.folder / (name or str(number)))

    def remove(self, *numbers):
        for number in numbers:
            shutil.rmtree(self.folder / str(number))


@pytest.fixture
def disk(tmp_path, spare):
    return Disk(tmp_path, spare)


@pytest.fixture
def serving(disk):
    """A function that makes the Models of the disk, after a first look."""
    several = []

    def make(sources=None, **options):
        models = ModelRegistry(sources or folder_sources(disk.folder.parent), **options)
        several.append(models)
        models.refresh()
        return models

    yield make
    for models in several:
        models.stop()


def answer(version):
    """y for x = 0: the version's number."""
    signature = version.graph.signatures["serving_default"]
    return float(
        version.graph.run(signature, {"x": np.zeros(1, np.float32)}, ("y",))["y"][0]
    )


def ask(models, name="m", **which):
    with models.use(name, **which) as version:
        assert answer(version) == version.number
        return version.number


def states(models, name="m"):
    return [
        (status.version, status.state, status.code.name) for status in models.statuses(name)
    ]


def error_of(call, *args, **kwargs):
    with pytest.raises(ServingError) as caught:
        call(*args, **kwargs)
    return caught.value.code, caught.value.message


# --- requests ---------------------------------------------------------------------


def test_the_latest_version_answers_and_others_by_number_or_label(disk, serving):
    disk.add(1, 2, 3)
    source = ModelSource(disk.folder, latest=None, labels={"old": 1, "new": 3, "no": 9})
    models = serving({"m": source})
    assert ask(models) == 3
    assert ask(models, version=2) == 2
    assert ask(models, label="old") == 1
    assert models.labels("m") == {"old": 1, "new": 3}
    assert models.labels("other") == {}


@pytest.mark.parametrize(
    ("name", "which", "code", "message"),
    [
        (
            "other",
            {},
            Code.NOT_FOUND,
            "Servable not found for request: Latest(other)",
        ),
        (
            "other",
            {"version": 7},
            Code.NOT_FOUND,
            "Servable not found for request: Specific(other, 7)",
        ),
        (
            "m",
            {"version": 0},
            Code.NOT_FOUND,
            "Servable not found for request: Specific(m, 0)",
        ),
        (
            "other",
            {"label": "a"},
            Code.INVALID_ARGUMENT,
            "Unrecognized servable version label: a",
        ),
        (
            "m",
            {"label": "a"},
            Code.INVALID_ARGUMENT,
            "Unrecognized servable version label: a",
        ),
        (
            "../m",
            {},
            Code.NOT_FOUND,
            "Servable not found for request: Latest(../m)",
        ),
    ],
)
def test_what_is_not_there_is_told(disk, serving, name, which, code, message):
    disk.add(1)
    models = serving()
    assert error_of(models.use(name, **which).__enter__) == (code, message)


def test_statuses_are_the_newest_first(disk, serving):
    disk.add(1, 2)
    models = serving({"m": ModelSource(disk.folder, latest=None)})
    assert states(models) == [(2, "AVAILABLE", "OK"), (1, "AVAILABLE", "OK")]
    (only,) = models.statuses("m", 1)
    assert (only.version, only.state, only.code, only.message) == (
        1,
        "AVAILABLE",
        Code.OK,
        "",
    )
    assert error_of(models.statuses, "other") == (
        Code.NOT_FOUND,
        "Could not find any versions of model other",
    )
    assert error_of(models.statuses, "m", 7) == (
        Code.NOT_FOUND,
        "Could not find version 7 of model m",
    )


# --- versions come and go ---------------------------------------------------------


def test_a_new_version_takes_the_place_of_the_old_one(disk, serving):
    disk.add(1)
    models = serving()
    disk.add(2)
    assert ask(models) == 1
    models.refresh()
    assert ask(models) == 2
    assert states(models) == [(2, "AVAILABLE", "OK"), (1, "END", "OK")]
    assert error_of(models.use("m", version=1).__enter__)[0] is Code.NOT_FOUND


def test_there_is_no_moment_without_a_version(disk, serving, monkeypatch):
    disk.add(1)
    models = serving()
    seen = []

    def load(folder, **options):
        seen.append((ask(models), states(models)))
        return Graph(folder, **options)

    monkeypatch.setattr(registry_module, "Graph", load)
    disk.add(2)
    models.refresh()
    assert seen == [(1, [(2, "LOADING", "OK"), (1, "AVAILABLE", "OK")])]


def test_whoever_uses_a_version_keeps_it(disk, serving):
    disk.add(1)
    models = serving()
    with models.use("m") as version:
        disk.add(2)
        models.refresh()
        assert states(models) == [(2, "AVAILABLE", "OK"), (1, "UNLOADING", "OK")]
        version.hold()
        assert answer(version) == 1.0
    assert states(models)[1] == (1, "UNLOADING", "OK")
    assert answer(version) == 1.0
    version.release()
    unloading = [t for t in threading.enumerate() if t.name == "kerasnn-unload"]
    for thread in unloading:
        thread.join()
    assert states(models)[1] == (1, "END", "OK")


def test_a_removed_version_is_unloaded_and_the_one_before_it_comes_back(disk, serving):
    disk.add(1, 2)
    models = serving()
    assert states(models) == [(2, "AVAILABLE", "OK")]
    disk.remove(2)
    models.refresh()
    assert ask(models) == 1
    assert states(models) == [(2, "END", "OK"), (1, "AVAILABLE", "OK")]
    disk.add(2)
    models.refresh()
    assert ask(models) == 2
    assert states(models) == [(2, "AVAILABLE", "OK"), (1, "END", "OK")]


@pytest.mark.parametrize("how", ["the version", "the model", "the folder of models"])
def test_after_the_last_version_nothing_answers(disk, serving, how):
    disk.add(1)
    models = serving()
    if how == "the version":
        disk.remove(1)
    else:
        folder = disk.folder if how == "the model" else disk.folder.parent
        folder.rename(folder.with_name("elsewhere"))
    models.refresh()
    assert error_of(models.use("m").__enter__) == (
        Code.NOT_FOUND,
        "Servable not found for request: Latest(m)",
    )
    assert states(models) == [(1, "END", "OK")]
    assert "m" not in models.names()


def test_numbers_are_compared_as_numbers(disk, serving):
    disk.add(2)
    shutil.copytree(disk.spare / "3", disk.folder / "0010")
    models = serving()
    assert states(models) == [(10, "AVAILABLE", "OK")]
    with models.use("m") as version:
        assert answer(version) == 3.0
        assert version.folder == disk.folder / "0010"


@pytest.mark.parametrize(
    ("policy", "first", "then"),
    [
        ({"latest": 2}, [3, 1], [5, 3]),
        ({"latest": None}, [3, 1], [5, 3, 1]),
        ({"versions": (1, 5)}, [1], [5, 1]),
    ],
    ids=["latest", "all", "specific"],
)
def test_the_policy_decides_which_are_served(disk, serving, policy, first, then):
    disk.add(1, 3)
    models = serving({"m": ModelSource(disk.folder, **policy)})
    available = [number for number, state, _ in states(models) if state == "AVAILABLE"]
    assert available == first
    disk.add(5)
    models.refresh()
    available = [number for number, state, _ in states(models) if state == "AVAILABLE"]
    assert available == then


def test_the_highest_version_is_loaded_first(disk, serving, caplog):
    caplog.set_level(logging.INFO, "kerasnn.serving")
    disk.add(1, 2, 3)
    serving({"m": ModelSource(disk.folder, latest=None)})
    assert caplog.messages == [f"model m version {n} is available" for n in (3, 2, 1)]


def test_a_new_model_is_found(disk, serving, spare):
    models = serving()
    assert (models.names(), models.ready) == ([], True)
    shutil.copytree(spare / "4", disk.folder.parent / "two words" / "4")
    models.refresh()
    assert models.names() == ["two words"]
    assert ask(models, "two words") == 4


# --- versions that fail -----------------------------------------------------------


def test_a_version_that_does_not_load_leaves_the_old_one(disk, serving, caplog):
    disk.add(1)
    models = serving()
    disk.add(2, kind="broken")
    models.refresh()
    assert ask(models) == 1
    assert states(models) == [(2, "END", "DATA_LOSS"), (1, "AVAILABLE", "OK")]
    message = models.statuses("m", 2)[0].message
    assert message.startswith(f"{disk.folder}/2/saved_model.pb cannot be read: ")
    assert caplog.messages == [f"model m version 2 does not load: {message}"]
    assert caplog.records[0].levelname == "WARNING"
    disk.add(3)
    models.refresh()
    assert ask(models) == 3


def test_a_fault_of_the_server_is_logged_with_its_place(disk, serving, monkeypatch, caplog):
    def fail(folder, **options):
        raise KeyError("a fault")

    disk.add(1)
    monkeypatch.setattr(registry_module, "Graph", fail)
    assert states(serving()) == [(1, "END", "INTERNAL")]
    assert "model m version 1 does not load\nTraceback" in caplog.text


def test_a_version_that_does_not_answer_its_warm_up_is_not_served(disk, serving):
    disk.add(1)
    models = serving()
    disk.add(2, kind="failing_warm_up")
    models.refresh()
    assert ask(models) == 1
    path = disk.folder / "2" / "assets.extra" / "tf_serving_warmup_requests"
    status = models.statuses("m", 2)[0]
    assert (status.state, status.code, status.message) == (
        "END",
        Code.INVALID_ARGUMENT,
        f"warmup record 1 of {path}: the inputs of the signature serving_default are {{x}};"
        " got {no_such_input}",
    )
    served = serving(warm_up=False)
    assert states(served) == [(2, "AVAILABLE", "OK")]


class Told:
    """Metrics that keep what they are told."""

    def __init__(self):
        self.warm_ups = []

    def observe_warm_up(self, *, model, seconds):
        assert seconds > 0
        self.warm_ups.append(model)


def test_the_metrics_are_told_of_a_warm_up(disk, serving):
    disk.add(1, 2)
    log = serving_models.predict_log("m", x=[1.0])
    serving_models.write_warm_up(disk.folder / "2", log)
    told = Told()
    serving({"m": ModelSource(disk.folder, latest=None)}, metrics=told)
    assert told.warm_ups == ["m"]  # version 1 has no file


def test_a_failed_version_is_tried_again_when_its_folder_has_changed(disk, serving, caplog):
    disk.add(1, kind="broken")
    models = serving()
    for _ in range(3):
        models.refresh()
    assert len(caplog.messages) == 1
    shutil.copytree(disk.spare / "1", disk.folder / "1", dirs_exist_ok=True)
    models.refresh()
    assert ask(models) == 1
    assert states(models) == [(1, "AVAILABLE", "OK")]


def test_a_failed_version_is_tried_again_when_it_went_and_came_back(disk, serving, caplog):
    disk.add(1, kind="broken")
    models = serving({"m": ModelSource(disk.folder)})
    aside = disk.folder.parent / "aside"
    (disk.folder / "1").rename(aside)
    models.refresh()
    aside.rename(disk.folder / "1")
    models.refresh()
    assert len(caplog.messages) == 2


def test_a_folder_that_is_still_copied_is_loaded_when_it_is_whole(disk, serving):
    (disk.folder / "1").mkdir()
    models = serving()
    status = models.statuses("m")[0]
    assert (status.state, status.code, status.message) == (
        "END",
        Code.NOT_FOUND,
        "Could not find SavedModel .pb or .pbtxt at supplied export directory path:"
        f" {disk.folder}/1",
    )
    shutil.copytree(disk.spare / "1", disk.folder / "1", dirs_exist_ok=True)
    models.refresh()
    assert ask(models) == 1


def test_at_the_start_an_older_version_is_better_than_none(disk, serving):
    disk.add(1, 2)
    disk.add(3, kind="broken")
    models = serving()
    assert ask(models) == 2
    models.refresh()
    assert states(models) == [(3, "END", "DATA_LOSS"), (2, "AVAILABLE", "OK")]
    disk.add(4)
    models.refresh()
    assert states(models) == [
        (4, "AVAILABLE", "OK"),
        (3, "END", "DATA_LOSS"),
        (2, "END", "OK"),
    ]


def test_versions_that_were_named_have_no_substitutes(disk, serving):
    disk.add(1)
    disk.add(3, kind="broken")
    models = serving({"m": ModelSource(disk.folder, versions=(3,))})
    assert states(models) == [(3, "END", "DATA_LOSS")]
    assert models.ready


def test_a_model_without_a_version_is_not_ready(disk, serving):
    models = serving({"m": ModelSource(disk.folder)})
    assert not models.ready
    assert models.names() == ["m"]
    assert error_of(models.statuses, "m") == (
        Code.NOT_FOUND,
        "Could not find any versions of model m",
    )
    disk.add(1)
    models.refresh()
    assert models.ready


def test_before_the_first_look_nothing_is_ready_and_nothing_is_unknown(disk):
    models = ModelRegistry(folder_sources(disk.folder.parent))
    assert models.why_not_ready() == "the models are looked for"
    loading = (Code.UNAVAILABLE, "the server is still loading; try again")
    assert error_of(models.take, "m", None, None) == loading
    assert error_of(models.statuses, "m") == loading


def test_while_models_load_the_loading_and_the_waiting_are_unavailable(
    disk, spare, monkeypatch
):
    """Two models: the second waits for the first."""
    for number in (1, 2):
        disk.add(number)
    shutil.copytree(spare / "1", disk.folder.parent / "n/1")
    begun, go_on = threading.Event(), threading.Event()

    def load(folder, **options):
        begun.set()
        assert go_on.wait(60)
        return Graph(folder, **options)

    monkeypatch.setattr(registry_module, "Graph", load)
    models = ModelRegistry(folder_sources(disk.folder.parent, latest=None))
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(models.refresh)
        assert begun.wait(60)
        try:
            assert models.why_not_ready() == "loading: m version 2 (0 of 2 models are done)"
            for name, version, what in (
                ("m", None, "model m version 2"),
                ("m", 2, "model m version 2"),
                ("m", 1, "model m"),
                ("n", None, "model n"),
            ):
                with pytest.raises(ServingError) as caught:
                    models.take(name, version, None)
                assert caught.value.code is Code.UNAVAILABLE
                assert caught.value.message == f"{what} is still loading; try again"
                assert caught.value.retry_after_seconds == 1
            assert error_of(models.take, "o", None, None) == (
                Code.NOT_FOUND,
                "Servable not found for request: Latest(o)",
            )
            assert states(models) == [(2, "LOADING", "OK")]
        finally:
            go_on.set()
        done.result(60)
    assert models.ready
    assert error_of(models.take, "m", 3, None)[0] is Code.NOT_FOUND
    models.stop()


def test_only_trusted_models_may_write(disk, serving, tmp_path):
    for name in ("m", "other"):
        serving_models.make_writing(tmp_path / name, target=str(tmp_path / "written"))
    models = serving(allowed=Allowed(("other",), ("WriteFile",)))
    assert states(models, "m") == [(1, "END", "PERMISSION_DENIED")]
    assert states(models, "other") == [(1, "AVAILABLE", "OK")]
    (status,) = models.statuses("m")
    assert status.message.endswith(
        "if you trust the model, start the server again with --model m --allow WriteFile"
    )


def test_what_was_allowed_is_not_for_another_folder_of_that_name(disk, serving, tmp_path):
    good, evil = tmp_path / "good", tmp_path / "evil"
    serving_models.make_writing(good, target=str(tmp_path / "a"))
    serving_models.make_writing(evil, target=str(tmp_path / "b"))
    models = serving({"m": ModelSource(good)}, allowed=Allowed(("m",), ("WriteFile",)))
    assert states(models) == [(1, "AVAILABLE", "OK")]
    shutil.copytree(evil / "1", evil / "2")
    with pytest.raises(ServingError, match="PERMISSION_DENIED"):
        models.reload({"m": ModelSource(evil), "new": ModelSource(evil)})
    (newest, *_) = models.statuses("m")
    assert (newest.version, newest.code) == (2, Code.PERMISSION_DENIED)
    assert newest.message.endswith(
        f"--allow is for the graphs that were in {good} when the server started, and this"
        " one is not among them; if you trust it, start the server again with --model m"
        " --allow WriteFile"
    )


def test_what_was_allowed_is_not_for_a_new_graph(disk, serving, tmp_path):
    serving_models.make_writing(disk.folder, target=str(tmp_path / "a"))
    models = serving(allowed=Allowed(("m", "later"), ("WriteFile",)))
    serving_models.make_writing(disk.folder, 2, target=str(tmp_path / "b"))
    shutil.copytree(disk.folder / "1", disk.folder / "3")  # the same graph again
    serving_models.make_writing(disk.folder.parent / "later", target=str(tmp_path / "c"))
    models.refresh()
    assert states(models, "later") == [(1, "END", "PERMISSION_DENIED")]
    assert (3, "AVAILABLE", "OK") in states(models)
    shutil.rmtree(disk.folder / "3")
    models.refresh()
    assert (2, "END", "PERMISSION_DENIED") in states(models)


def test_a_disk_that_does_not_answer_loses_no_model(disk, serving, monkeypatch, caplog):
    disk.add(1)
    models = serving()
    listed = Path.iterdir

    def fail(self):
        raise OSError(5, "Input/output error", str(self))

    monkeypatch.setattr(Path, "iterdir", fail)
    for _ in range(3):
        models.refresh()
    assert ask(models) == 1
    assert models.ready
    monkeypatch.setattr(Path, "iterdir", listed)
    disk.add(2)
    models.refresh()
    assert ask(models) == 2
    assert caplog.messages == [
        "the models cannot be listed; the served models stay: [Errno 5] Input/output"
        f" error: '{disk.folder.parent}'"
    ]


def test_one_models_disk_does_not_hold_up_the_others(disk, serving, monkeypatch, caplog):
    disk.add(1)
    listed = registry_module.version_folders

    def list_or_fail(folder):
        if folder.name == "far":
            raise OSError(5, "Input/output error", str(folder))
        return listed(folder)

    monkeypatch.setattr(registry_module, "version_folders", list_or_fail)
    far = disk.folder.parent / "far"
    models = serving({"far": ModelSource(far), "m": ModelSource(disk.folder)})
    assert ask(models) == 1
    assert not models.ready
    assert caplog.messages == [
        "model far cannot be listed; the served models stay: [Errno 5] Input/output"
        f" error: '{far}'"
    ]


def test_versions_that_are_gone_are_not_remembered_for_ever(disk, serving, monkeypatch):
    monkeypatch.setattr(versions_module, "MAX_ENDED_VERSIONS", 2)
    models = serving({"m": ModelSource(disk.folder)})
    for number in range(1, 6):
        disk.add(number)
        models.refresh()
        disk.remove(number)
        models.refresh()
    models.refresh()
    assert states(models) == [(5, "END", "OK"), (4, "END", "OK")]


# --- another configuration --------------------------------------------------------


def test_a_reload_serves_these_models_and_no_others(disk, serving, spare):
    disk.add(1)
    models = serving()
    models.reload({"n": ModelSource(spare, versions=(4, 5), labels={})})
    assert models.names() == ["n"]
    assert ask(models, "n") == 5
    assert error_of(models.use("m").__enter__)[0] is Code.NOT_FOUND
    assert states(models) == [(1, "END", "OK")]
    models.refresh()  # the folder is not looked at any more
    assert models.names() == ["n"]


def test_a_label_moves_to_an_available_version_only(disk, serving):
    disk.add(1, 2)
    models = serving({"m": ModelSource(disk.folder, latest=None)})
    models.reload({"m": ModelSource(disk.folder, latest=None, labels={"stable": 1})})
    assert ask(models, label="stable") == 1
    models.reload({"m": ModelSource(disk.folder, latest=None, labels={"stable": 2})})
    assert ask(models, label="stable") == 2
    wrong = {
        "n": ModelSource(disk.spare),
        "m": ModelSource(disk.folder, latest=None, labels={"stable": 1, "canary": 3}),
    }
    assert error_of(models.reload, wrong) == (
        Code.FAILED_PRECONDITION,
        "Request to assign label canary to version 3 of model m, which is not currently"
        " available for inference",
    )
    assert ask(models, label="stable") == 2
    assert models.names() == ["m"]


def test_a_label_of_a_version_that_went_is_unknown(disk, serving):
    disk.add(1, 2)
    models = serving({"m": ModelSource(disk.folder, latest=None, labels={"old": 1})})
    disk.remove(1)
    models.refresh()
    assert error_of(models.use("m", label="old").__enter__) == (
        Code.INVALID_ARGUMENT,
        "Unrecognized servable version label: old",
    )


def test_a_reload_tells_what_did_not_become_available(disk, serving):
    disk.add(1)
    models = serving()
    spare = disk.spare
    code, message = error_of(
        models.reload,
        {
            "m": ModelSource(disk.folder),
            "bad": ModelSource(spare / "broken"),
            "none": ModelSource(spare / "1"),
        },
    )
    assert code is Code.UNKNOWN
    (bad,) = models.statuses("bad")
    assert message == (
        "2 servable(s) did not become available: {"
        f"{{{{name: bad version: 1}} due to error: DATA_LOSS: {bad.message}}}, "
        f"{{{{name: none}} due to error: no version in {spare}/1}}, }}"
    )
    assert ask(models) == 1


# --- threads ----------------------------------------------------------------------


def test_the_thread_looks_at_once_and_then_again(disk):
    disk.add(1)
    models = ModelRegistry(folder_sources(disk.folder.parent))
    looked = threading.Semaphore(0)
    refresh = models.refresh

    def count():
        refresh()
        looked.release()

    models.refresh = count
    models.start(0.001)
    assert looked.acquire(timeout=60)
    assert ask(models) == 1
    disk.add(2)
    # A look that had begun before does not count.
    assert looked.acquire(timeout=60)
    assert looked.acquire(timeout=60)
    assert ask(models) == 2
    models.stop()
    assert states(models) == [(2, "END", "OK"), (1, "END", "OK")]
    assert error_of(models.use("m").__enter__)[0] is Code.NOT_FOUND


def test_without_polling_there_is_one_look(disk):
    disk.add(1)
    models = ModelRegistry(folder_sources(disk.folder.parent))
    models.start(0)
    models._thread.join(60)
    assert not models._thread.is_alive()
    assert ask(models) == 1
    models.stop()


def test_an_error_that_nobody_thought_of_does_not_end_the_thread(disk, caplog):
    disk.add(1)
    calls = threading.Semaphore(0)
    wrong = [ValueError("nobody thought of this")]

    def sources():
        calls.release()
        if wrong:
            raise wrong.pop()
        return folder_sources(disk.folder.parent)()

    models = ModelRegistry(sources)
    models.start(0.001)
    for _ in range(3):
        assert calls.acquire(timeout=60)
    models.stop()
    assert caplog.messages == ["the models could not be looked at"]
    assert states(models) == [(1, "END", "OK")]


@pytest.mark.slow
def test_requests_and_new_versions_do_not_disturb_each_other(disk, serving):
    disk.add(1)
    models = serving()
    over = threading.Event()

    def keep_asking():
        count = 0
        while not over.is_set() or not count:
            ask(models)
            count += 1
        return count

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(keep_asking) for _ in range(4)]
        for number in (2, 3, 4, 5):
            disk.add(number)
            models.refresh()
            disk.remove(number - 1)
            models.refresh()
        over.set()
        assert all(one.result(120) > 0 for one in asking)
    assert ask(models) == 5


def test_unloaded_versions_hold_no_graph(disk, serving):
    disk.add(1)
    models = serving()
    with models.use("m") as version:
        graph = version.graph
    disk.add(2)
    models.refresh()
    with pytest.raises(AssertionError):
        _ = version.graph
    assert error_of(
        graph.run, graph.signatures["serving_default"], {"x": np.zeros(1)}, ("y",)
    ) == (Code.CANCELLED, "Session has been closed.")


def test_a_folder_that_only_its_owner_may_read_is_no_model(disk, serving, monkeypatch):
    disk.add(1)
    (disk.folder.parent / "lost+found").mkdir(mode=0)
    listed = Path.iterdir

    def as_no_root(self):
        if self.name == "lost+found":
            raise PermissionError(13, "Permission denied", os.fspath(self))
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", as_no_root)
    assert serving().names() == ["m"]
