"""The pages name files that exist, link to what exists, and build into a site."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kerasnn

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), ROOT / "saved_models" / "README.md"])
PAGES += sorted((ROOT / "docs").rglob("*.md"))
DRAWINGS = sorted((ROOT / "docs" / "images").glob("*.svg"))
# Folders in which the drawings' short paths start.
STARTS = [ROOT / "kerasnn", *(ROOT / "kerasnn" / room for room in ("training", "serving"))]


def page_id(page):
    return page.relative_to(ROOT).as_posix()


def without_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(page):
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


def test_the_tables_have_the_figures_that_were_measured():
    command = [sys.executable, "scripts/doc_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_that_a_page_names_exists(page):
    named = re.findall(
        r"(?<![\w/])(?:kerasnn|scripts|tests|docs)/[\w./-]*", page.read_text()
    )
    paths = {name.rstrip(".") for name in named} - {"tests/test_"}
    assert {path for path in paths if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_inside_the_repository_resolves(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"\w+:", link):
            continue  # an address
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("drawing", DRAWINGS, ids=page_id)
def test_every_path_in_a_drawing_exists(drawing):
    lines = re.findall(r"monospace.*?>(.*?)</text>", drawing.read_text())
    paths = [path for line in lines for path in re.split(r"[ ,]+", line)]
    assert len(paths) > 4
    for path in paths:
        assert any((start / path).exists() for start in STARTS), path


def test_the_architecture_page_has_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = page[page.index("## The rooms") : page.index("## The road of a row")]
    named = set(re.findall(r"`(\w+)/?`", rooms))
    package = ROOT / "kerasnn"
    found = {path.parent.name for path in package.glob("*/__init__.py")}
    found |= {path.stem for path in package.glob("[a-z]*.py")}
    assert found - named == set()


def test_the_glossary_is_in_the_order_of_the_alphabet():
    page = (ROOT / "docs" / "glossary.md").read_text()
    for table in page.split("\n\n| ")[1:]:
        words = re.findall(r"^\| (.*?) \|", table.partition("---")[2], re.MULTILINE)
        assert len(words) > 10
        assert words == sorted(words, key=str.lower)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", folder]
    # Without a proxy that answers, whatever asks the network fails.
    env = os.environ | {
        "NO_MKDOCS_2_WARNING": "1",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|link|iframe)\b[^>]*>", page.read_text())
        outside = [tag for tag in loaded if re.search(r'(?:src|href)="(?:https?:)?//', tag)]
        assert [tag for tag in outside if "canonical" not in tag] == []


@pytest.mark.slow
def test_every_public_name_is_in_the_api_reference(site):
    pages = [page.read_text() for page in (site / "reference").rglob("*.html")]
    ids = {found for page in pages for found in re.findall(r'id="(kerasnn[\w.]+)"', page)}
    last_parts = {name.rpartition(".")[2] for name in ids}
    assert set(kerasnn._HOME) - last_parts == set()
