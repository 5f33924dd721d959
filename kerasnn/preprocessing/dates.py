"""Dates as numeric features; `graph_dates` parses the same numbers from text."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DATE_PARTS = ("days", "day of year", "day of month", "weekday", "hour")
SECONDS_A_DAY = 86_400
# Factors, because TensorFlow replaces a division by a constant with a product.
DAYS_A_SECOND = 1.0 / SECONDS_A_DAY
HOURS_A_SECOND = 1.0 / 3_600
FIRST_WEEKDAY = 3  # 1970 began on a Thursday; Monday is 0
FIRST, END = np.datetime64("0001-01-01", "s"), np.datetime64("10000-01-01", "s")


def are_known(dates: pd.Series) -> NDArray[np.bool_]:
    """Return [rows] whether a date is present and in the years 1 to 9999, as in a graph."""
    values = dates.to_numpy("datetime64[s]")
    return (values >= FIRST) & (values < END)  # NaT is neither


def date_parts(dates: pd.Series) -> dict[str, NDArray[np.float64]]:
    """Return the parts of dates, NaN where they are unknown.

    Args:
        dates: [rows] datetime64[s].

    Returns:
        "days" since 1970 with the fraction of the day, "day of year" and "day of month"
        from 1, "weekday" from Monday, 0, and "hour" with its fraction; each [rows].
    """
    known = are_known(dates)
    values = np.where(known, dates.to_numpy("datetime64[s]"), np.datetime64(0, "s"))
    day = values.astype("datetime64[D]")
    days = day.astype(np.int64)
    second = values.astype(np.int64) - days * SECONDS_A_DAY
    parts = {
        "days": days + second * DAYS_A_SECOND,
        "day of year": (day - day.astype("datetime64[Y]")).astype(np.int64) + 1,
        "day of month": (day - day.astype("datetime64[M]")).astype(np.int64) + 1,
        "weekday": (days + FIRST_WEEKDAY) % 7,
        "hour": second * HOURS_A_SECOND,
    }
    return {name: np.where(known, part, np.nan) for name, part in parts.items()}


def varying_parts(dates: pd.Series, *, repeating_only: bool = False) -> tuple[str, ...]:
    """Return the parts of dates that carry information in training rows.

    A part with one value carries none. Within one year the day of the year repeats the days
    since 1970; within one day the days since 1970 repeat the hour.

    Args:
        dates: [rows] datetime64[s].
        repeating_only: whether to leave out what does not recur in later rows: the days
            since 1970, and the parts of a cycle if all dates are within one turn of it.
    """
    parts = date_parts(dates)
    known = dates[are_known(dates)]
    n_years, n_days = known.dt.year.nunique(), known.dt.normalize().nunique()
    repeated = set()
    if n_years < 2:
        repeated.add("day of year")
    if n_days < 2:
        repeated.add("days")
    if repeating_only:
        days = parts["days"][are_known(dates)] // 1
        repeated.add("days")
        if n_days < 2:
            repeated.add("hour")
        if len(np.unique((days + FIRST_WEEKDAY) // 7)) < 2:
            repeated.add("weekday")
        if len(np.unique(known.to_numpy("datetime64[M]"))) < 2:
            repeated.add("day of month")
    return tuple(
        name
        for name in DATE_PARTS
        if len(np.unique(parts[name][~np.isnan(parts[name])])) > 1 and name not in repeated
    )
