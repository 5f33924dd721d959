"""The gRPC side of the server: TensorFlow Serving's two services, and health checking.

Only says which function answers what; the functions are in the modules named after them.
"""

import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from tensorflow_serving.apis import (
    model_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from kerasnn.serving.grpc.calls import Context, Message, answer
from kerasnn.serving.grpc.decoding import DecodingServer
from kerasnn.serving.grpc.examples import classify_examples, regress_examples
from kerasnn.serving.grpc.health import ModelHealth
from kerasnn.serving.grpc.metadata import get_model_metadata
from kerasnn.serving.grpc.model_service import get_model_status, reload_config
from kerasnn.serving.grpc.multi_inference import first_model_spec, multi_inference
from kerasnn.serving.grpc.predict import predict_tensors
from kerasnn.serving.service import Service


def add_services(server: grpc.aio.Server, service: Service) -> "health.aio.HealthServicer":
    """Have a server answer for the models of a service.

    Args:
        server: not started yet, with `grpc.max_receive_message_length` and
            `grpc.max_send_message_length` set: grpc's own bound is 4 MB.
        service: its inference belongs to the event loop that the server runs in.

    Returns:
        Who answers health checks; its `enter_graceful_shutdown` tells clients to leave.
    """
    models_health = ModelHealth(service)
    reading = DecodingServer(server)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionServicer(service), reading
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        ModelServicer(service), reading
    )
    health_pb2_grpc.add_HealthServicer_to_server(models_health, reading)
    return models_health


class PredictionServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """tensorflow.serving.PredictionService."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def Predict(self, request: Message, context: Context) -> Message:  # noqa: N802
        """Tensors for tensors, by any signature."""
        spec = request.model_spec
        return await answer(
            self._service, "Predict", predict_tensors, request, spec, context
        )

    async def Classify(self, request: Message, context: Context) -> Message:  # noqa: N802
        """Labels with scores for each example."""
        spec = request.model_spec
        return await answer(
            self._service, "Classify", classify_examples, request, spec, context
        )

    async def Regress(self, request: Message, context: Context) -> Message:  # noqa: N802
        """A value for each example."""
        spec = request.model_spec
        return await answer(
            self._service, "Regress", regress_examples, request, spec, context
        )

    async def MultiInference(  # noqa: N802
        self, request: Message, context: Context
    ) -> Message:
        """Several classifications and regressions of the same examples."""
        spec = first_model_spec(request)
        return await answer(
            self._service, "MultiInference", multi_inference, request, spec, context
        )

    async def GetModelMetadata(  # noqa: N802
        self, request: Message, context: Context
    ) -> Message:
        """The signatures of a model."""
        spec = request.model_spec
        return await answer(
            self._service, "GetModelMetadata", get_model_metadata, request, spec, context
        )


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """tensorflow.serving.ModelService."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def GetModelStatus(  # noqa: N802
        self, request: Message, context: Context
    ) -> Message:
        """The versions of a model and their states."""
        spec = request.model_spec
        return await answer(
            self._service, "GetModelStatus", get_model_status, request, spec, context
        )

    async def HandleReloadConfigRequest(  # noqa: N802
        self, request: Message, context: Context
    ) -> Message:
        """Serve the models of a list, and no others."""
        return await answer(
            self._service,
            "HandleReloadConfigRequest",
            reload_config,
            request,
            model_pb2.ModelSpec(),
            context,
        )
