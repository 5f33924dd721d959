"""Files that lie: a short form of scripts/fuzz_files.py."""

import importlib
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    yield importlib.import_module("fuzz_files")
    sys.modules.pop("fuzz_files")


@pytest.mark.slow
def test_every_lie_is_one_error_without_a_traceback(fuzz, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz.reader, "_loaded", fuzz.reader._loaded)  # restored afterwards
    reports = []
    counts = fuzz.run(300, 5, tmp_path, reports.append)
    assert reports == []
    assert counts["tries"] == 300
    assert counts["refused"] > 100
    assert counts["accepted"] > 30


def test_the_fuzz_sees_what_is_wrong(fuzz):
    def raises(r):
        raise KeyError("x")

    def prints(r):
        sys.stdout.write("\x1b[31m")

    assert fuzz.tried(raises, None)[0] == "tracebacks"
    assert fuzz.UNSAFE_CHARACTERS.search(fuzz.tried(prints, None)[1].removesuffix("\n"))
