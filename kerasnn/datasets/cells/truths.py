"""Spellings of true and false: a boolean means the same in every spelling and case."""

import itertools
from collections.abc import Collection, Iterable

# Texts of false and true, in lower case: of programs, then of spreadsheets and people in
# German, French, Spanish, Italian, Portuguese, Dutch, the Scandinavian languages, Polish,
# Czech, Russian, Japanese and Chinese.
TRUTH_PAIRS = (
    *(("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("off", "on")),
    *(("falsch", "wahr"), ("nein", "ja"), ("faux", "vrai"), ("non", "oui")),
    *(("falso", "verdadero"), ("no", "sí"), ("no", "si"), ("falso", "vero"), ("no", "sì")),
    *(("falso", "verdadeiro"), ("não", "sim"), ("nao", "sim"), ("onwaar", "waar")),
    *(("nee", "ja"), ("nej", "ja"), ("nei", "ja"), ("falskt", "sant"), ("falsk", "sand")),
    *(("usann", "sann"), ("fałsz", "prawda"), ("nie", "tak"), ("nepravda", "pravda")),
    *(("ne", "ano"), ("ложь", "истина"), ("нет", "да"), ("いいえ", "はい"), ("否", "是")),
)
# The levels of a boolean column, whatever the spelling was.
TRUTH_LEVELS = ("False", "True")
_MAX_MIXED = 5  # letters of a word that is known in every mixture of cases


def _in_cases(text: str) -> set[str]:
    """Return a text in all combinations of upper and lower case; a long one in three."""
    if len(text) > _MAX_MIXED:
        return {text, text.upper(), text.capitalize()}
    pairs = ((letter, letter.upper()) for letter in text)
    return {"".join(letters) for letters in itertools.product(*pairs)}


# The boolean of each spelling. "1.0" is the text "1" of a whole number.
TRUTHS = {"0": False, "1": True} | {
    text: bool(i) for pair in TRUTH_PAIRS for i in (0, 1) for text in _in_cases(pair[i])
}


def truth_of(text: str) -> bool | None:
    """Return the boolean that a text means; None if it spells neither."""
    return TRUTHS.get(text)


def are_truths(texts: Collection[str]) -> bool:
    """Return whether all texts spell true or false, with both words of one pair."""
    words = {text.lower() for text in texts}
    is_pair = any(words.issuperset(pair) for pair in TRUTH_PAIRS)
    return is_pair and TRUTHS.keys() >= set(texts)


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
