"""The page to try a model in a browser: its files, and the facts about the models.

The page sends its requests to the server's REST interface. The files under `static` are
served as they are: no build step, nothing loaded from elsewhere.
"""

from kerasnn.serving.page.routes import page_routes

__all__ = ["page_routes"]
