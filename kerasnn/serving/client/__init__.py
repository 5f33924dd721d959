"""Asking a model on a server: `kerasnn serve` or TensorFlow Serving, over REST.

It needs neither TensorFlow nor the extra `serve`; HTTP is Python's own.
"""

from kerasnn.serving.client.connection import RestClient
from kerasnn.serving.client.model import RemoteModel

__all__ = ["RemoteModel", "RestClient"]
