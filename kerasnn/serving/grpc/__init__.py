"""TensorFlow Serving's gRPC interface, and health checking."""
