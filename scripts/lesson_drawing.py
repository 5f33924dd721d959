"""An SVG of shapes and words in two languages, for light and for dark ground."""

import re
from html import escape

from build_lessons import SVG_STYLE

BLUE, ORANGE, GREEN, VIOLET = "#2f7ed8", "#e06c2b", "#2e9e6b", "#a05fc4"
INK = "currentColor"


class Drawing:
    """An SVG of shapes and words; words are given in English and Chinese.

    Args:
        width: in pixels.
        height: in pixels.
        lang: "en" or "zh".
    """

    def __init__(self, width: int, height: int, lang: str) -> None:
        self.width, self.height, self.lang = width, height, lang
        self.shapes: list[str] = []
        self.heads: set[str] = set()

    def line(
        self, *points: tuple[float, float], colour: str = INK, **style: object
    ) -> None:
        """Draw a line through points; arrow=True gives it a head, dashed=True gaps."""
        places = " ".join(f"{x:g},{y:g}" for x, y in points)
        extra = ""
        if style.get("arrow"):
            self.heads.add(colour)
            extra += f' marker-end="url(#head{colour.lstrip("#")})"'
        if style.get("dashed"):
            extra += ' stroke-dasharray="5 4"'
        width, opacity = style.get("width", 1.5), style.get("opacity", 1)
        self.shapes.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}"'
            f' stroke-width="{width}" opacity="{opacity}"{extra}/>'
        )

    def circle(
        self, x: float, y: float, radius: float, colour: str, *, fill: float = 0.15
    ) -> None:
        """Draw a circle with a tinted inside."""
        self.shapes.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" fill="{colour}"'
            f' fill-opacity="{fill}" stroke="{colour}" stroke-width="1.6"/>'
        )

    def box(
        self,
        x: float,
        y: float,
        size: tuple[float, float],
        colour: str,
        *,
        fill: float = 0.13,
    ) -> None:
        """Draw a box with a tinted inside; x and y are its upper left corner."""
        self.shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{size[0]:g}" height="{size[1]:g}" rx="6"'
            f' fill="{colour}" fill-opacity="{fill}" stroke="{colour}" stroke-width="1.5"/>'
        )

    def text(
        self, x: float, y: float, words: str | tuple[str, str], **style: object
    ) -> None:
        """Write words, or (English, Chinese), centred at x unless anchor is given.

        Except in code, an underscore lowers the letter after it.
        """
        if isinstance(words, tuple):
            words = words[self.lang == "zh"]
        words = escape(words)
        if not style.get("code"):
            words = re.sub(r"_(.)", r'<tspan dy="4" font-size="75%">\1</tspan>', words)
        weight = ' font-weight="600"' if style.get("bold") else ""
        slope = ' font-style="italic"' if style.get("italic") else ""
        family = ' font-family="ui-monospace,monospace"' if style.get("code") else ""
        self.shapes.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{style.get("anchor", "middle")}"'
            f' font-size="{style.get("size", 14)}" fill="{style.get("colour", INK)}"'
            f"{weight}{slope}{family}>{words}</text>"
        )

    def svg(self) -> str:
        """Return the text of the file."""
        heads = "".join(
            f'<marker id="head{colour.lstrip("#")}" viewBox="0 0 8 8" refX="7" refY="4"'
            ' markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
            for colour in sorted(self.heads)
        )
        shapes = "\n".join(self.shapes)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}"'
            f' height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
            f' font-family="system-ui,sans-serif">\n{SVG_STYLE}\n<defs>{heads}</defs>\n'
            f"{shapes}\n</svg>\n"
        )


def layer(count: int, height: float, gap: float) -> list[float]:
    """Return the heights of a column of units, centred."""
    return [height / 2 + (i - (count - 1) / 2) * gap for i in range(count)]
