"""Names of columns in messages: what is there, and what was probably meant."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

from kerasnn.errors import InputError


def check_names(
    wanted: Iterable[str],  # names that must be there
    present: Iterable[str],
    *,
    by: str = "",  # who asks for them, e.g. "categorical"
) -> None:
    """Every wanted column is there.

    Raises:
        InputError: one or more are not; the message says which were probably meant.
    """
    present = list(present)
    known = set(present)
    absent = [name for name in wanted if name not in known]
    if not absent:
        return
    asked = f" that {by} names" if by else ""
    raise InputError(
        f"the table has no column{'s' if len(absent) > 1 else ''}"
        f" {', '.join(_with_hint(name, present) for name in absent[:6])}"
        f"{f' and {len(absent) - 6} more' if len(absent) > 6 else ''}{asked};"
        f" it has {shortened(present)}"
    )


def check_different(whole: str, names: Sequence[str]) -> None:
    """No two columns have one name; `whole` is what has them, "the table has".

    Raises:
        InputError: two or more have.
    """
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise InputError(
            f"{whole} {count} columns named {name!r}; each needs a name of its own"
        )


def shortened(names: Sequence[str], most: int = 8) -> str:
    """The names in a row, the middle left out where there are many."""
    if len(names) <= most:
        return ", ".join(names) or "no columns"
    return f"{', '.join(names[:3])}, ... {names[-1]} ({len(names)} columns)"


def _with_hint(name: str, present: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, present, n=1)
    if not near:
        near = [other for other in present if other.casefold() == name.casefold()][:1]
    return f"{name!r} (did you mean {near[0]!r}?)" if near else repr(name)
