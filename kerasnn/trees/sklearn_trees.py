"""The trees of scikit-learn's HistGradientBoosting models as arrays.

Every private name of scikit-learn that this needs is here; `tests/test_trees.py` compares
the arrays with the models' own predictions.
"""

from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from kerasnn.trees.bins import Bins
from kerasnn.trees.forest import Forest

Boosting: TypeAlias = HistGradientBoostingClassifier | HistGradientBoostingRegressor


def all_outputs(
    model: Boosting, own: NDArray[np.float64], n_out: int
) -> NDArray[np.float64]:
    """Return logits of all classes from those of the classes in a model's training rows.

    A class that is missing there gets the logit of a class with half a row.

    Args:
        model: of two classes at least, if it lacks one.
        own: [..., outputs of the model].
        n_out: number of classes; 1 for two classes or for values.
    """
    if own.shape[-1] == n_out:
        return own
    rows = int(model._predictors[0][0].nodes["count"][0])
    baseline = _for_each_class(np.ravel(model._baseline_prediction))
    absent = logsumexp(baseline) - np.log(2 * rows)
    found = np.full((*own.shape[:-1], n_out), absent)
    found[..., model.classes_.astype(np.intp)] = _for_each_class(own)
    return found


def _for_each_class(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a logit for each class; scikit-learn has one for two classes."""
    if logits.shape[-1] > 1:
        return logits
    return np.concatenate([-logits / 2, logits / 2], axis=-1)


def forest_of(model: Boosting, rounds: int, bins: Bins, n_out: int | None = None) -> Forest:
    """Return the trees of the first rounds of a fitted model.

    Args:
        model: fitted to the columns of the bins.
        rounds: at most those that it was fitted for.
        bins: of its columns.
        n_out: number of outputs, see `all_outputs`; None for those of the model.
    """
    categories = _categories(model)
    known = model._bin_mapper.make_known_categories_bitsets() if categories else None
    n_out = n_out or len(model._predictors[0])
    trees: list[Any] = []
    for grown in model._predictors[:rounds]:
        of_outputs: list[Any] = [_LEAF] * n_out
        for output, tree, factor in _places(model, grown, n_out):
            of_outputs[output] = _Tree(tree, categories, known, bins, factor)
        trees += of_outputs
    baseline = np.ravel(model._baseline_prediction)
    nodes = np.cumsum([0, *(len(tree.columns) for tree in trees)])
    turns = np.cumsum([1, *(len(tree.turns) for tree in trees)])

    def joined(name: str, dtype: Any, starts: NDArray[Any] | None = None) -> NDArray[Any]:
        parts = [getattr(tree, name) for tree in trees]
        if starts is not None:
            pairs = zip(parts, starts, strict=False)
            parts = [np.where(part >= 0, part + start, 0) for part, start in pairs]
        return np.concatenate([np.zeros(0), *parts]).astype(dtype)

    return Forest(
        roots=nodes[:-1].astype(np.int32),
        columns=joined("columns", np.int32),
        thresholds=joined("thresholds", np.float32),
        children=joined("children", np.int32, nodes),
        tables=joined("tables", np.int32, turns),
        turns=np.concatenate([[0], *(tree.turns for tree in trees)]).astype(np.uint8),
        values=joined("values", np.float32),
        baseline=all_outputs(model, baseline, n_out).astype(np.float32),
        depth=max(tree.depth for tree in trees),
    )


def _places(model: Boosting, grown: list[Any], n_out: int) -> list[tuple[int, Any, float]]:
    """Return output, tree and factor of its values, for each output with a tree.

    Args:
        model: may lack classes.
        grown: trees of a round; for two classes a single one, which both share.
        n_out: number of outputs.
    """
    if len(grown) == n_out:
        return [(output, tree, 1.0) for output, tree in enumerate(grown)]
    classes = model.classes_.astype(int).tolist()
    if len(grown) == 1:
        return [(classes[0], grown[0], -0.5), (classes[1], grown[0], 0.5)]
    return [(k, tree, 1.0) for k, tree in zip(classes, grown, strict=True)]


def _categories(model: Boosting) -> list[NDArray[np.intp]]:
    """Return the codes of each column of codes in the order of the model's categories."""
    if model._preprocessor is None:
        return []
    encoder = model._preprocessor.named_transformers_["encoder"]
    return [codes.astype(np.intp) for codes in encoder.categories_]


class _Tree:
    """One tree, with the children of a node beside each other.

    Attributes:
        columns, thresholds, children, tables, turns, values: as in a `Forest`, but
            nodes and tables are counted from 0, and tables are -1 where there is none.
        depth: of the deepest leaf.
    """

    def __init__(
        self,
        tree: Any,
        categories: list[NDArray[np.intp]],
        known: Any,
        bins: Bins,
        factor: float,
    ) -> None:
        nodes = tree.nodes[_breadth_first(tree.nodes)]
        leaf = nodes["is_leaf"].astype(bool)
        coded = nodes["is_categorical"].astype(bool) & ~leaf
        self.depth = int(nodes["depth"].max())
        self.columns = np.where(leaf, 0, nodes["feature_idx"])
        self.thresholds = np.full(len(nodes), np.inf, np.float32)
        compared = ~(leaf | coded)
        self.thresholds[compared] = bins.limits(
            nodes["feature_idx"][compared], nodes["num_threshold"][compared]
        )
        inner = np.cumsum(~leaf) - 1  # children of the i-th inner node are 2i+1 and 2i+2
        self.children = np.where(leaf, np.arange(len(nodes)), 2 * inner + 1)
        self.values = np.where(leaf, nodes["value"] * factor, 0.0)
        tables = [_turns(tree, node, categories, known, bins) for node in nodes[coded]]
        self.tables = np.full(len(nodes), -1)
        self.tables[coded] = np.cumsum([0, *map(len, tables)])[:-1]
        self.turns = np.concatenate([np.zeros(0, np.uint8), *tables])


_LEAF: Any = SimpleNamespace(  # a tree that adds nothing
    columns=np.zeros(1),
    thresholds=np.full(1, np.inf),
    children=np.zeros(1),
    tables=np.full(1, -1),
    turns=np.zeros(0, np.uint8),
    values=np.zeros(1),
    depth=0,
)


def _breadth_first(nodes: NDArray[Any]) -> NDArray[np.intp]:
    """Return the numbers of the nodes level by level, siblings beside each other."""
    level, order = np.zeros(1, np.intp), []
    while len(level):
        order.append(level)
        inner = level[nodes["is_leaf"][level] == 0]
        level = np.stack([nodes["left"][inner], nodes["right"][inner]], axis=1).ravel()
        level = level.astype(np.intp)
    return np.concatenate(order)


def _turns(
    tree: Any,
    node: Any,
    categories: list[NDArray[np.intp]],
    known: Any,
    bins: Bins,
) -> NDArray[np.uint8]:
    """Return for each code of a node's column whether it goes right, 0 or 1.

    A code that the model has not seen goes where missing values go.
    """
    column = int(node["feature_idx"])
    turns = np.full(bins.cardinalities[column], not node["missing_go_to_left"], np.uint8)
    bitsets, places = known
    codes = categories[column]
    seen = _bits(bitsets[places[column]], len(codes))
    left = _bits(tree.raw_left_cat_bitsets[node["bitset_idx"]], len(codes))
    turns[codes[seen]] = ~left[seen]
    return turns


def _bits(words: NDArray[np.uint32], count: int) -> NDArray[np.bool_]:
    """Return the first bits of 32-bit words."""
    numbers = np.arange(count)
    return (words[numbers >> 5] >> (numbers & 31).astype(np.uint32) & 1).astype(bool)
