"""Layers with explicit Variables.

dense     the dense layer of the lessons' networks
members   what the members of an ensemble compute side by side, each with weights of its own
"""

from kerasnn.layers.dense import Dense, dense, initial_weights, raw_variables
from kerasnn.layers.members import (
    dropout_keys,
    member_dense,
    member_dropout,
    member_lookup,
    periodic_embedding,
    piecewise_linear_encoding,
)

__all__ = [
    "Dense",
    "dense",
    "dropout_keys",
    "initial_weights",
    "member_dense",
    "member_dropout",
    "member_lookup",
    "periodic_embedding",
    "piecewise_linear_encoding",
    "raw_variables",
]
