"""Estimators for tables that follow the scikit-learn contract."""

from kerasnn.ensembles.recipe import Recipe, default_recipe
from kerasnn.estimators.base import NetworkEstimator
from kerasnn.estimators.classifier import NetworkClassifier
from kerasnn.estimators.cross_validation import cross_validate
from kerasnn.estimators.regressor import NetworkRegressor

__all__ = [
    "NetworkClassifier",
    "NetworkEstimator",
    "NetworkRegressor",
    "Recipe",
    "cross_validate",
    "default_recipe",
]
