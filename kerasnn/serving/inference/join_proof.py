"""The proof that joining requests does not change their answers, for each signature.

A model may look at its neighbours in a call (`x / sum(x)`, a mean over the batch,
BatchNormalization in training mode), whatever its signature declares. So the first
requests that could be joined are answered alone, and compared with joined calls: in their
order and in the reverse one, `PROOFS` times with different values, and again for larger
calls. Afterwards a joined call is compared now and then, ever more rarely. Where one
differs by more than rounding, the signature's requests are never joined again.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.saved_model.signatures import NamedArrays

PROOFS = 3  # of each size, before calls of that size are joined
MAX_PARTS = 4  # calls that a proof compares with
MAX_TRACKED = 1000  # signatures, each with the outputs that were asked for
_FIRST_CHECK = 64  # joined calls before one is compared again; then four times as many
# Relative differences by which the sums of another batch size may be rounded.
_TOLERANCES = {
    tf.float16.as_numpy_dtype: 2e-2,
    tf.bfloat16.as_numpy_dtype: 1e-1,
    np.float32: 1e-4,
    np.float64: 1e-9,
    np.complex64: 1e-4,
    np.complex128: 1e-9,
}
_SMALL = 0.1  # of the tolerance, relative to the largest value of an output

_log = logging.getLogger("kerasnn.serving")


class Joinable(Protocol):
    """A request, as far as a proof must know it."""

    @property
    def values(self) -> Hashable:
        """The values of its inputs; equal for requests that are equal."""


class JoinProof:
    """The evidence about joined calls of one signature; thread-safe.

    Args:
        name: of the signature, for the log.

    Attributes:
        rows: of the largest joined call that is proved; 1: none is.
        given_up: whether joined answers differ.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._any, self._equal = _Sizes(), _Sizes()
        self._values: Hashable = None  # of the requests in `_equal`
        self._calls, self._next_check = 0, _FIRST_CHECK
        self.given_up = False

    @property
    def rows(self) -> int:
        """The largest number of rows for which joining is proved."""
        return self._any.rows

    def rows_for(self, requests: Sequence[Joinable]) -> int:
        """Return `rows` for these requests.

        Equal requests prove nothing about others, but they do for themselves: a load test
        may send nothing else.
        """
        if self._equal.rows <= self.rows or not self._are_known(requests):
            return self.rows
        return self._equal.rows

    def is_check_due(self) -> bool:
        """Count a joined call; return whether it should be compared again."""
        self._calls += 1
        if self._calls < self._next_check:
            return False
        self._next_check *= 4
        return True

    def observe(
        self,
        requests: Sequence[Joinable],
        rows: int,
        alone: Sequence[NamedArrays],
        joined: Sequence[Sequence[NamedArrays] | str],
    ) -> None:
        """Compare answers of requests with those of joined calls.

        Args:
            requests: at least two.
            rows: of all of them.
            alone: their answers.
            joined: the same of each joined call, or why there are none.
        """
        for answers in joined:
            if isinstance(answers, str):
                why: str | None = answers
            else:
                why = find_difference(alone, answers)
            if why is not None:
                self.give_up(why)
                return
        with self._lock:
            if any(request.values != requests[0].values for request in requests):
                self._any.add(rows)
                return
            if not self._are_known(requests):
                self._values, self._equal = requests[0].values, _Sizes()
            self._equal.add(rows)

    def give_up(self, why: str) -> None:
        """Join no more requests; the first time, log why."""
        with self._lock:
            known, self.given_up = self.given_up, True
        if not known:
            _log.warning(
                "%s: a joined call does not answer as each request alone does (%s); its"
                " requests are computed one by one from now on",
                self._name,
                why,
            )

    def _are_known(self, requests: Sequence[Joinable]) -> bool:
        return all(request.values == self._values for request in requests)


class _Sizes:
    """The sizes of compared calls that were equal.

    Attributes:
        rows: the largest size that is proved.
    """

    def __init__(self) -> None:
        self.rows = 1
        self._larger: list[int] = []

    def add(self, rows: int) -> None:
        if rows <= self.rows:
            return
        self._larger.append(rows)
        if len(self._larger) == PROOFS:
            # The next power of two: sizes change from call to call.
            self.rows = 1 << (min(self._larger) - 1).bit_length()
            self._larger = [size for size in self._larger if size > self.rows]


class JoinProofs:
    """The proofs of the signatures that were used last."""

    def __init__(self) -> None:
        self._proofs: OrderedDict[Hashable, JoinProof] = OrderedDict()

    def of(self, version: ModelVersion, key: str, outputs: Iterable[str]) -> JoinProof:
        """Return the proof of the signature `key`, with these outputs in any order."""
        kind = version, key, frozenset(outputs)
        proof = self._proofs.get(kind)
        if proof is None:
            name = f"model {version.name} version {version.number}, {key}"
            proof = self._proofs[kind] = JoinProof(name)
            if len(self._proofs) > MAX_TRACKED:
                self._proofs.popitem(last=False)
        return proof


def find_difference(
    alone: Sequence[NamedArrays], joined: Sequence[NamedArrays]
) -> str | None:
    """Return how answers differ, for the log; None if they do so by rounding only."""
    for name in alone[0]:
        first, second = [a[name] for a in alone], [a[name] for a in joined]
        if [array.shape for array in first] != [array.shape for array in second]:
            return f"{name}: another shape"
        different = ~_equal(_flat(first), _flat(second))
        if different.any():
            place = int(np.argmax(different))
            was, now = _flat(first)[place], _flat(second)[place]
            return f"{name}: {now!s:.40}, alone {was!s:.40}"
    return None


def _flat(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([array.reshape(-1) for array in arrays])


def _equal(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values are equal, floats up to rounding."""
    tolerance = _TOLERANCES.get(first.dtype.type)
    if tolerance is None or first.dtype != second.dtype:
        return np.asarray(first == second, bool)
    wide = np.complex128 if first.dtype.kind == "c" else np.float64
    first, second = first.astype(wide), second.astype(wide)
    sizes = np.abs(first)
    largest = sizes[np.isfinite(sizes)].max(initial=0.0)
    return np.isclose(
        second, first, rtol=tolerance, atol=_SMALL * tolerance * largest, equal_nan=True
    )
