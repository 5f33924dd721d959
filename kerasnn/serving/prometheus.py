"""Counters, histograms and gauges in Prometheus's text format.

The client library of Prometheus cannot write TensorFlow Serving's names: they begin with
a colon and do not end in `_total`.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

_Values = tuple[str, ...]


class Counter:
    """Number of events, by labels.

    Args:
        name: in Prometheus.
        help_text: one line.
        labels: their names; `add` gets their values in this order.
    """

    def __init__(self, name: str, help_text: str, labels: _Values) -> None:
        self.name = name
        self._head = _head(name, help_text, "counter")
        self._labels = labels
        self._lock = Lock()
        self._counts: dict[_Values, int] = {}

    def add(self, values: _Values) -> None:
        """Count once."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + 1

    def lines(self) -> list[str]:
        """Return the lines of Prometheus's format, sorted by labels."""
        with self._lock:
            counts = sorted(self._counts.items())
        return self._head + [
            f"{self.name}{_braces(self._labels, values)} {count}"
            for values, count in counts
        ]


class Histogram:
    """Distribution of sizes, by labels.

    Args:
        name: in Prometheus.
        help_text: one line, with the unit.
        labels: their names; `observe` gets their values in this order.
        limits: upper bounds of the buckets, increasing; one without a bound is added.
    """

    def __init__(
        self, name: str, help_text: str, labels: _Values, limits: Sequence[float]
    ) -> None:
        self.name = name
        self._head = _head(name, help_text, "histogram")
        self._labels = labels
        self._limits = limits
        self._lock = Lock()
        self._cells: dict[_Values, list[int]] = {}
        self._sums: dict[_Values, float] = {}

    def observe(self, values: _Values, size: float) -> None:
        """Count a size into its bucket."""
        bucket = bisect_left(self._limits, size)
        with self._lock:
            cell = self._cells.get(values)
            if cell is None:
                cell = self._cells[values] = [0] * (len(self._limits) + 1)
                self._sums[values] = 0.0
            cell[bucket] += 1
            self._sums[values] += size

    def lines(self) -> list[str]:
        """Return the lines of Prometheus's format, sorted by labels."""
        with self._lock:
            cells = sorted((values, list(cell)) for values, cell in self._cells.items())
            sums = dict(self._sums)
        lines = list(self._head)
        for values, cell in cells:
            lines += self._cell_lines(values, cell, sums[values])
        return lines

    def _cell_lines(self, values: _Values, cell: Sequence[int], total: float) -> list[str]:
        names = (*self._labels, "le")
        bounds = [*(f"{limit:.6g}" for limit in self._limits), "+Inf"]
        lines, count = [], 0
        for bound, n in zip(bounds, cell, strict=True):
            count += n
            lines.append(f"{self.name}_bucket{_braces(names, (*values, bound))} {count}")
        braces = _braces(self._labels, values)
        return [
            *lines,
            f"{self.name}_sum{braces} {total:.15g}",
            f"{self.name}_count{braces} {count}",
        ]


class Gauge:
    """A number that is read when Prometheus asks; without labels.

    Args:
        name: in Prometheus; one that only grows ends in `_total`.
        help_text: one line, with the unit.
        read: returns the number; None: it is not known here.
    """

    def __init__(self, name: str, help_text: str, read: Callable[[], float | None]) -> None:
        self.name = name
        kind = "counter" if name.endswith("_total") else "gauge"
        self._head = _head(name, help_text, kind)
        self._read = read

    def lines(self) -> list[str]:
        """Return the lines of Prometheus's format."""
        value = self._read()
        return [] if value is None else [*self._head, f"{self.name} {value:.15g}"]


class CounterByLabels:
    """Counts that are read when Prometheus asks, by the values of several labels.

    Args:
        name: in Prometheus.
        help_text: one line.
        labels: their names.
        read: returns the counts by the values of the labels.
    """

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: _Values,
        read: Callable[[], Mapping[_Values, int]],
    ) -> None:
        self.name = name
        self._head = _head(name, help_text, "counter")
        self._labels = labels
        self._read = read

    def lines(self) -> list[str]:
        """Return the lines of Prometheus's format, in the order of the counts."""
        return [
            *self._head,
            *(
                f"{self.name}{_braces(self._labels, values)} {count}"
                for values, count in self._read().items()
            ),
        ]


class GaugeByLabel:
    """Numbers that are read when Prometheus asks, by the values of one label.

    Args:
        name: in Prometheus.
        help_text: one line, with the unit.
        label: its name.
        read: returns the numbers by the values of the label.
    """

    def __init__(
        self, name: str, help_text: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        self.name = name
        self._head = _head(name, help_text, "gauge")
        self._label = label
        self._read = read

    def lines(self) -> list[str]:
        """Return the lines of Prometheus's format, sorted by the label."""
        return [
            *self._head,
            *(
                f"{self.name}{_braces((self._label,), (value,))} {number:.15g}"
                for value, number in sorted(self._read().items())
            ),
        ]


def _head(name: str, help_text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]


def _braces(names: _Values, values: _Values) -> str:
    if not names:
        return ""
    pairs = (f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    # A name may hold what is not text, which would spoil the whole page.
    return escaped.encode("utf-8", "replace").decode()
