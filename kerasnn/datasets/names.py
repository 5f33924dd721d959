"""Names of columns: errors about missing and duplicate ones."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

from kerasnn.errors import InputError, list_names

MAX_NAMED = 6  # missing columns that a message names


def check_names(
    wanted: Iterable[str],
    present: Iterable[str],
    *,
    by: str = "",  # the argument that names the columns, such as "categorical"
) -> None:
    """Check that a table has certain columns.

    Raises:
        InputError: a column is missing; the message suggests similar names.
    """
    present = list(present)
    known = set(present)
    absent = [name for name in wanted if name not in known]
    if not absent:
        return
    asked = f" that {by} names" if by else ""
    is_one = len(present) == 1 and any(sep in present[0] for sep in ",;|\t")
    hint = ". The whole table is one column: is the separator right?" if is_one else ""
    more = len(absent) - MAX_NAMED
    raise InputError(
        f"the table has no column{'s' if len(absent) > 1 else ''}"
        f" {', '.join(_with_hint(name, present) for name in absent[:MAX_NAMED])}"
        f"{f' and {more} more' if more > 0 else ''}{asked}; it has {list_names(present)}"
        f"{hint}"
    )


def check_unique(owner: str, names: Sequence[str]) -> None:
    """Check that no two columns have the same name.

    Args:
        owner: subject and verb of the message, such as "the table has".
        names: of the columns.

    Raises:
        InputError: two or more have.
    """
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise InputError(
            f"{owner} {count} columns named {name!r}; each needs a name of its own"
        )


def _with_hint(name: str, present: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, present, n=1)
    if not near:
        near = [other for other in present if other.casefold() == name.casefold()][:1]
    return f"{name!r} (did you mean {near[0]!r}?)" if near else repr(name)
