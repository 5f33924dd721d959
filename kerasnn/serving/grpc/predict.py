"""Predict over gRPC: from named tensors to named tensors."""

import asyncio
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2

from kerasnn.manifest import DEFAULT_SIGNATURE
from kerasnn.serving.errors import Code, ServingError, invalid, name_set
from kerasnn.serving.grpc.calls import Message, model_spec, use_model, write_model_spec
from kerasnn.serving.in_flight import Held
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.saved_model.signatures import NamedArrays, Signature
from kerasnn.serving.saved_model.tensors import array_from_proto, dtype_name, write_proto
from kerasnn.serving.service import Service

_FEW_CELLS = 10_000  # of a table, that are looked at in the event loop


async def predict_tensors(service: Service, request: Message, deadline: float) -> Message:
    """Return a PredictResponse; any signature is allowed, whatever its method name."""
    spec = model_spec(request)
    with use_model(service, spec) as version, service.in_flight.request() as held:
        signature = _signature(version, spec.signature_name or DEFAULT_SIGNATURE)
        sent = _inputs(service, version, signature, request.inputs, held)
        inputs = await _as_meant(version, signature, sent)
        outputs = _outputs(signature, request.output_filter)
        results = await service.inference.run(
            version, signature, inputs, outputs, deadline=deadline
        )
        response = predict_pb2.PredictResponse()
        write_model_spec(response.model_spec, spec, version)
    for alias, array in results.items():
        write_proto(response.outputs[alias], array)
    return response


def _signature(version: ModelVersion, name: str) -> Signature:
    signature = version.graph.signatures.get(name)
    if signature is None:
        raise ServingError(
            Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
        )
    return signature


def _inputs(
    service: Service,
    version: ModelVersion,
    signature: Signature,
    sent: Message,
    held: Held,
) -> dict[str, NDArray[Any]]:
    """Return an array for each input of the signature: the sent one, or the default.

    `held` counts the bytes of elements that are not in the message.
    """
    defaults: Any = {}
    if sent.keys() != signature.inputs.keys():
        defaults = version.graph.signature_defs[signature.key].defaults
        _check_names(signature, sent, defaults)
    inputs = {}
    for index, (alias, info) in enumerate(signature.inputs.items()):
        tensor = sent[alias] if alias in sent else defaults[alias]
        counted = signature.counts_rows(len(tensor.tensor_shape.dim))
        max_rows = service.limits.rows if counted else service.limits.message_bytes
        inputs[alias] = array_from_proto(alias, tensor, max_rows=max_rows, count=held.grow)
        if tensor.dtype != info.dtype.as_datatype_enum:
            raise invalid(
                f"Expects arg[{index}] to be {dtype_name(info.dtype.as_datatype_enum)}"
                f" but {dtype_name(tensor.dtype)} is provided"
            )
    return inputs


async def _as_meant(
    version: ModelVersion, signature: Signature, inputs: NamedArrays
) -> NamedArrays:
    """Return the inputs of a table's network as its schema reads them, as over REST."""
    table = version.table_inputs
    if table is None or signature.key not in table.options:
        return inputs
    few = sum([array.size for array in inputs.values()]) <= _FEW_CELLS
    if few and table.are_plain({}, inputs):
        return inputs
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, table.as_meant, inputs, signature.key)


def _check_names(signature: Signature, sent: Message, defaults: Message) -> None:
    wanted = signature.inputs.keys()
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not defaults):
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)}"
            f" len({name_set(sent)}) != len({name_set(wanted)})."
            f" Sent extra: {name_set(sent.keys() - wanted)}."
            f" Missing but required: {name_set(wanted - sent.keys())}."
        )
    for alias, info in signature.inputs.items():
        if alias not in sent and alias not in defaults:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {info.tensor}) not found in"
                " request and no default value provided. Inputs expected to be in the"
                f" request {name_set(sent)}, or default input alias set:"
                f" {','.join(sorted(defaults))}"
            )
    if sent.keys() - wanted:
        raise invalid(
            "Inputs contains invalid name. Used request inputs:"
            f" {','.join(sorted(sent.keys() & wanted))}, request input:"
            f" {','.join(sorted(sent))}"
        )


def _outputs(signature: Signature, wanted: Sequence[str]) -> list[str] | None:
    """Return the aliases to fetch; None: all."""
    if not wanted:
        return None
    seen: set[str] = set()
    for alias in wanted:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected"
                f" to be in the set {name_set(signature.outputs)}."
            )
        if alias in seen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
    return list(wanted)
