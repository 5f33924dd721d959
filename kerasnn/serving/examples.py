"""Classify and Regress: one call of a graph for rows that are tf.Examples.

REST and gRPC both end here.
"""

import asyncio
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.manifest import EXAMPLES_INPUT
from kerasnn.serving.errors import invalid
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.saved_model.examples import (
    CLASSES_OUTPUT,
    SCORES_OUTPUT,
    VALUES_OUTPUT,
    Classes,
    as_classes,
    as_values,
    classify_outputs,
    feature_columns,
    regress_outputs,
)
from kerasnn.serving.saved_model.signatures import Signature
from kerasnn.serving.saved_model.tensors import dtype_name
from kerasnn.serving.service import Service


async def classify(
    service: Service,
    version: ModelVersion,
    signature: Signature,
    examples: NDArray[Any],
    *,
    deadline: float,
) -> Classes:
    """Return the classes of each example.

    Args:
        service: runs the graph.
        version: the model.
        signature: of that version.
        examples: [n] object, serialized tf.Examples.
        deadline: on the event loop's clock, in seconds.

    Raises:
        ServingError: INVALID_ARGUMENT, the signature or its outputs are no classification,
            or there are no examples; as `Scheduler.run`.
    """
    outputs = classify_outputs(version.graph, signature)
    check_examples(service, signature, examples)
    results = await service.inference.run(
        version, signature, {EXAMPLES_INPUT: examples}, outputs, deadline=deadline
    )
    await count_examples(version, examples)
    return as_classes(
        results.get(CLASSES_OUTPUT), results.get(SCORES_OUTPUT), len(examples)
    )


async def regress(
    service: Service,
    version: ModelVersion,
    signature: Signature,
    examples: NDArray[Any],
    *,
    deadline: float,
) -> NDArray[np.float32]:
    """Return the value of each example, [n] float32; arguments, errors as `classify`."""
    outputs = regress_outputs(version.graph, signature)
    check_examples(service, signature, examples)
    results = await service.inference.run(
        version, signature, {EXAMPLES_INPUT: examples}, outputs, deadline=deadline
    )
    await count_examples(version, examples)
    return as_values(results[VALUES_OUTPUT], len(examples))


async def count_examples(version: ModelVersion, examples: NDArray[Any]) -> None:
    """Count the cells of answered examples of a table's network."""
    counts = version.cell_counts
    if counts is not None:
        inputs = counts.number_inputs, counts.text_inputs
        loop = asyncio.get_running_loop()
        counts.count(await loop.run_in_executor(None, feature_columns, examples, *inputs))


def check_examples(service: Service, signature: Signature, examples: NDArray[Any]) -> None:
    """Check that examples can be fed to a signature.

    Raises:
        ServingError: INVALID_ARGUMENT, there are none, or more than the limit, or the
            signature does not take strings.
    """
    if not len(examples):
        raise invalid("Input is empty.")
    if len(examples) > service.limits.rows:
        raise invalid(
            f"a request must have at most {service.limits.rows} examples (--max-rows);"
            f" got {len(examples)}; send several requests"
        )
    dtype = signature.inputs[EXAMPLES_INPUT].dtype
    if dtype != tf.string:
        name = dtype_name(dtype.as_datatype_enum)
        raise invalid(f"Expects arg[0] to be {name} but string is provided")
