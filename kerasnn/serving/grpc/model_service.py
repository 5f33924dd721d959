"""ModelService over gRPC: the status of versions, and the list of served models."""

import asyncio

from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

from kerasnn.serving.errors import Code, invalid
from kerasnn.serving.grpc.calls import Message, model_spec
from kerasnn.serving.models.sources import sources_from_config
from kerasnn.serving.service import Service


async def get_model_status(service: Service, request: Message, deadline: float) -> Message:
    """Return a GetModelStatusResponse: of the numbered version, or of all."""
    spec = model_spec(request)
    version = spec.version.value if spec.HasField("version") else None
    response = get_model_status_pb2.GetModelStatusResponse()
    for status in service.models.statuses(spec.name, version):
        response.model_version_status.add(
            version=status.version,
            state=status.state,
            status={"error_code": int(status.code), "error_message": status.message},
        )
    return response


async def reload_config(service: Service, request: Message, deadline: float) -> Message:
    """Replace the served models; return a ReloadConfigResponse when they are available.

    The metrics that a client asks for are not counted: their increase is 0.
    """
    if request.config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported"
        )
    sources = sources_from_config(request.config)
    await asyncio.to_thread(service.models.reload, sources)
    response = model_management_pb2.ReloadConfigResponse()
    response.status.error_code = int(Code.OK)
    for name in request.metric_names:
        response.metric.add(name=name, int64_value_increase=0)
    return response
