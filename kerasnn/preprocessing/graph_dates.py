"""Parts of dates, parsed from text in the TensorFlow graph."""

import tensorflow as tf

from kerasnn.datasets.cells.date_format import EPOCH, EPOCHS, ISO, date_rules
from kerasnn.preprocessing.dates import (
    DAYS_A_SECOND,
    FIRST_WEEKDAY,
    HOURS_A_SECOND,
    SECONDS_A_DAY,
)

_FIRST_DAY = 719_468  # 1970-01-01, counted from 0000-03-01


def graph_date_parts(text: tf.Tensor, date_format: str = "") -> dict[str, tf.Tensor]:
    """Return the parts of `dates.date_parts`, NaN where the text is not a date.

    Args:
        text: [...] string without outer blanks.
        date_format: of the column; dates in ISO 8601 are read as well.

    Returns:
        [...] float64 of each part.
    """
    for pattern, rewrite in date_rules(date_format):
        text = tf.strings.regex_replace(text, pattern, rewrite)
    seconds, known = _read(text)
    if date_format in EPOCHS:
        counted, is_count = _counted(text, EPOCHS[date_format])
        seconds, known = tf.where(is_count, counted, seconds), known | is_count
    days = seconds // SECONDS_A_DAY
    second = tf.cast(seconds - days * SECONDS_A_DAY, tf.float64)
    year, _, day = _calendar(days)
    known &= (year >= 1) & (year <= 9999)  # a zone may shift a date out of them
    parts = {
        "days": tf.cast(days, tf.float64) + second * DAYS_A_SECOND,
        "day of year": tf.cast(days - _days(year, 1, 1) + 1, tf.float64),
        "day of month": tf.cast(day, tf.float64),
        "weekday": tf.cast((days + FIRST_WEEKDAY) % 7, tf.float64),
        "hour": second * HOURS_A_SECOND,
    }
    nan = tf.constant(float("nan"), tf.float64)
    return {name: tf.where(known, part, nan) for name, part in parts.items()}


def _read(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return seconds since 1970 in UTC, int64, and whether the text is a date."""
    matches = tf.strings.regex_full_match(text, ISO)
    text = tf.where(matches, text, "1970-01-01")

    def part(group: int) -> tf.Tensor:
        return tf.strings.regex_replace(text, ISO, rf"\{group}")

    def number(digits: tf.Tensor) -> tf.Tensor:
        return tf.strings.to_number(tf.strings.join(["0", digits]), tf.int64)

    year, month, day, hour, minute, second = (number(part(i)) for i in range(1, 7))
    half, hours = tf.strings.lower(part(7)), part(8)  # "a" or "p"; "+02"
    matches &= (half == "") | ((hour >= 1) & (hour <= 12))
    afternoon = tf.where(half == "p", tf.constant(12, tf.int64), 0)
    hour = tf.where(half == "", hour, hour % 12 + afternoon)
    west = tf.strings.regex_full_match(hours, "-.*")
    zone = number(tf.strings.regex_replace(hours, "[+-]", "")) * 3_600
    zone += number(part(9)) * 60
    days = _days(year, month, day)
    # 30 February and month 13 change in the round trip through days.
    same = zip(_calendar(days), (year, month, day), strict=True)
    for there, here in same:
        matches &= there == here
    matches &= (year >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    matches &= zone < SECONDS_A_DAY
    local = days * SECONDS_A_DAY + hour * 3_600 + minute * 60 + second
    return local + tf.where(west, zone, -zone), matches


def _counted(text: tf.Tensor, counts_a_second: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return seconds since 1970 of a count, and whether the text is one."""
    is_count = tf.strings.regex_full_match(text, EPOCH)
    digits = tf.where(is_count, text, tf.constant("0"))
    return tf.strings.to_number(digits, tf.int64) // counts_a_second, is_count


def _days(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Return days since 1970 in the Gregorian calendar.

    Years are counted from March, so that the leap day is the last day of a year; month m
    then begins on day (306 m + 5) // 10.
    """
    month = tf.convert_to_tensor(month, tf.int64)
    year = tf.where(month > 2, year, year - 1)
    from_march = (month + 9) % 12
    return _year_begins(year) + (from_march * 306 + 5) // 10 + day - 1 - _FIRST_DAY


def _calendar(days: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return year, month and day; the inverse of `_days`."""
    from_march = days + _FIRST_DAY
    year = (10_000 * from_march + 14_780) // 3_652_425  # or the one before
    year = tf.where(_year_begins(year) > from_march, year - 1, year)
    rest = from_march - _year_begins(year)
    month = (100 * rest + 52) // 3_060
    day = rest - (month * 306 + 5) // 10 + 1
    return year + (month + 2) // 12, (month + 2) % 12 + 1, day


def _year_begins(year: tf.Tensor) -> tf.Tensor:
    """Return days from March of year 0 to March of a year."""
    return 365 * year + year // 4 - year // 100 + year // 400
