"""Take the README's pictures from the real thing: terminal, report, page; light and dark.

    kerasnn train titanic.csv --target survived | tee train.log
    kerasnn serve saved_models &
    python scripts/draw_front_door.py saved_models/titanic/1 train.log --command "..."

It needs Playwright, and a Chromium that is installed. README.md names the pictures.
"""

import argparse
import io
from html import escape
from pathlib import Path
from shutil import which
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SCHEMES = ("light", "dark")
WIDTH, HEIGHT = 1080, 810
N_COLOURS = 64  # keeps a picture below about 60 kB
TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>
:root { color-scheme: light dark;
  --ink: #1c2530; --paper: #f6f8fa; --line: #d0d7de; --blue: #1f5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8ee; --paper: #12161c; --line: #303943; --blue: #6ba8ea; } }
body { margin: 0; background: var(--paper); }
pre { margin: 0; padding: 1.2rem 1.4rem; color: var(--ink); border: 1px solid var(--line);
      font: 15px/1.6 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; }
b { color: var(--blue); font-weight: 600; }
</style><pre><b>$ %s</b>
%s</pre>"""


def main() -> None:
    """Take the pictures."""
    arguments = parsed()
    report = arguments.version / "assets.extra" / "report.html"
    name = arguments.version.parent.name
    text = TERMINAL % (escape(arguments.command), escape(arguments.log.read_text()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"))
        for scheme in SCHEMES:
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme
            )
            page.set_content(text)
            take(page, f"terminal-{scheme}", of=page.locator("pre"))
            page.goto(report.absolute().as_uri())
            take(page, f"report-{scheme}")
            page.goto(f"{arguments.server}/#{name}")
            page.wait_for_load_state("networkidle")
            page.get_by_text("Reasons").first.wait_for(timeout=120_000)
            take(page, f"page-{scheme}")
        browser.close()


def parsed() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("version", type=Path, help="folder of a table's network")
    parser.add_argument("log", type=Path, help="what the training printed")
    parser.add_argument("--command", required=True, help="of the training")
    parser.add_argument("--server", default="http://127.0.0.1:8501", help="serves it")
    return parser.parse_args()


def take(page: Page, name: str, of: Any = None) -> None:
    """Write a picture with few colours."""
    png = (of or page).screenshot()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    file = IMAGES / f"{name}.png"
    picture.quantize(N_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
