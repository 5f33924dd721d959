"""Networks shown by their Variables: in one line, as text, and in a notebook."""

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any

from kerasnn.notebook import html_table, text_table

_HEAD = ("Variable", "shape", "numbers", "trained")


class VariableTable:
    """Base of networks with explicit Variables, which Keras's summary of layers lacks."""

    @abstractmethod
    def named_variables(self) -> dict[str, Any]:
        """Return all Variables of the network by name."""

    def summary(self, *, print_fn: Callable[[str], Any] = print) -> None:
        """Print the Variables, with their shapes and counts of numbers.

        Args:
            print_fn: takes the text.
        """
        print_fn(text_table(repr(self), _HEAD, self._variable_rows()))

    def __repr__(self) -> str:
        """The class, and the count of numbers in all Variables."""
        variables = self.named_variables().values()
        total = sum(prod(variable.shape) for variable in variables)
        return f"{type(self).__name__}({self._architecture()}: {total:,} numbers)"

    def _repr_html_(self) -> str:
        return html_table(repr(self), _HEAD, self._variable_rows())

    @abstractmethod
    def _architecture(self) -> str:
        """Return the sizes in a few words."""

    def _variable_rows(self) -> list[tuple[str, ...]]:
        return [
            (
                name,
                " x ".join(map(str, variable.shape)) or "()",
                f"{prod(variable.shape):,}",
                "yes" if variable.trainable else "no",
            )
            for name, variable in self.named_variables().items()
        ]
