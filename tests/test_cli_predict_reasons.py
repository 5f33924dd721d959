"""`kerasnn predict --explain`: reasons beside the predictions."""

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from kerasnn.cli.predict.reasons import reason_table

ROWS = pd.DataFrame(
    {"other": [1, 2, 3], "age": [52.0, np.nan, 7.0], "job": ["clerk", "c" * 60, None]}
)
OUTPUTS = {
    "contributions": np.array([[0.8312, -0.25], [0.1, 2.0], [np.nan, np.nan]]),
    "base": np.array([-1.5, -1.5, np.nan]),
    "value": np.array([0.0, 0.6, np.nan]),
}


def test_reasons_name_column_cell_and_contribution_the_largest_first() -> None:
    table = reason_table(OUTPUTS, ROWS, ["age", "job"], [])
    assert list(table) == [
        "reason_1",
        "reason_2",
        "mean_answer",
        "contribution_age",
        "contribution_job",
    ]
    assert table["reason_1"].tolist() == [
        "age=52 (+0.831)",
        f"job={'c' * 37}... (+2)",
        None,
    ]
    assert table["reason_2"].tolist() == ["job=clerk (-0.25)", "age=missing (+0.1)", None]
    total = table[["mean_answer", "contribution_age", "contribution_job"]].sum(axis=1)
    np.testing.assert_allclose(total[:2], [-0.9188, 0.6])


def test_reasons_of_two_classes_are_those_of_the_second() -> None:
    outputs = {**OUTPUTS, "probabilities": np.array([[0.7, 0.3], [0.4, 0.6], [0.5, 0.5]])}
    table = reason_table(outputs, ROWS, ["age", "job"], ["no", "yes"])
    assert table["reason_1"][0] == "age=52 (+0.831)"  # of the logit of "yes"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "wine"])
def test_data_that_comes_with_scikit_learn_is_trained_and_explained(name, run) -> None:
    table = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
    table.to_csv("rows.csv", index=False)
    train = ("train", "rows.csv", "--target", "target", "--epochs", "1")
    assert run(*train, "--name", "it")[0] == 0
    predict = ("predict", "saved_models/it", "rows.csv", "--explain", "-o", "answers.csv")
    assert run(*predict)[0] == 0
    answers = pd.read_csv("answers.csv")
    assert len(answers) == len(table)
    reasons = answers.filter(regex="^(contribution_|mean_answer)").sum(axis=1)
    if name == "diabetes":
        np.testing.assert_allclose(reasons, answers["value"], rtol=1e-4)
    assert np.isfinite(reasons).all()
