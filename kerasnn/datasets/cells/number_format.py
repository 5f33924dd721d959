"""Numbers in local formats: decimal comma, thousands, currency, units, limits, durations.

A format is found from the distinct texts of a column, and reads its later texts.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

# Numbers as Python and JSON write them.
NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)",
    re.ASCII | re.IGNORECASE,
)
_MINUS = "\u2212\u2013-"  # "-" last: in a class of characters
_BLANK = " \u00a0\u2007\u2009\u202f"
_APOSTROPHE = "'\u2019"
_CODES = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|HKD|SGD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR"
    "|RUB|TRY|KRW|ILS|THB|US\\$|C\\$|A\\$|R\\$|NZ\\$|HK\\$|Rs\\.?|kr\\.?|Fr\\.?|RM|Rp"
)
_CURRENCY = rf"(?:[$\u00a2-\u00a5\u20a0-\u20bf]|(?:{_CODES})(?![A-Za-z]))"
_FRACTIONS = "\u00bc-\u00be\u2150-\u215e"  # one half: neither a digit nor a unit
_UNIT = rf"(?:[^\W\d_{_FRACTIONS}]|[$\u00a2-\u00a5\u20a0-\u20bf%\u2030\u00b0\u00b2\u00b3/])"
_DRESSED = re.compile(
    rf"(?P<open>\()?[{_BLANK}]*(?P<sign>[+{_MINUS}])?[{_BLANK}]*"
    rf"(?P<before>{_CURRENCY})?[{_BLANK}]*(?P<sign2>[+{_MINUS}])?[{_BLANK}]*"
    rf"(?P<digits>[.,]?[0-9][0-9.,{_BLANK}{_APOSTROPHE}]*?)(?P<exponent>[eE][+-]?[0-9]+)?"
    rf"[{_BLANK}]*(?P<after>{_UNIT}{{1,12}}\.?)?"
    rf"[{_BLANK}]*(?P<trailing>[{_MINUS}])?[{_BLANK}]*(?P<close>\))?"
)
# "<0.5", "> 100" and "90+" are limits of a number, "~5" is about as much.
_BEFORE_LIMIT = "<>\u2264\u2265~\u2248"
_SIDES = dict(zip(_BEFORE_LIMIT, "<><>~~", strict=True))
_LIMIT = re.compile(
    rf"(?P<mark>[<>]=|[{_BEFORE_LIMIT}])[{_BLANK}]*(?P<number>.+)"
    rf"|(?P<number_before>.*[0-9])[{_BLANK}]*\+"
)
# "30:15:00", "1:23.45", and "1 days 02:03:04" as pandas and Python write a timedelta.
_DURATION = re.compile(
    r"(?:(?P<days>-?[0-9]{1,6}) days?,? \+?|(?P<sign>[+-]))?(?:(?P<hours>[0-9]{1,6}):)?"
    r"(?P<minutes>[0-9]{1,6}):(?P<seconds>[0-5][0-9](?:[.,][0-9]+)?)"
)
DURATION = ":"  # in place of a unit
_USUAL = str.maketrans({**dict.fromkeys(_BLANK, " "), **dict.fromkeys(_APOSTROPHE, "'")})
_CURRENCY_ONLY = re.compile(_CURRENCY)
# "1,234" and "1.234": a whole number with thousands, or three decimals.
_THREE_DIGITS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
# Separators (decimal, thousands), the usual ones first.
_SEPARATORS = ((".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
_MAX_LENGTH = 60  # of a text that may be a number
_SAMPLE = 200  # distinct texts that decide whether a column looks like numbers
_MIN_SHARE = 0.5
_UNIT_SHARE = 0.9
_COMMA_SHARE = 0.25  # of the numbers have a decimal comma, if some do


class _Parts(NamedTuple):
    """A text taken apart: its digits with separators, and what stands around them."""

    digits: str
    exponent: str
    unit: str
    is_negative: bool


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a text column are written.

    Attributes:
        decimal: "." or ",".
        thousands: what separates groups of digits: ",", ".", " " for any blank, "'", or "".
        unit: "%" (12% is 0.12), a currency such as "$", a unit such as "km", or ":" for
            durations: "1:02:03" is 3723 seconds.
        has_limits: whether limits are read as their numbers: "<0.5" as 0.5.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    has_limits: bool = False

    def __post_init__(self) -> None:
        if self.decimal not in (".", ",") or self.decimal == self.thousands:
            raise ValueError(
                "decimal must be '.' or ',', and another character than thousands; got"
                f" {self.decimal!r} and {self.thousands!r}"
            )

    def read(self, text: str) -> float | None:
        """Return the number in a text; None if there is none.

        Numbers as Python writes them are read where this format does not read the text.
        """
        if self.has_limits:
            text = without_limit(text)
        if self.unit == DURATION and (seconds := _seconds(text)) is not None:
            return seconds
        bare = self._without_unit(text)
        if _usual_pattern(self.decimal, self.thousands).fullmatch(bare):
            whole = bare.replace(self.thousands, "") if self.thousands else bare
            return float(whole.replace(self.decimal, "."))
        parts = _parts(text)
        if parts is not None and self._is_unit(parts):
            plain = _plain_digits(parts.digits, self.decimal, self.thousands)
            if plain is not None:
                # By the exponent: 7% is 0.07, and 7 / 100 may differ in the last bit.
                exponent = int(parts.exponent[1:] or 0) - 2 * (self.unit == "%")
                value = float(f"{plain}e{exponent}")
                return -value if parts.is_negative else value
        if self.unit != "%" and NUMBER.fullmatch(text):
            return float(text)
        return None

    @property
    def is_money(self) -> bool:
        """True if the unit is a currency."""
        return _CURRENCY_ONLY.fullmatch(self.unit) is not None

    def described(self) -> str:
        """Return the format in words, for a reason."""
        parts = ["decimal comma"] if self.decimal == "," else []
        if self.thousands:
            names = {" ": "blanks", "'": "apostrophes"}
            parts.append(f"{names.get(self.thousands, repr(self.thousands))} for thousands")
        if self.unit == "%":
            parts.append("percent: 12% is 0.12")
        elif self.unit == DURATION:
            parts.append("durations in seconds: 1:02:03 is 3723, 2:03 is 123")
        elif self.unit:
            parts.append(f"in {self.unit}")
        if self.has_limits:
            parts.append("limits such as <5 and 90+ as their numbers")
        return ", ".join(parts)

    def _without_unit(self, text: str) -> str:
        """Return a text without the unit; "" if it has none, or is a percentage."""
        if not self.unit:
            return text
        if text.endswith(self.unit) and self.unit != "%":
            return text.removesuffix(self.unit).rstrip()
        if text.startswith(self.unit) and _CURRENCY_ONLY.fullmatch(self.unit):
            return text.removeprefix(self.unit).lstrip()
        return ""

    def _is_unit(self, parts: _Parts) -> bool:
        """Return whether a text has the unit; amounts of money and zero may lack it."""
        if parts.unit == self.unit:
            return True
        return not parts.unit and (self.is_money or _is_zero(parts))


def without_limit(text: str) -> str:
    """Return the number of a text such as "<0.5" or "90+"; other texts as they are."""
    if text[:1] not in _BEFORE_LIMIT and text[-1:] != "+":
        return text
    match = _LIMIT.fullmatch(text)
    return match["number"] or match["number_before"] if match else text


def are_distinct_limits(texts: Collection[str], number_format: NumberFormat) -> bool:
    """Return whether limits can be read as their numbers.

    Not if an upper and a lower one have the same, ">5" and "<=5", and not among school
    marks, "2+" and "2-".
    """
    if any(text[-1:] == "+" for text in texts) and any(
        text[-1:] in _MINUS for text in texts
    ):
        return False
    sides: dict[float, str] = {}
    for text in texts:
        if without_limit(text) != text and (value := number_format.read(text)) is not None:
            side = _SIDES.get(text[0], ">")
            if sides.setdefault(value, side) != side:
                return False
    return True


@cache
def _usual_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    """Return the pattern of most numbers of a format; the others are taken apart."""
    groups = f"(?:{re.escape(thousands)}[0-9]{{3}})+" if thousands else ""
    whole = f"[1-9][0-9]{{0,2}}{groups}|" if groups else ""
    return re.compile(f"-?(?:{whole}0|[1-9][0-9]*)(?:{re.escape(decimal)}[0-9]+)?")


def find_number_format(
    texts: Sequence[str], *, decimal: str | None = None, thousands: str | None = None
) -> NumberFormat | None:
    """Return the format that reads most texts of a column; None if they are not numbers.

    Args:
        texts: distinct, not missing.
        decimal: "." or "," if it is known, or likely from other columns of the table.
        thousands: the separator of thousands if it is known.
    """
    step = max(len(texts) // _SAMPLE, 1)
    durations = sum(_seconds(text) is not None for text in texts[::step])
    if durations and durations >= _MIN_SHARE * len(texts[::step]):
        return NumberFormat(unit=DURATION)
    sample = [_parts(text) for text in texts[::step]]
    if sum(parts is not None for parts in sample) < _MIN_SHARE * len(sample):
        return None
    found = [parts for text in texts if (parts := _parts(text)) is not None]
    unit = _usual_unit(
        Counter(parts.unit for parts in found if parts.unit or not _is_zero(parts))
    )
    digits = [parts.digits for parts in found if parts.unit in ("", unit)]
    best = _best_separators(_separators(decimal, thousands), digits)
    if best is None:
        return None
    one, other = best
    commas = sum("," in text for text in digits)
    is_known = decimal is not None or thousands is not None
    if one == "," and not is_known and commas < _COMMA_SHARE * len(digits):
        return NumberFormat(unit=unit)  # "20,22" among whole numbers is a list
    used = other if thousands is not None or one == "," else ""
    if any(other in _usual(text) for text in digits if other):
        used = other
    return NumberFormat(one, used, unit)


def _best_separators(
    possible: Sequence[tuple[str, str]], digits: Sequence[str]
) -> tuple[str, str] | None:
    """Return the first separators that read most numbers; None if none reads any."""
    sample = digits[:: max(len(digits) // _SAMPLE, 1)]
    for texts in (sample, digits):  # all of them only if the sample does not decide
        counts = {
            pair: sum(_plain_digits(text, *pair) is not None for text in texts)
            for pair in possible
        }
        most = max(counts.values(), default=0)
        possible = [pair for pair in possible if most and counts[pair] == most]
        if len(possible) < 2:
            break
    return possible[0] if possible else None


def may_be_thousands(texts: Iterable[str]) -> bool:
    """Return whether numbers with a point may be whole numbers with thousands: "1.234"."""
    with_point = False
    for text in texts:
        if "." in text:
            if not _THREE_DIGITS.fullmatch(text.strip()):
                return False
            with_point = True
    return with_point


def is_ambiguous(texts: Collection[str], number_format: NumberFormat) -> str:
    """Return a text that another decimal separator would read as well as this format.

    It is "" if some text decides.
    """
    other = "," if number_format.decimal == "." else "."
    example = ""
    for text in texts:
        parts = _parts(text)
        if parts is None or not re.search("[.,]", parts.digits):
            continue
        if not _THREE_DIGITS.fullmatch(parts.digits):
            return ""
        if _plain_digits(parts.digits, other, "") or number_format.thousands == other:
            example = example or text
    return example


def has_decimal_commas(texts: Collection[str]) -> bool:
    """Return whether nearly all texts are numbers, and some comma must be decimal."""
    digits = [parts.digits for text in texts if (parts := _parts(text)) is not None]
    if len(digits) < 0.9 * len(texts):
        return False
    commas = [text for text in digits if "," in text]
    with_comma = [text for text in commas if _plain_digits(text, ".", ",") is None]
    return len(with_comma) > _COMMA_SHARE * len(texts) and all(
        _plain_digits(text, ",", ".") or _plain_digits(text, ",", " ") for text in commas
    )


def _seconds(text: str) -> float | None:
    """Return the seconds of a duration; None if the text is none."""
    match = _DURATION.fullmatch(text) if ":" in text and len(text) <= _MAX_LENGTH else None
    if match is None:
        return None
    days, hours, minutes = (int(match[name] or 0) for name in ("days", "hours", "minutes"))
    if match["hours"] and minutes > 59:
        return None
    whole = ((days * 24 + hours) * 60 + minutes) * 60
    seconds = whole + float(match["seconds"].replace(",", "."))
    return -seconds if match["sign"] == "-" else seconds


def _parts(text: str) -> _Parts | None:
    match = _DRESSED.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None or (match["open"] is None) != (match["close"] is None):
        return None
    before, after = match["before"], match["after"]
    if before and after and before != after:
        return None
    signs = [s for s in (match["sign"], match["sign2"], match["trailing"]) if s]
    if len(signs) > 1 or (signs and match["open"]):
        return None
    is_negative = bool(match["open"]) or any(sign != "+" for sign in signs)
    unit = before or after or ""
    return _Parts(match["digits"], match["exponent"] or "", unit, is_negative)


def _is_zero(parts: _Parts) -> bool:
    return not parts.digits.strip("0.,")


def _usual(digits: str) -> str:
    """Return digits with the usual blanks and apostrophes in place of rarer ones."""
    return digits.translate(_USUAL)


def _plain_digits(digits: str, decimal: str, thousands: str) -> str | None:
    """Return digits as Python writes them: "1234.5"; None if the separators do not fit."""
    whole, point, fraction = _usual(digits).partition(decimal)
    if (fraction and not fraction.isdecimal()) or not (whole or fraction):
        return None
    if thousands and thousands in whole:
        if not _are_groups(whole.split(thousands)):
            return None
        whole = whole.replace(thousands, "")
    if whole and (not whole.isdecimal() or (len(whole) > 1 and whole[0] == "0")):
        return None
    return f"{whole or '0'}{point and '.'}{fraction}"


def _are_groups(groups: Sequence[str]) -> bool:
    """Return whether digits are in groups of three, or as in India: 12,34,567."""
    first, *middle, last = groups
    sizes = {len(group) for group in middle}
    right = len(last) == 3 and 1 <= len(first) <= 3 and (sizes <= {3} or sizes <= {2})
    return right and all(group.isdecimal() for group in groups)


def _usual_unit(units: Counter[str]) -> str:
    """Return the most frequent unit: a currency, or one that nearly all numbers have."""
    named = {unit: n for unit, n in units.items() if unit}
    best = max(named, key=lambda unit: named[unit]) if named else ""
    enough = named.get(best, 0) >= _UNIT_SHARE * units.total()
    return best if enough or _CURRENCY_ONLY.fullmatch(best) else ""


def _separators(decimal: str | None, thousands: str | None) -> list[tuple[str, str]]:
    """Return the pairs of separators that are possible, the most likely first."""
    found = list(_SEPARATORS)
    if thousands is not None:
        usual = _usual(thousands)
        found = [(one, usual) for one in ".," if one != usual]
    if decimal is not None:
        found = [pair for pair in found if pair[0] == decimal]
    return found
