"""The digits network behind a gRPC server of the same protocol, written the usual way.

MODEL=saved_models/digits/1 python grpc_app.py PORT aio
MODEL=saved_models/digits/1 python grpc_app.py PORT threads
"""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

loaded = tf.saved_model.load(os.environ["MODEL"])
network = loaded.signatures["serving_default"]


def answer(request: Any) -> Any:
    """A PredictResponse to a PredictRequest."""
    outputs = network(x=tf.constant(tf.make_ndarray(request.inputs["x"])))
    response = predict_pb2.PredictResponse()
    response.model_spec.CopyFrom(request.model_spec)
    for name, tensor in outputs.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(tensor.numpy()))
    return response


class Blocking(prediction_service_pb2_grpc.PredictionServiceServicer):
    """For a server with threads."""

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """In a thread of the server."""
        return answer(request)


class InLoop(prediction_service_pb2_grpc.PredictionServiceServicer):
    """For a server with an event loop."""

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """In the loop, which waits for it."""
        return answer(request)


def serve_with_threads(port: int) -> None:
    """Until it is ended."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Blocking(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


async def serve_in_loop(port: int) -> None:
    """Until it is ended."""
    server = grpc.aio.server()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(InLoop(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[2] == "aio":
        asyncio.run(serve_in_loop(int(sys.argv[1])))
    else:
        serve_with_threads(int(sys.argv[1]))
