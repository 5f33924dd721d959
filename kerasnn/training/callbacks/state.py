"""The state of callbacks: what a fit has changed, saved and restored.

`EarlyStopping` counts epochs and keeps weights, `ReduceLROnPlateau` counts, callbacks of
the user's own do what they do: of all, the plain values and lists of arrays that have
changed since the fit began are saved. What was set before it stays as it is given now.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Keras turns the sign of `min_delta` round with the first epoch of whoever watches a loss
# (EarlyStopping, ReduceLROnPlateau), and does so again when the fit goes on.
_NOT_LEARNED = ("params", "validation_data", "min_delta")


class CallbackState(NamedTuple):
    """Of one callback.

    Attributes:
        plain: values that JSON can hold, by the names of attributes.
        arrays: by "<attribute>/<place in its list>".
    """

    plain: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def saveable_state(callback: Any) -> dict[str, Any]:
    """The attributes that can be saved: plain values, and lists of arrays."""
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in _NOT_LEARNED
        and not name.startswith("_")
        and (_is_plain(value) or _is_arrays(value))
    }


def changed_state(callback: Any, fresh: Mapping[str, Any]) -> CallbackState:
    """What has changed since `saveable_state` gave `fresh`."""
    plain: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in saveable_state(callback).items():
        if _is_arrays(value):
            arrays |= {f"{name}/{i}": array for i, array in enumerate(value)}
        elif name not in fresh or not _same(value, fresh[name]):
            plain[name] = value.item() if isinstance(value, np.generic) else value
    return CallbackState(plain, arrays)


def restore_state(callback: Any, memory: CallbackState) -> None:
    """Restore it."""
    for name, value in memory.plain.items():
        setattr(callback, name, value)
    lists: dict[str, dict[int, NDArray[Any]]] = {}
    for place, array in memory.arrays.items():
        name, i = place.rsplit("/", 1)
        lists.setdefault(name, {})[int(i)] = array
    for name, values in lists.items():
        setattr(callback, name, [values[i] for i in sorted(values)])


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | np.number)


def _is_arrays(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(array, np.ndarray) for array in value)
    )


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
