"""Spellings of true and false: a boolean means the same in every spelling and case."""

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
    """Return the boolean that a text means; None if it spells neither."""
    return TRUTHS.get(text.lower())


def in_every_case(text: str) -> list[str]:
    """Return a text in all combinations of upper and lower case."""
    pairs = ((letter.lower(), letter.upper()) for letter in text)
    return ["".join(letters) for letters in itertools.product(*pairs)]


def are_truths(texts: Collection[str]) -> bool:
    """Return whether all texts spell true or false, with both words of one pair."""
    words = {text.lower() for text in texts}
    return words <= TRUTHS.keys() and any(words.issuperset(p) for p in TRUTH_PAIRS)


def levels_by_truth(levels: Iterable[str]) -> dict[bool | None, str]:
    """Return the level that means false and the one that means true.

    Args:
        levels: of a boolean column, or classes of a target: "False" and "True", or as
            written: "no" and "yes".

    Returns:
        The level of each boolean; {} if a level spells neither, or two mean the same.
    """
    found: dict[bool | None, str] = {}
    for level in levels:
        truth = truth_of(level)
        if truth is None or truth in found:
            return {}
        found[truth] = level
    return found
