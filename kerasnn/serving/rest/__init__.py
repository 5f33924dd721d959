"""TensorFlow Serving's REST interface: paths and JSON."""
