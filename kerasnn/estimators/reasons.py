"""Reasons of an estimator: its background rows, its `explain`, its signature."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.explanations import Background, Explainer, choose_background, explained_scale
from kerasnn.models import TabularNetwork
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving import SignatureRows, TableSignature

_ROWS_PER_CALL = 1024

# From x and codes to `probabilities` [rows, classes], or `value` [rows] or [rows, values].
NamedOutputs = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


def fit_background(
    network: TabularNetwork,
    outputs: NamedOutputs,
    x: NDArray[np.float32],
    codes: NDArray[np.int32],
) -> Background:
    """Return training rows that later rows are compared with.

    Args:
        network: trained.
        outputs: of the SavedModel, from x and codes.
        x: [rows, n_in] of the training rows.
        codes: [rows, n_codes].
    """

    def explained(x: NDArray[np.float32], codes: NDArray[np.int32]) -> NDArray[np.float64]:
        found = _answers(network, outputs(tf.constant(x), tf.constant(codes)))
        return explained_scale(network.config.task, found).numpy().astype(np.float64)

    return choose_background(x, codes, explained)


def _answers(network: TabularNetwork, given: dict[str, tf.Tensor]) -> tf.Tensor:
    """Return probabilities [rows, classes] or values [rows, values]."""
    name = "value" if network.config.task == "regression" else "probabilities"
    return tf.reshape(given[name], [-1, network.config.n_out])


def explain_signature(
    network: TabularNetwork,
    outputs: NamedOutputs,
    preprocessor: Preprocessor,
    background: Background,
    classes: Sequence[str],
) -> TableSignature:
    """Return the signature `explain`: contributions, their errors, and the answer.

    Args:
        network: trained.
        outputs: of `serving_default`, from x and codes.
        preprocessor: of the columns.
        background: from `fit_background`.
        classes: texts of the classes; none for a regression.
    """
    explainer = Explainer(network, preprocessor.of_columns, background)

    def answer(rows: SignatureRows) -> dict[str, tf.Tensor]:
        given = outputs(rows.x, rows.codes)
        reasons = explainer(rows.x, rows.codes, _answers(network, given))
        if classes:
            best = tf.argmax(given["probabilities"], axis=1)
            given = {"class": tf.gather(tf.constant(classes), best), **given}
        return {**given, **reasons}

    return TableSignature(answer)


class CompiledSignature:
    """A signature without options, for prepared rows.

    Args:
        signature: the signature to compile; it must not read raw columns.
    """

    def __init__(self, signature: TableSignature) -> None:
        self._call = tf.function(
            lambda x, codes: signature.answer(SignatureRows({}, x, codes, {})),
            reduce_retracing=True,
            autograph=False,
        )

    def __call__(
        self, x: NDArray[np.float32], codes: NDArray[np.int32]
    ) -> Mapping[str, NDArray[Any]]:
        """Return its outputs for rows, by name."""
        starts = range(0, max(len(x), 1), _ROWS_PER_CALL)
        parts = [
            self._call(*(tf.constant(a[i : i + _ROWS_PER_CALL]) for a in (x, codes)))
            for i in starts
        ]
        names = list(parts[0])
        return {n: np.concatenate([part[n].numpy() for part in parts]) for n in names}
