"""A server for the SavedModels under a folder, compatible with TensorFlow Serving.

Requests over REST and gRPC get the same answers and errors as from TensorFlow Serving, so
clients need no change. It needs the extra `[serve]` and serves any SavedModel; only
`client`, which asks servers, knows tables.
"""
