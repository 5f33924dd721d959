"""Answering requests for the networks under a folder, as TensorFlow Serving does.

The same requests over REST and gRPC get the same answers and the same errors, so that no
client changes when the folder goes to TensorFlow Serving. Needs the extra `[serve]`; takes
any SavedModel, and so knows nothing of Keras or tables.
"""
