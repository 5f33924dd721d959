"""Asking a model on a server: `kerasnn serve` or TensorFlow Serving, over REST.

It needs neither TensorFlow nor the extra `serve`; HTTP is Python's own.
"""

from kerasnn.remote.model import RemoteModel
from kerasnn.remote.server import Server

__all__ = ["RemoteModel", "Server"]
