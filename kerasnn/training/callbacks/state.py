"""The state of callbacks in a checkpoint.

`EarlyStopping` counts epochs and copies weights, `ReduceLROnPlateau` counts, and custom
callbacks have their own state. A checkpoint holds the plain values and lists of arrays that
have changed since the fit began, and not the callbacks' settings.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# EarlyStopping and ReduceLROnPlateau invert the sign of `min_delta` in the first epoch if
# they watch a loss, and do so again when the fit resumes.
_NOT_SAVED = ("params", "validation_data", "min_delta")


class CallbackState(NamedTuple):
    """The state of one callback.

    Attributes:
        plain: JSON values by the name of the attribute.
        arrays: by "<attribute>/<index in its list>".
    """

    plain: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def saveable_state(callback: Any) -> dict[str, Any]:
    """Return the attributes that can be saved: plain values, and lists of arrays."""
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in _NOT_SAVED
        and not name.startswith("_")
        and (_is_plain(value) or _is_arrays(value))
    }


def changed_state(callback: Any, fresh: Mapping[str, Any]) -> CallbackState:
    """Return what has changed since `saveable_state` returned `fresh`."""
    plain: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in saveable_state(callback).items():
        if _is_arrays(value):
            arrays |= {f"{name}/{i}": array for i, array in enumerate(value)}
        elif name not in fresh or not _same(value, fresh[name]):
            plain[name] = value.item() if isinstance(value, np.generic) else value
    return CallbackState(plain, arrays)


def restore_state(callback: Any, state: CallbackState) -> None:
    """Assign the attributes that were saved.

    Raises:
        ValueError: a value or an attribute is not one that `saveable_state` returns.
    """
    for name, value in state.plain.items():
        if not _is_plain(value) or name in _NOT_SAVED or _is_inner(callback, name):
            raise ValueError(f"{name} cannot be {value!r:.60}")
        setattr(callback, name, value)
    lists: dict[str, dict[int, NDArray[Any]]] = {}
    for place, array in state.arrays.items():
        name, _, i = place.rpartition("/")
        if not i.isdecimal() or name in _NOT_SAVED or _is_inner(callback, name):
            raise ValueError(f"{place} cannot be an array")
        lists.setdefault(name, {})[int(i)] = array
    for name, values in lists.items():
        setattr(callback, name, [values[i] for i in sorted(values)])


def _is_inner(callback: Any, name: str) -> bool:
    """Return whether a name is private, a method's, or defined by the class only."""
    is_own = name in vars(callback) or not hasattr(callback, name)
    return name.startswith("_") or not is_own or callable(getattr(callback, name, None))


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
