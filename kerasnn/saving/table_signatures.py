"""Further signatures of a network of tables, beside `serving_default`.

A signature takes the same raw columns, and options of its own: numbers, one for each row,
so that requests can be joined. An option that is NaN has its default.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.saving.session import Arrays
from kerasnn.saving.version import FurtherSignature, ServedModule, describe_outputs

_Tensors = dict[str, tf.Tensor]


class SignatureRows(NamedTuple):
    """Rows as a signature gets them.

    Attributes:
        columns: raw columns by name, [rows]: float64 with NaN for missing values, or text
            with "".
        x: [rows, n_in] float32 of the preprocessor.
        codes: [rows, n_codes] int32 of the preprocessor.
        options: the signature's options by name, [rows] float64.
    """

    columns: _Tensors
    x: tf.Tensor
    codes: tf.Tensor
    options: _Tensors


@dataclass(frozen=True)
class TableSignature:
    """A signature, as the package that adds it describes it.

    Attributes:
        answer: from rows to named outputs, each [rows, ...], by TensorFlow's operations.
        options: its options by name, with their defaults.
        variables: that `answer` reads, beside those of the network.
    """

    answer: Callable[[SignatureRows], _Tensors]
    options: Mapping[str, float] = field(default_factory=dict)
    variables: Sequence[tf.Variable | keras.Variable] = ()

    def inputs(self, taken: Iterable[str]) -> dict[str, str]:
        """Return the name of the SavedModel's input for each option.

        Args:
            taken: names of the inputs for columns.
        """
        names = {name.lower() for name in taken}
        return {
            option: f"{option}_option" if option in names else option
            for option in self.options
        }

    def with_defaults(self, given: _Tensors) -> _Tensors:
        """Return the options with their defaults in place of NaN."""
        return {
            option: tf.where(
                tf.math.is_nan(given[option]), tf.cast(default, tf.float64), given[option]
            )
            for option, default in self.options.items()
        }

    def default_rows(self, n_rows: int) -> dict[str, NDArray[np.float64]]:
        """Return the defaults of the options for some rows."""
        return {name: np.full(n_rows, value) for name, value in self.options.items()}


@dataclass(frozen=True)
class SignatureSource:
    """How a SavedModel of tables gets its rows.

    Attributes:
        names: of the inputs, by column.
        preprocess: from raw columns by name to x and codes.
        sample: raw columns of some rows, [rows].
        prepared: x and codes of these rows, made by NumPy.
    """

    names: Mapping[str, str]
    preprocess: Callable[[_Tensors], tuple[tf.Tensor, tf.Tensor]]
    sample: Arrays
    prepared: tuple[tf.Tensor, tf.Tensor]

    def further(self, served: ServedModule, signature: TableSignature) -> FurtherSignature:
        """Return a signature as it is written, with rows to check it."""
        options = signature.inputs(self.names.values())
        specs = {
            **served.specs,
            **{name: tf.TensorSpec([None], tf.float64, name) for name in options.values()},
        }

        def serve(inputs: _Tensors) -> _Tensors:
            columns = {c: inputs[name] for c, name in self.names.items()}
            given = {option: inputs[name] for option, name in options.items()}
            x, codes = self.preprocess(columns)
            rows = SignatureRows(columns, x, codes, signature.with_defaults(given))
            return signature.answer(rows)

        columns = {c: tf.constant(values) for c, values in self.sample.items()}
        defaults = signature.default_rows(len(next(iter(self.sample.values()))))
        given = {name: tf.constant(values) for name, values in defaults.items()}
        # Without autograph, which `tf.map_fn` would run for seconds, as in the function.
        answer = tf.autograph.experimental.do_not_convert(signature.answer)
        expected = answer(SignatureRows(columns, *self.prepared, given))
        return FurtherSignature(
            function=tf.function(serve, input_signature=[specs], autograph=False),
            inputs={
                **{self.names[c]: values for c, values in self.sample.items()},
                **{options[option]: values for option, values in defaults.items()},
            },
            expected={name: value.numpy() for name, value in expected.items()},
        )


def describe_signatures(
    signatures: Mapping[str, TableSignature],
    written: Mapping[str, FurtherSignature],
    names: Mapping[str, str],
) -> dict[str, Any]:
    """Return the manifest's entry about signatures: options and outputs of each."""
    return {
        key: {
            "options": {
                name: {"input": signature.inputs(names.values())[name], "default": default}
                for name, default in signature.options.items()
            },
            "outputs": describe_outputs(written[key].expected),
        }
        for key, signature in signatures.items()
    }
