"""GetModelMetadata: the signatures of a model."""

from tensorflow_serving.apis import get_model_metadata_pb2

from kerasnn.serving.errors import invalid
from kerasnn.serving.grpc.calls import Message, model_spec, use_model
from kerasnn.serving.service import Service

SIGNATURE_DEF = "signature_def"


async def get_model_metadata(
    service: Service, request: Message, deadline: float
) -> Message:
    """Return a GetModelMetadataResponse; the deadline is not needed."""
    spec = model_spec(request)
    _check_fields(request.metadata_field)
    with use_model(service, spec) as version:
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = version.name
        response.model_spec.version.value = version.number
        signatures = version.graph.signature_def_map()
    response.metadata[SIGNATURE_DEF].Pack(signatures)
    return response


def _check_fields(fields: Message) -> None:
    if not fields:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in fields:
        if field != SIGNATURE_DEF:
            raise invalid(f"Metadata field {field} is not supported")
