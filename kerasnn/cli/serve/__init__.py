"""`kerasnn serve`: answers over HTTP and gRPC.

command  runs the server
options  its options
"""

from kerasnn.cli.serve.command import serve

__all__ = ["serve"]
