"""The gRPC services: TensorFlow Serving's two, and health checking.

They map methods to functions, which are in the modules of their names.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from tensorflow_serving.apis import (
    model_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from kerasnn.serving.grpc.calls import Answer, Context, Message, answer
from kerasnn.serving.grpc.decoding import DecodingServer
from kerasnn.serving.grpc.examples import classify_examples, regress_examples
from kerasnn.serving.grpc.health import ModelHealth
from kerasnn.serving.grpc.metadata import get_model_metadata
from kerasnn.serving.grpc.model_service import get_model_status, reload_config
from kerasnn.serving.grpc.multi_inference import first_model_spec, multi_inference
from kerasnn.serving.grpc.predict import predict_tensors
from kerasnn.serving.service import Service


def add_services(server: grpc.aio.Server, service: Service) -> "health.aio.HealthServicer":
    """Register the services on a server.

    Args:
        server: not started yet, with `grpc.max_receive_message_length` and
            `grpc.max_send_message_length` set: grpc's default is 4 MB.
        service: its scheduler belongs to the event loop of the server.

    Returns:
        The health servicer; its `enter_graceful_shutdown` asks clients to leave.
    """
    models_health = ModelHealth(service)
    reading = DecodingServer(server, service.in_flight)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionServicer(service), reading
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        ModelServicer(service), reading
    )
    health_pb2_grpc.add_HealthServicer_to_server(models_health, reading)
    return models_health


def _method(
    api: str, function: Answer[Message], model_spec: Callable[[Message], Message]
) -> Callable[[Any, Message, Context], Awaitable[Message]]:
    """Make a servicer's method that answers with a function."""

    async def method(self: Any, request: Message, context: Context) -> Message:
        return await answer(
            self.service, api, function, request, model_spec(request), context
        )

    return method


def _own_spec(request: Message) -> Message:
    return request.model_spec


def _no_spec(request: Message) -> Message:
    return model_pb2.ModelSpec()


class PredictionServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """tensorflow.serving.PredictionService."""

    def __init__(self, service: Service) -> None:
        self.service = service

    Predict = _method("Predict", predict_tensors, _own_spec)
    Classify = _method("Classify", classify_examples, _own_spec)
    Regress = _method("Regress", regress_examples, _own_spec)
    MultiInference = _method("MultiInference", multi_inference, first_model_spec)
    GetModelMetadata = _method("GetModelMetadata", get_model_metadata, _own_spec)


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """tensorflow.serving.ModelService."""

    def __init__(self, service: Service) -> None:
        self.service = service

    GetModelStatus = _method("GetModelStatus", get_model_status, _own_spec)
    HandleReloadConfigRequest = _method(
        "HandleReloadConfigRequest", reload_config, _no_spec
    )
