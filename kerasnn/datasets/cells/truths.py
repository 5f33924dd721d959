"""Spellings of true and false: one truth has one meaning in every spelling and case."""

import itertools
from collections.abc import Collection, Iterable

# Texts of false and true, in lower case.
TRUTH_PAIRS = (("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("off", "on"))
# The levels of a boolean column, whatever the spelling was.
TRUTH_LEVELS = ("False", "True")

# "1.0" is the text "1" of a whole number.
TRUTHS = {
    **{pair[i]: bool(i) for pair in TRUTH_PAIRS for i in (0, 1)},
    **{"0": False, "1": True},
}


def truth_of(text: str) -> bool | None:
    """Return what a text means; None if it is no spelling of a truth."""
    return TRUTHS.get(text.lower())


def in_every_case(text: str) -> list[str]:
    """Return a text in all combinations of upper and lower case."""
    pairs = ((letter.lower(), letter.upper()) for letter in text)
    return ["".join(letters) for letters in itertools.product(*pairs)]


def are_truths(texts: Collection[str]) -> bool:
    """Return whether all texts are spellings of truths, with both words of one pair."""
    words = {text.lower() for text in texts}
    return words <= TRUTHS.keys() and any(words.issuperset(p) for p in TRUTH_PAIRS)


def levels_by_truth(levels: Iterable[str]) -> dict[bool | None, str]:
    """Return the level that means false and the one that means true.

    Args:
        levels: of a boolean column, or classes of a target: "False" and "True", or as
            written: "no" and "yes".

    Returns:
        The level of each truth; {} if a level is no truth, or two mean the same.
    """
    found: dict[bool | None, str] = {}
    for level in levels:
        truth = truth_of(level)
        if truth is None or truth in found:
            return {}
        found[truth] = level
    return found
