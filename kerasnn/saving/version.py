"""The content of a version folder, for every kind of network, and its checks."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import kerasnn
from kerasnn.errors import ExportError, InputError
from kerasnn.graphs.loading import quiet_logger
from kerasnn.json_forms import check_form, record
from kerasnn.layers import raw_variables
from kerasnn.manifest import (
    DEFAULT_SIGNATURE,
    DESCRIBED,
    EXAMPLES_INPUT,
    MANIFEST,
    METADATA_FORMS,
    manifest_text,
)
from kerasnn.saving.examples import (
    METHOD_NAMES,
    ExamplesSignature,
    as_examples_carry,
    expected_outputs,
    make_examples_signature,
    serialize_examples,
)
from kerasnn.saving.folders import new_version, publish
from kerasnn.saving.session import Arrays, session_model
from kerasnn.saving.warm_up import read_warm_up, write_warm_up

_Tensors = dict[str, tf.Tensor]


class ServedModule(tf.Module):
    """The module that is saved: raw `tf.Variable`s, and the signature that reads them.

    The network itself is only in the closure of the function. A Keras model, or a Keras
    Variable, held as an attribute would be saved twice and fail in the C++ runtime.

    Args:
        serve: from inputs by name to named answers.
        specs: of the inputs, by name.
        variables: all that `serve` reads.
        tracked: other resources that `serve` reads, such as lookup tables.
    """

    def __init__(
        self,
        serve: Callable[[_Tensors], _Tensors],
        specs: dict[str, tf.TensorSpec],
        variables: Iterable[tf.Variable | keras.Variable],
        tracked: tf.Module | None = None,
    ) -> None:
        super().__init__()
        self.raw_variables = raw_variables(variables)
        self.tracked = tracked
        self.specs = specs
        # Tracing of converted code takes four times as long; Keras exports without it too.
        self.serve = tf.function(serve, input_signature=[specs], autograph=False)


class Sample(NamedTuple):
    """Rows that an export is checked with; they become its warm-up requests too.

    Attributes:
        inputs: of `serving_default`, by name.
        answers: of the network.
        classes: their texts in the order of the probabilities; none for a regression.
    """

    inputs: Arrays
    answers: Arrays
    classes: Sequence[str]


class FurtherSignature(NamedTuple):
    """A signature beside `serving_default` and that for tf.Examples.

    Attributes:
        function: a `tf.function` with named inputs and outputs.
        inputs: rows to check it with, which become its warm-up requests.
        expected: its answers to them.
    """

    function: Any
    inputs: Arrays
    expected: Arrays


def check_contents(
    folder: Path,
    metadata: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    reserved: Collection[str] = DESCRIBED,
) -> None:
    """Check the arguments of an export before anything is written.

    Args:
        folder: of the model.
        metadata: the user's entries of the manifest.
        files: the user's files, by name.
        reserved: entries of the manifest that the writer makes.

    Raises:
        InputError: one of them cannot be stored.
    """
    if (folder / "saved_model.pb").exists():
        raise InputError(
            f"{folder}: is itself a version; give the folder above it, {folder.parent}"
        )
    taken = sorted({*reserved, "format"} & metadata.keys())
    if taken:
        raise InputError(f"metadata must not have {taken[0]!r}: export writes it")
    check_form(
        json.loads(manifest_text(metadata)),
        record(
            {}, {k: f for k, f in METADATA_FORMS.items() if k not in taken}, others=True
        ),
        source="metadata",
    )
    for name in files:
        if name != Path(name).name or name == MANIFEST.name:
            raise InputError(
                f"files must have plain names other than {MANIFEST.name}; got {name!r}"
            )


def write_version(
    folder: Path,
    served: ServedModule,
    sample: Sample,
    *,
    manifest: Mapping[str, Any],
    files: Mapping[str, bytes],
    further: Mapping[str, FurtherSignature] | None = None,
) -> Path:
    """Write the next version of a model, check it, and publish it.

    Args:
        folder: of the model.
        served: the module that is saved.
        sample: what it must answer.
        manifest: its entries, without the outputs.
        files: of `assets.extra`, by name, beside the manifest.
        further: signatures, by key.

    Returns:
        The version folder.

    Raises:
        InputError: the folder cannot be written.
        ExportError: the SavedModel's answers differ from the network's. In both cases no
            version is left behind.
    """
    text = manifest_text({**manifest, "outputs": describe_outputs(sample.answers)})
    files = {**files, MANIFEST.name: text.encode()}
    examples = make_examples_signature(
        served.serve, served.specs, sample.classes, sample.answers
    )
    further = further or {}
    with new_version(folder) as temporary:
        _write(temporary, served, _Signatures(sample, examples, further), files)
        _check_written(temporary, _Signatures(sample, examples, further))
        return publish(temporary)


class _Signatures(NamedTuple):
    """All signatures of a version, with rows that check them."""

    sample: Sample
    examples: ExamplesSignature | None
    further: Mapping[str, FurtherSignature]


def _write(
    temporary: Path,
    served: ServedModule,
    written: _Signatures,
    files: Mapping[str, bytes],
) -> None:
    folder, (sample, examples, further) = temporary.parent, written
    signatures = {DEFAULT_SIGNATURE: served.serve}
    requests = {DEFAULT_SIGNATURE: sample.inputs}
    if examples is not None:
        signatures[examples.key] = examples.function
        requests[examples.key] = {EXAMPLES_INPUT: serialize_examples(sample.inputs)}
    for key, signature in further.items():
        signatures[key], requests[key] = signature.function, signature.inputs
    try:
        with quiet_logger():
            tf.saved_model.save(served, temporary, signatures)
            if examples is not None:
                _set_method_name(temporary, examples.key)
        extra = temporary / MANIFEST.parent
        extra.mkdir()
        for name, content in files.items():
            (extra / name).write_bytes(content)
        write_warm_up(temporary, folder.name, requests)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{folder}: cannot be written: {error}") from None


def _set_method_name(temporary: Path, key: str) -> None:
    """Declare a signature's method as Classify or Regress: older servers require it.

    `fingerprint.pb` is then that of the previous file. Nothing compares the two, and
    TensorFlow has no public function to write it again.
    """
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(temporary))
    updater.replace_method_name(key, METHOD_NAMES[key], tags="serve")
    updater.save()


def _check_written(temporary: Path, expected: _Signatures) -> None:
    """Check the answers of every signature, and that the warm-up requests are answered."""
    sample, examples, further = expected
    # These are made eagerly, which a session's graph does not allow.
    requests = list(read_warm_up(temporary))
    carried = as_examples_carry(sample.inputs)
    with session_model(temporary) as written:
        answers = written.answers(sample.inputs)
        check_answers(sample.answers, answers)
        _check_class_texts(answers, sample.classes)
        if examples is not None:
            serialized = {EXAMPLES_INPUT: serialize_examples(sample.inputs)}
            outputs = written.answers(serialized, signature=examples.key)
            # Not for the sample itself: a time in seconds loses minutes in 32 bits.
            check_answers(
                expected_outputs(written.answers(carried), sample.classes), outputs
            )
        for key, signature in further.items():
            answers = written.answers(signature.inputs, signature=key)
            check_answers(signature.expected, answers)
        for key, inputs in requests:
            written.answers(inputs, signature=key)


def check_answers(expected: Arrays, written: Arrays) -> None:
    """Check that a SavedModel's answers are the network's, to rounding.

    Raises:
        ExportError: they differ.
    """
    for name, value in expected.items():
        if value.dtype == object:
            if name == "classes" and not np.array_equal(value, written[name]):
                raise ExportError(
                    "the SavedModel's 'classes' are not the network's; nothing was written"
                )
            continue  # text, made of the numbers
        if value.dtype.kind != "f":
            _check_equal(name, value, written[name])
            continue
        # Grappler may fuse operations that eager does not: equal to rounding, not to the
        # bit. A value near 0 computed from large ones has their rounding.
        size = max(1.0, float(np.abs(value).max()))
        if not np.allclose(value, written[name], rtol=1e-5, atol=1e-6 * size):
            worst = float(np.abs(value - written[name]).max())
            raise ExportError(
                f"the SavedModel's {name!r} differs from the network's by {worst:.3g};"
                " nothing was written"
            )


def _check_equal(name: str, expected: NDArray[Any], written: NDArray[Any]) -> None:
    """Check that booleans or whole numbers are the same."""
    different = int((expected != written).sum())
    if different:
        raise ExportError(
            f"the SavedModel's {name!r} differs from the network's in {different} of"
            f" {expected.size} values; nothing was written"
        )


def _check_class_texts(answers: Arrays, classes: Sequence[str]) -> None:
    """Check that `class`, where it is text, is the class of the largest probability."""
    if "class" not in answers or answers["class"].dtype != object:
        return
    best = answers["probabilities"].argmax(axis=1)
    texts = [text.decode() for text in answers["class"]]
    if texts != [classes[i] for i in best]:
        raise ExportError(
            f"the SavedModel's classes, {', '.join(texts)}, are not those of its"
            " probabilities; nothing was written"
        )


def describe_network(model: tf.Module | keras.Model) -> dict[str, Any]:
    """Return the manifest's entries about the network, the time and the versions."""
    config = {"config": model.get_config()} if hasattr(model, "get_config") else {}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "kerasnn": kerasnn.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "network": {
            "class": type(model).__name__,
            **config,
            "weights": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        },
    }


def describe_outputs(answers: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the manifest's entry about outputs: dtype and shape of each."""
    return {
        name: {
            "dtype": "string" if value.dtype == object else str(value.dtype),
            "shape": [None, *value.shape[1:]],
        }
        for name, value in answers.items()
    }
