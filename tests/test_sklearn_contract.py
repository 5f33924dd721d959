"""scikit-learn's own list of what an estimator must do, with no exception undeclared."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from kerasnn import NetworkClassifier, NetworkRegressor

pytestmark = pytest.mark.slow

# Small, and without a compilation: what is checked here is the contract, not the loop.
SMALL = {
    "members": 2,
    "folds": 2,
    "epochs": 12,
    "hidden_units": (16,),
    "batch_size": 16,
    "random_state": 0,
}
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "folds and batches are random: a row of weight 2 is not two rows"
    ),
}


def expected_failures(estimator):
    return EXPECTED_FAILURES


@parametrize_with_checks(
    [NetworkClassifier(**SMALL), NetworkRegressor(**SMALL)],
    expected_failed_checks=expected_failures,
)
def test_an_estimator_keeps_scikit_learns_contract(estimator, check):
    check(estimator)
