"""What mkdocs does with lessons and gallery: figures and formulas inside the page.

Figures become part of the page, so that they follow its light and dark mode. Formulas,
LaTeX between dollars as on GitHub and in notebooks, become paths drawn by matplotlib:
nothing is loaded from elsewhere.
"""

import html
import re
from pathlib import Path
from typing import Any

from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

DOCS = Path(__file__).parents[1] / "docs"
UNIT = 100.0  # size of an em in a formula's own coordinates
COMMANDS = {
    Outline.MOVETO: "M",
    Outline.LINETO: "L",
    Outline.CURVE3: "Q",
    Outline.CURVE4: "C",
}


def on_page_content(content: str, *, page: Any, **_: Any) -> str:
    """Return the HTML with figures and formulas inside; other pages' HTML unchanged."""
    place = re.match(r"(lessons|gallery)/(\w+)", page.file.src_uri)
    if place is None:
        return content
    figures = DOCS / place[1] / "figures"
    content = re.sub(
        r"<img [^>]*?/?>", lambda image: _inline_figure(image, figures), content
    )
    content = re.sub(
        r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>',
        lambda found: _formula(html.unescape(found[2].strip()), found[1]),
        content,
        flags=re.DOTALL,
    )
    lang = "zh-Hans" if place[2] == "zh" else "en"
    return f'<div class="lesson" lang="{lang}">{content}</div>'


def _inline_figure(image: re.Match[str], figures: Path) -> str:
    name = re.search(r'src="[^"]*\bfigures/([\w.-]+\.svg)"', image[0])
    if name is None:
        return image[0]
    svg = (figures / name[1]).read_text()
    svg = re.sub(r"<style.*?</style>", "", svg)  # it would style the whole page
    alt = re.search(r'alt="([^"]*)"', image[0])
    label = alt[1] if alt else ""
    wide = " wide" if re.match(r'<svg [^>]*width="7\d\d"', svg) else ""
    opening = f'<svg role="img" aria-label="{label}" class="figure{wide}" '
    return f'<span class="figure-box">{svg.replace("<svg ", opening, 1)}</span>'


def _formula(latex: str, tag: str) -> str:
    """Return a formula as SVG: inline in a span, or centred in a div."""
    font = FontProperties(size=UNIT, math_fontfamily="stix")
    text = latex if tag == "span" else latex.replace(r"\frac", r"\dfrac")
    width, height, depth, *_ = MathTextParser("path").parse(f"${text}$", dpi=72, prop=font)
    outline = TextPath((0, 0), f"${text}$", size=UNIT, prop=font)
    path = _svg_path(outline.transformed(Affine2D().translate(0, depth)), height)
    size = f"width:{width / UNIT:.3f}em;height:{height / UNIT:.3f}em"
    drop = f";vertical-align:{-depth / UNIT:.3f}em" if tag == "span" else ""
    label = html.escape(latex, quote=True)
    return (
        f'<{tag} class="formula"><svg role="img" aria-label="{label}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" style="{size}{drop}">'
        f'<path fill="currentColor" d="{path}"/></svg></{tag}>'
    )


def _svg_path(outline: Outline, height: float) -> str:
    """Return an outline as the data of an SVG path; y points down there."""
    parts = []
    for points, code in outline.iter_segments(simplify=False, curves=True):
        if code == Outline.CLOSEPOLY:
            parts.append("Z")
            continue
        pairs = points.reshape(-1, 2)
        places = " ".join(f"{x:.1f} {height - y:.1f}" for x, y in pairs)
        parts.append(f"{COMMANDS[code]}{places}")
    return "".join(parts)
