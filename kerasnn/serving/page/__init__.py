"""The page to try a model on, in a browser: its files, and what it is told of the models.

It asks the models over the server's own REST; this package computes no answer. The files
under `static` are served as they are: no build step, nothing loaded from elsewhere.
"""

from kerasnn.serving.page.routes import page_routes

__all__ = ["page_routes"]
