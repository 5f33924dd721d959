from kerasnn.datasets.cells.truths import (
    TRUTH_PAIRS,
    TRUTHS,
    are_truths,
    levels_by_truth,
    truth_of,
)


def test_spellings_mean_the_same():
    for text in ("true", "TRUE", "True", "t", "yES", "Y", "on", "1", "WAHR", "Sí", "はい"):
        assert truth_of(text) is True
    for text in ("false", "F", "no", "N", "OFF", "0", "Nein", "FALSCH"):
        assert truth_of(text) is False
    for text in ("", "2", "maybe", "-1", "of", "verDadero"):
        assert truth_of(text) is None


def test_a_column_of_truths_has_both_words_of_a_pair():
    assert are_truths(["True", "TRUE", "false"])
    assert are_truths(["yes", "no", "1"])
    assert are_truths(["ja", "nein", "TRUE"])
    assert not are_truths(["ja", "no"])
    assert not are_truths(["verDadero", "falso"])
    assert not are_truths(["t", "n"])
    assert not are_truths(["0", "1"])
    assert not are_truths(["yes", "no", "maybe"])
    assert not are_truths([])


def test_levels_of_older_schemas_are_truths_too():
    assert levels_by_truth(("no", "yes")) == {False: "no", True: "yes"}
    assert levels_by_truth(("f", "m")) == {}
    assert levels_by_truth(("yes", "YES")) == {}


def test_no_text_means_both():
    falses, trues = (set(words) for words in zip(*TRUTH_PAIRS, strict=True))
    assert falses.isdisjoint(trues)
    assert {text.lower() for text in TRUTHS} == {*falses, *trues, "0", "1"}


def test_a_text_in_every_case():
    assert {text for text in TRUTHS if text.lower() == "no"} == {"NO", "No", "nO", "no"}
    spanish = {text for text in TRUTHS if text.lower() == "verdadero"}
    assert spanish == {"verdadero", "VERDADERO", "Verdadero"}
