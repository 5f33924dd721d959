"""MultiInference over gRPC: several signatures of one model on the same tf.Examples."""

from typing import Any

from numpy.typing import NDArray
from tensorflow_serving.apis import inference_pb2, model_pb2

from kerasnn.manifest import DEFAULT_SIGNATURE, EXAMPLES_INPUT
from kerasnn.serving.errors import Code, ServingError, invalid
from kerasnn.serving.examples import check_examples, count_examples
from kerasnn.serving.grpc.calls import Message, use_model, write_model_spec
from kerasnn.serving.grpc.examples import write_classes, write_values
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.saved_model.examples import (
    CLASSES_OUTPUT,
    SCORES_OUTPUT,
    VALUES_OUTPUT,
    as_classes,
    as_values,
    classify_outputs,
    regress_outputs,
    serialized_examples,
)
from kerasnn.serving.saved_model.signatures import (
    CLASSIFY,
    REGRESS,
    Signature,
)
from kerasnn.serving.service import Service

_OUTPUTS_OF = {CLASSIFY: classify_outputs, REGRESS: regress_outputs}


async def multi_inference(service: Service, request: Message, deadline: float) -> Message:
    """Return a MultiInferenceResponse, from one call of the graph."""
    with use_model(service, first_model_spec(request)) as version:
        signatures = _signatures(version, request.tasks)
        keys = [signature.key for signature in signatures]
        names = version.feature_names(keys[0]) if keys else None
        examples = serialized_examples(request.input, names)
        for signature in signatures:
            check_examples(service, signature, examples)
        feeds = {one.inputs[EXAMPLES_INPUT].tensor: examples for one in signatures}
        fetches = _fetches(version, request.tasks, signatures)
        arrays = await service.inference.run_blocking(
            version,
            lambda seconds: version.graph.run_tensors(
                feeds, fetches, timeout_seconds=seconds
            ),
            deadline=deadline,
        )
        await count_examples(version, examples)
        by_tensor = dict(zip(fetches, arrays, strict=True))
        response = inference_pb2.MultiInferenceResponse()
        for task, signature in zip(request.tasks, signatures, strict=True):
            result = response.results.add()
            _write(result, task.method_name, signature, by_tensor, len(examples))
            write_model_spec(result.model_spec, task.model_spec, version)
    return response


def first_model_spec(request: Message) -> Message:
    """Return the first task's ModelSpec, which selects the version; empty without tasks."""
    return request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()


def _signatures(version: ModelVersion, tasks: Message) -> list[Signature]:
    """Return the signature of each task."""
    signatures: dict[str, Signature] = {}
    for task in tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != tasks[0].model_spec.name:
            raise invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in signatures:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        if name not in version.graph.signatures:
            raise invalid(f"Requested signature not found in model graph: {name}")
        signatures[name] = version.graph.signatures[name]
        if task.method_name not in _OUTPUTS_OF:
            raise ServingError(
                Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
            )
        _OUTPUTS_OF[task.method_name](version.graph, signatures[name])
    return list(signatures.values())


def _fetches(
    version: ModelVersion, tasks: Message, signatures: list[Signature]
) -> list[str]:
    """Return the tensors of all tasks, each once."""
    return sorted(
        {
            signature.outputs[alias].tensor
            for task, signature in zip(tasks, signatures, strict=True)
            for alias in _OUTPUTS_OF[task.method_name](version.graph, signature)
        }
    )


def _write(
    result: Message,
    method_name: str,
    signature: Signature,
    by_tensor: dict[str, NDArray[Any]],
    n_examples: int,
) -> None:
    arrays = {
        alias: by_tensor[info.tensor]
        for alias, info in signature.outputs.items()
        if info.tensor in by_tensor
    }
    if method_name == CLASSIFY:
        classes = as_classes(
            arrays.get(CLASSES_OUTPUT), arrays.get(SCORES_OUTPUT), n_examples
        )
        write_classes(result.classification_result, classes)
    else:
        write_values(result.regression_result, as_values(arrays[VALUES_OUTPUT], n_examples))
