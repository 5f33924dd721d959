"""The examples of the gallery run, and print and draw what their pages show."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import build_gallery

from tests.test_lessons import assert_same_page

pytestmark = pytest.mark.slow

NEEDED = {"clients": ("cc", "node")}


@pytest.mark.parametrize("source", build_gallery.SOURCES, ids=lambda source: source.stem)
@pytest.mark.filterwarnings("ignore::kerasnn.errors.DataWarning")
def test_an_example_runs_and_its_page_shows_what_it_prints(source):
    missing = [tool for tool in NEEDED.get(source.stem, ()) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not there: {', '.join(missing)}")
    for path, made in build_gallery.build(source).items():
        if path.suffix == ".md":
            assert_same_page(made, path.read_text())
        else:
            assert path.exists()


def test_every_example_is_in_the_index_and_says_what_to_learn():
    index = (build_gallery.FOLDER / "index.md").read_text()
    pages = {path for path in build_gallery.FOLDER.glob("*.md") if path.name != "index.md"}
    assert len(pages) == 12
    for page in pages:
        assert f"]({page.name})" in index
        assert "\n## What to learn from it\n\n- " in page.read_text()
