"""Tables in, a good network out: the scikit-learn contract.

recipe       what is decided by default
job          one ensemble to be trained
train_jobs   training ensembles side by side in one compiled loop
held_out     what the rows say that a member did not learn from
"""

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
