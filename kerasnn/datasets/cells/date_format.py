"""Dates in local formats: each becomes rules that rewrite a text to ISO 8601.

A rule is a regular expression and a replacement, both in the common part of Python's `re`
and of RE2, so that `preprocessing.graph_dates` reads a text as this module does.
"""

import datetime as dt
import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from kerasnn.errors import InputError

Rule = tuple[str, str]  # pattern and replacement

_AFTER_MINUTES = r"(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
_TIME = (
    rf"[0-9]{{1,2}}:[0-9]{{2}}{_AFTER_MINUTES}"
    r"(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
# ISO 8601, also with single digits and with AM or PM. Groups: year, month, day, hour,
# minute, second, A or P, sign with hours and minutes of a zone (RE2 has nine at most).
ISO = (
    r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:T|,? +)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?"
    r"(?: ?([AaPp])\.?[Mm]\.?)?(?: ?(?:Z|UTC|GMT|([+-][0-9]{2}):?([0-9]{2})?))?)?$"
)
EPOCHS = {"%s": 1, "%Q": 1_000}  # formats of counts since 1970: counts in a second
EPOCH = r"^-?[0-9]{1,15}$"

# The formats that are tried, those with more evidence in a text first.
_TRIED = (
    *("", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y"),
    *("%d %b %Y", "%b %d, %Y", "%d %b %y", "%Y %b %d", "%b %Y"),
    *("%Y-%m", "%m/%Y", "%YQ%q", "Q%q %Y", "%H:%M"),
)
_LIKELY = re.compile(r"(?=.*[0-9])[0-9A-Za-z\u00aa\u00ba\u00c0-\u024f,./: \u00a0'+-]{4,40}")
# Whole numbers that are dates only if the user says so.
_COUNTED = ("%Y%m%d", "%s", "%Q", "%Y")
_SWAPPED = {
    **{"%m/%d/%Y": "%d/%m/%Y", "%d/%m/%Y": "%m/%d/%Y"},
    **{"%m/%d/%y": "%d/%m/%y", "%d/%m/%y": "%m/%d/%y"},
}
_SAMPLE = 100
_MIN_SHARE = 0.5

# English, German, French, Spanish, Italian, Portuguese, Dutch, Danish, Norwegian, Swedish;
# no name means two months.
_MONTHS = (
    "jan(?:uary|uar|uari|eiro)?|jän(?:ner)?|janv(?:ier)?|ene(?:ro)?|gen(?:naio)?",
    "feb(?:ruary|ruar|rero|braio|ruari)?|f[ée]vr?(?:ier)?|fevereiro",
    "mar(?:ch|s|ts|zo|ço)?|märz?|maa(?:rt)?|mrt|mrz",
    "apr(?:il|ile)?|avr(?:il)?|abr(?:il)?",
    "may(?:o)?|maj|mai(?:o)?|mag(?:gio)?|mei",
    "june?|juni|juin|junio|junho|giu(?:gno)?",
    "july?|juli|juil(?:let)?|julio|julho|lug(?:lio)?",
    "aug(?:ust|usti|ustus)?|ao[uû]t?|ago(?:sto)?",
    "sept?(?:ember|embre|iembre)?|set(?:tembre|embro|iembre)?",
    "o[ck]t(?:ober|obre|ubre)?|ott(?:obre)?|out(?:ubro)?",
    "nov(?:ember|embre|iembre|embro)?",
    "de[cz](?:ember|embro|embre)?|d[ée]c(?:embre)?|dic(?:iembre|embre)?",
)
_NAMED = tuple(
    (rf"(?i)(^|[^a-z])(?:{name})\.?([^a-z]|$)", rf"\1#{i:02}#\2")
    for i, name in enumerate(_MONTHS, start=1)
)
_MONTH = re.compile(rf"(?i)(?<![a-z])(?:{'|'.join(_MONTHS)})(?![a-z])")
_WEEKDAY = (
    r"(?i)^(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*|(?:lun|mar|mercre|jeu|vendre|same)di"
    r"|dimanche|(?:diens|donners|frei|sams|sonn)tag|mittwoch|lunes|martes"
    r"|mi[ée]rcoles|jueves|viernes|s[áa]bado|domingo)\.?,? +",
    "",
)
_OF = (r"(?i) +(?:de|of|del) +", " ")  # 12 de marzo de 2021
_DIRECTIVES = {
    **{"Y": "[0-9]{4}", "m": "[0-9]{1,2}", "d": "[0-9]{1,2}", "H": "[0-9]{1,2}"},
    **{"M": "[0-9]{2}", "S": "[0-9]{2}", "I": "[0-9]{1,2}", "q": "[1-4]"},
    **{"b": "#[0-9]{2}#", "B": "#[0-9]{2}#", "p": r"[AaPp]\.?[Mm]\.?"},
    **{"f": "[0-9]+", "z": "(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"},
}
# As spreadsheets read them: two digits from 30 belong to the 20th century.
_CENTURIES = (("20", "[0-2][0-9]"), ("19", "[3-9][0-9]"))
_EXAMPLE = "such as '%d.%m.%Y' or '%b %d, %Y %H:%M'"


@cache
def date_rules(date_format: str) -> tuple[Rule, ...]:
    """Return the rules of a format, which are applied one after the other.

    Args:
        date_format: as for `strftime`, with %q for a quarter; "" for ISO 8601, which needs
            no rule. Between fields "/", ".", "-" and blanks are equal, and a time may
            follow a date.

    Raises:
        InputError: a directive is unknown, or the format has no date and no time.
    """
    if date_format in ("", *EPOCHS):
        return ()
    fields = re.split(r"%([a-zA-Z%])", date_format)
    literals, names = fields[::2], fields[1::2]
    _check_directives(date_format, names)
    has_names = bool({"b", "B"} & set(names))
    with_time = bool({"H", "I"} & set(names))
    rules = list((_WEEKDAY, _OF, *_NAMED) if has_names else ())
    for century, years in _CENTURIES if "y" in names else (("", ""),):
        pattern = _pattern(literals, names, years, has_names=has_names)
        quarters = (1, 2, 3, 4) if "q" in names else (0,)
        for quarter in quarters:
            one = pattern.replace("[1-4]", str(quarter)) if quarter else pattern
            end = "" if with_time else rf"((?:(?:T|,? +){_TIME})?)"
            rules.append((f"^{one}{end}$", _rewrite(names, century, quarter, with_time)))
    if has_names:  # a month that no rule has used stays marked: the text is not a date
        rules.append((r"^([0-9]{4})-#([0-9]{2})#", r"\1-\2"))
    return tuple(rules)


def read_date(text: str, date_format: str = "") -> np.datetime64 | None:
    """Return the date or time of a text in UTC to the second; None if it holds none.

    Args:
        text: in this format or in ISO 8601, without outer blanks.
        date_format: see `date_rules`.
    """
    if date_format in EPOCHS and re.match(EPOCH, text):
        return np.datetime64(int(text) // EPOCHS[date_format], "s")
    for pattern, replacement in _compiled(date_format):
        text = pattern.sub(replacement, text)
    found = _ISO.match(text)
    return None if found is None else _date(found)


def find_counted_format(texts: Sequence[str]) -> str | None:
    """Return how whole numbers may be dates: 20210925, seconds since 1970, or years."""
    for one in _COUNTED:
        if all(_is_recent(text, one) for text in texts):
            return one
    return None


def other_order(texts: Sequence[str], date_format: str) -> str:
    """Return the format with day and month swapped, if it reads all that this one reads."""
    swapped = _SWAPPED.get(_with_slashes(date_format), "")
    if not swapped or any(
        read_date(t, date_format) is not None and read_date(t, swapped) is None
        for t in texts
    ):
        return ""
    return _as_written(swapped, texts)


def find_date_format(texts: Sequence[str]) -> str | None:
    """Return the format that reads most texts of a column; None if they are not dates.

    Args:
        texts: distinct, not missing.
    """
    sample = texts[:: max(len(texts) // _SAMPLE, 1)]
    enough = _MIN_SHARE * len(sample)
    if sum(_LIKELY.fullmatch(text) is not None for text in sample) < enough:
        return None
    named = any(_MONTH.search(text) for text in sample)
    tried = [one for one in _TRIED if named or "b" not in one]
    counts = {one: _n_read(sample, one) for one in tried}
    best = max(tried, key=counts.__getitem__)  # the first of equal ones
    if counts[best] < enough:
        return None
    swapped = _SWAPPED.get(best)
    if swapped is not None and counts[swapped] == counts[best]:
        counts = {one: _n_read(texts, one) for one in (best, swapped)}
        best = max(counts, key=counts.__getitem__)
    most = counts[best]
    if best in ("%m/%d/%Y", "%m/%d/%y") and not any("/" in text for text in sample):
        swapped = _SWAPPED[best]  # 04.08.2021: the day is first where dots are
        best = swapped if counts.get(swapped) == most else best
    return _as_written(best, texts)


def _n_read(texts: Sequence[str], date_format: str) -> int:
    return sum(read_date(text, date_format) is not None for text in texts)


def _as_written(date_format: str, texts: Sequence[str]) -> str:
    """Return a format with the separator of the texts in place of "/"."""
    if date_format not in _SWAPPED and date_format != "%Y/%m/%d":
        return date_format
    used = next((s for s in "/.-" if any(s in text for text in texts[:10])), " ")
    return date_format.replace("/", used)


def _with_slashes(date_format: str) -> str:
    return re.sub(r"(?<=[a-zA-Z])[. -](?=%)", "/", date_format)


def _is_recent(text: str, date_format: str) -> bool:
    date = read_date(text, date_format)
    first = np.datetime64("1980" if date_format in EPOCHS else "1800")
    return date is not None and bool(first <= date < np.datetime64("2100"))


@cache
def _compiled(date_format: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(one), other) for one, other in date_rules(date_format))


_ISO = re.compile(ISO)


def _date(found: re.Match[str]) -> np.datetime64 | None:
    """Return the date of a match of `ISO`; None for 30 February."""
    year, month, day, hour, minute, second, half, zone, zone_minute = found.groups()
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + 12 * (half in "Pp")
    try:
        date = dt.datetime(
            int(year), int(month), int(day), hours, int(minute or 0), int(second or 0)
        )
        if zone:
            size = int(zone[1:]) * 3_600 + int(zone_minute or 0) * 60
            if size >= 86_400:
                return None
            date += dt.timedelta(seconds=size if zone[0] == "-" else -size)
        return np.datetime64(date, "s")
    except (ValueError, OverflowError):  # 30 February; year 10,000 in UTC
        return None


def _check_directives(date_format: str, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in {*_DIRECTIVES, "y"}]
    if unknown:
        raise InputError(
            f"date_format={date_format!r}: %{unknown[0]} is unknown; a format has"
            f" {', '.join(f'%{name}' for name in (*_DIRECTIVES, 'y'))}, {_EXAMPLE}"
        )
    if not {"Y", "y", "H", "I"} & set(names) or len(set(names)) < len(names):
        raise InputError(
            f"date_format={date_format!r}: a format has a year or an hour, and each field"
            f" once, {_EXAMPLE}"
        )


def _pattern(
    literals: Sequence[str], names: Sequence[str], years: str, *, has_names: bool
) -> str:
    """Return the pattern of a format, with a group for each field in its order."""
    pattern = _literal(literals[0], has_names=has_names)
    for i, (name, after) in enumerate(zip(names, literals[1:], strict=True)):
        field = years if name == "y" else _DIRECTIVES[name]
        last = i + 1 == len(names)
        is_joined = (not after and not last) or (i > 0 and not literals[i])
        if is_joined:  # 20210925: the number of digits tells where a field ends
            field = field.replace("{1,2}", "{2}")
        if last and name == "M":  # seconds, AM and PM may follow
            field += _AFTER_MINUTES
        ordinal = "(?:st|nd|rd|th|er|º)?" if has_names and name == "d" else ""
        pattern += f"({field}){ordinal}{_literal(after, has_names=has_names)}"
    return pattern


def _literal(text: str, *, has_names: bool) -> str:
    if text.strip().upper() == "Q":
        return "[ /-]*[Qq] ?"
    if text and not text.strip("/.- ,'"):
        return "[/., '-]*" if has_names else "[/. -]" if len(text) == 1 else "[/. ,-]+"
    return re.sub(r"\\ ", " +", re.escape(text)) if text else ""


def _rewrite(names: Sequence[str], century: str, quarter: int, with_time: bool) -> str:
    """Return the replacement that puts the fields in the order of ISO 8601."""

    def field(*wanted: str, missing: str) -> str:
        return next((rf"\{names.index(w) + 1}" for w in wanted if w in names), missing)

    year = field("Y", "y", missing="1970")
    month = f"{3 * quarter - 2:02}" if quarter else field("m", "b", "B", missing="01")
    date = f"{century}{year}-{month}-{field('d', missing='01')}"
    if not with_time:
        return rf"{date}\{len(names) + 1}"
    second = field("S", missing="")
    time = f"{field('H', 'I', missing='0')}:{field('M', missing='00')}"
    time += f":{second}" if second else ""
    return f"{date}T{time}{field('p', missing='')}{field('z', missing='')}"
