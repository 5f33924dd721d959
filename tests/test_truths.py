from kerasnn.datasets.cells.truths import (
    are_truths,
    in_every_case,
    levels_by_truth,
    truth_of,
)


def test_spellings_mean_the_same():
    for text in ("true", "TRUE", "True", "t", "Yes", "Y", "on", "1"):
        assert truth_of(text) is True
    for text in ("false", "F", "no", "N", "OFF", "0"):
        assert truth_of(text) is False
    for text in ("", "2", "maybe", "-1", "oui"):
        assert truth_of(text) is None


def test_a_column_of_truths_has_both_words_of_a_pair():
    assert are_truths(["True", "TRUE", "false"])
    assert are_truths(["yes", "no", "1"])
    assert not are_truths(["t", "n"])
    assert not are_truths(["0", "1"])
    assert not are_truths(["yes", "no", "maybe"])
    assert not are_truths([])


def test_levels_of_older_schemas_are_truths_too():
    assert levels_by_truth(("no", "yes")) == {False: "no", True: "yes"}
    assert levels_by_truth(("f", "m")) == {}
    assert levels_by_truth(("yes", "YES")) == {}


def test_a_text_in_every_case():
    assert sorted(in_every_case("no")) == ["NO", "No", "nO", "no"]
    assert in_every_case("1") == ["1", "1"][:1] or set(in_every_case("1")) == {"1"}
