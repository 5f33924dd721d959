"""TensorFlow Serving's REST interface: HTTP and JSON."""
