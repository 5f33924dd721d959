"""A REST client for models on `kerasnn serve` or TensorFlow Serving.

It needs neither TensorFlow nor the extra `serve`; HTTP is Python's.
"""

from kerasnn.serving.client.connection import RestClient
from kerasnn.serving.client.model import RemoteModel

__all__ = ["RemoteModel", "RestClient"]
