"""The contents of a version folder, for every kind of network, and their checks."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import kerasnn
from kerasnn.errors import ExportError, InputError
from kerasnn.manifest import DEFAULT_SIGNATURE, DESCRIBED, MANIFEST
from kerasnn.saving.examples import (
    INPUTS,
    METHOD_NAMES,
    ExamplesSignature,
    as_carried,
    examples_of,
    expected_of_examples,
)
from kerasnn.saving.session import quiet_logger, session_model
from kerasnn.saving.warm_up import recorded, write_warm_up


def check_contents(
    folder: Path,
    metadata: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    described: Collection[str] = DESCRIBED,
) -> None:
    """Check what can be checked before anything is written.

    Args:
        folder: of the model.
        metadata: given by the user.
        files: given by the user.
        described: keys of the manifest that the writer sets.

    Raises:
        InputError: one of them cannot be used.
    """
    if (folder / "saved_model.pb").exists():
        raise InputError(
            f"{folder}: is itself a version; give the folder above it, {folder.parent}"
        )
    taken = sorted({*described, "format"} & metadata.keys())
    if taken:
        raise InputError(f"metadata must not have {taken[0]!r}: export writes it")
    for name in files:
        if name != Path(name).name or name == MANIFEST.name:
            raise InputError(f"files must have plain names of their own; got {name!r}")


def write(
    served: tf.Module,
    beside: Path,
    files: Mapping[str, bytes],
    *,
    examples: ExamplesSignature | None,
    model: str,
    sample: Mapping[str, NDArray[Any]],
) -> None:
    """Write a SavedModel with the signature `served.serve`, and the files beside it.

    Args:
        served: the module to write.
        beside: the folder to write to.
        files: contents of `assets.extra`, by name.
        examples: the second signature, if there is one.
        model: name of the model.
        sample: rows of `serving_default`'s inputs, for the warm-up requests.

    Raises:
        InputError: it cannot be written.
    """
    signatures = {DEFAULT_SIGNATURE: served.serve}
    requests = {DEFAULT_SIGNATURE: sample}
    if examples is not None:
        signatures[examples.key] = examples.function
        requests[examples.key] = {INPUTS: examples_of(sample)}
    try:
        with quiet_logger():
            tf.saved_model.save(served, beside, signatures)
            if examples is not None:
                _name_method(beside, examples.key)
        extra = beside / MANIFEST.parent
        extra.mkdir()
        for name, content in files.items():
            (extra / name).write_bytes(content)
        write_warm_up(beside, model, requests)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{beside.parent}: cannot be written: {error}") from None


def _name_method(beside: Path, key: str) -> None:
    """Set the method name of a Classify or Regress signature, which older servers check.

    `fingerprint.pb` is not updated: nothing compares the two, and TensorFlow has no public
    function to write it.
    """
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(beside))
    updater.replace_method_name(key, METHOD_NAMES[key], tags="serve")
    updater.save()


def check_written(
    beside: Path,
    sample: Mapping[str, NDArray[Any]],
    expected: Mapping[str, NDArray[Any]],
    classes: Sequence[str],
    *,
    examples: ExamplesSignature | None,
) -> dict[str, NDArray[Any]]:
    """Check that every signature and warm-up request is answered as by the network.

    Returns:
        The answers of `serving_default`.

    Raises:
        ExportError: one is not.
    """
    # Read eagerly, which a session's graph does not allow.
    requests = list(recorded(beside))
    carried = as_carried(sample)
    with session_model(beside) as written:
        answers = written.answers(sample)
        check_answers(expected, answers)
        if examples is not None:
            of_examples = written.answers(
                {INPUTS: examples_of(sample)}, signature=examples.key
            )
            # Not the sample's own answers: a time in seconds loses minutes in 32 bits.
            same = written.answers(carried)
            check_answers(expected_of_examples(same, classes), of_examples)
        for signature, inputs in requests:
            written.answers(inputs, signature=signature)
    return answers


def check_answers(
    expected: Mapping[str, NDArray[Any]], written: Mapping[str, NDArray[Any]]
) -> None:
    """Check that the written answers are the network's.

    Raises:
        ExportError: they are not.
    """
    for name, value in expected.items():
        if value.dtype == object:
            if name == "classes" and not np.array_equal(value, written[name]):
                raise ExportError(
                    "the SavedModel's 'classes' are not the network's; nothing was written"
                )
            continue  # text, made of the numbers
        # Grappler may fuse what eager does not: equal to rounding, not to the bit; a value
        # near 0 that was computed from large ones is rounded as they are.
        size = max(1.0, float(np.abs(value).max()))
        if not np.allclose(value, written[name], rtol=1e-5, atol=1e-6 * size):
            worst = float(np.abs(value - written[name]).max())
            raise ExportError(
                f"the SavedModel's {name!r} differs from the network's by {worst:.3g};"
                " nothing was written"
            )


def description(model: tf.Module | keras.Model) -> dict[str, Any]:
    """Return when and with which versions an export was made, and its network."""
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


def described_outputs(answers: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return type and shape of each answer."""
    return {
        name: {
            "dtype": "string" if value.dtype == object else str(value.dtype),
            "shape": [None, *value.shape[1:]],
        }
        for name, value in answers.items()
    }
