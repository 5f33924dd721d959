"""Layers with explicit Variables.

dense     the dense layer of the lessons' networks
members   layers of ensembles: every member has its own rows and weights
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
