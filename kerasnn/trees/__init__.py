"""Decision trees beside the networks: scikit-learn's, as arrays in a TensorFlow graph.

bins           of the columns that trees compare
sklearn_trees  the trees of a HistGradientBoosting model as arrays
forest         the sum of many trees, by gathers and comparisons
boosting       trees that are fitted on folds, and scored on the rows that they leave out

`boosting` is not imported here: a network with trees does not need scikit-learn's
ensembles, which take longer to import than kerasnn itself.
"""

from kerasnn.trees.forest import (
    Forest,
    ForestArrays,
    ForestShape,
    forest_outputs,
    node_turns,
)

__all__ = [
    "Forest",
    "ForestArrays",
    "ForestShape",
    "forest_outputs",
    "node_turns",
]
