"""Dates in local dress; tests/test_preprocessing_graph.py holds the graph to the same."""

import numpy as np
import pytest

from kerasnn import InputError
from kerasnn.datasets.cells.date_format import (
    date_rules,
    find_counted_format,
    find_date_format,
    other_order,
    read_date,
)

MONTHS = {
    "da": "januar februar marts april maj juni juli august september oktober november"
    " december",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November"
    " Dezember",
    "en": "January February March April May June July August September October November"
    " December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre"
    " diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre"
    " décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre"
    " novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november"
    " december",
    "sv": "januari februari mars april maj juni juli augusti september oktober november"
    " december",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro"
    " dezembro",
}


@pytest.mark.parametrize("language", MONTHS)
def test_months_are_read_in_several_languages_and_shortened(language):
    names = MONTHS[language].split()
    for i, name in enumerate(names, start=1):
        day = np.datetime64(f"2021-{i:02}-05", "s")
        short = name[:4] if sum(n.startswith(name[:3]) for n in names) > 1 else name[:3]
        for written in (name, name.upper(), f"{short}."):
            assert read_date(f"5 {written} 2021", "%d %b %Y") == day, written


@pytest.mark.parametrize(
    ("texts", "found", "dates"),
    [
        (["8/4/2021", "4/13/2021"], "%m/%d/%Y", ["2021-08-04", "2021-04-13"]),
        (["8/4/2021", "13/4/2021"], "%d/%m/%Y", ["2021-04-08", "2021-04-13"]),
        (["8/4/2021"], "%m/%d/%Y", ["2021-08-04"]),
        (["08.04.2021"], "%d.%m.%Y", ["2021-04-08"]),
        (["1.2.30", "1.2.29"], "%d.%m.%y", ["1930-02-01", "2029-02-01"]),
        (["2021-8-4", "2014-7-1"], "", ["2021-08-04", "2014-07-01"]),
        (["2021/08/04"], "%Y/%m/%d", ["2021-08-04"]),
        (["September 25, 2021"], "%b %d, %Y", ["2021-09-25"]),
        (["25 Sep 2021", "1st may 2020"], "%d %b %Y", ["2021-09-25", "2020-05-01"]),
        (["25-Sep-21"], "%d %b %y", ["2021-09-25"]),
        (["Sat, 25 Sep 2021 10:00 GMT"], "%d %b %Y", ["2021-09-25T10:00"]),
        (["2021-09", "2021-10"], "%Y-%m", ["2021-09-01", "2021-10-01"]),
        (["Sep 2021"], "%b %Y", ["2021-09-01"]),
        (["2021Q3", "2020-q4"], "%YQ%q", ["2021-07-01", "2020-10-01"]),
        (["Q3 2021"], "Q%q %Y", ["2021-07-01"]),
        (["9/25/21 1:05 PM"], "%m/%d/%y", ["2021-09-25T13:05"]),
        (["7:30:15", "12:00 am"], "%H:%M", ["1970-01-01T07:30:15", "1970-01-01"]),
        (["2021-09-25T10:00:00+02:00"], "", ["2021-09-25T08:00"]),
        (["3. März 2021", "12. Dezember 2020"], "%d %b %Y", ["2021-03-03", "2020-12-12"]),
        (["1er AOÛT 2021", "12 févr. 2020"], "%d %b %Y", ["2021-08-01", "2020-02-12"]),
        (["mardi 2 mars 2021"], "%d %b %Y", ["2021-03-02"]),
        (["3 de enero de 2021", "04-set-2020"], "%d %b %Y", ["2021-01-03", "2020-09-04"]),
        (["15 okt 2021", "2 mei 2021"], "%d %b %Y", ["2021-10-15", "2021-05-02"]),
        (["giugno 2021", "ott 2020"], "%b %Y", ["2021-06-01", "2020-10-01"]),
        (["27 de março de 2021"], "%d %b %Y", ["2021-03-27"]),
    ],
)
def test_the_format_of_a_column_is_found(texts, found, dates):
    assert find_date_format(texts) == found
    read = [read_date(text, found) for text in texts]
    assert read == [np.datetime64(date, "s") for date in dates]


@pytest.mark.parametrize(
    "texts", [["a", "b"], ["12 km"], ["1.5", "2.5"], ["2009-10", "2010-13", "2011-14"]]
)
def test_other_texts_are_no_dates(texts):
    assert find_date_format(texts) is None


def test_the_other_order_is_named_where_no_date_decides():
    assert other_order(["8/4/2021", "1/2/2021"], "%m/%d/%Y") == "%d/%m/%Y"
    assert other_order(["8.4.21"], "%d.%m.%y") == "%m.%d.%y"
    assert other_order(["8/4/2021", "4/13/2021"], "%m/%d/%Y") == ""
    assert other_order(["2021-8-4"], "") == ""


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["20210925", "20200101"], "%Y%m%d"),
        (["1632528000", "1500000000"], "%s"),
        (["1632528000123"], "%Q"),
        (["2021", "1999"], "%Y"),
        (["20210925", "20211301"], None),
        (["12", "13"], None),
    ],
)
def test_whole_numbers_may_be_dates(texts, found):
    assert find_counted_format(texts) == found


def test_iso_is_read_in_every_format():
    for date_format in ("%d.%m.%Y", "%b %d, %Y", "%H:%M", "%s"):
        assert read_date("2021-09-25", date_format) == np.datetime64("2021-09-25")


@pytest.mark.parametrize(
    "text", ["2021-02-29", "30.02.2021", "13:00 PM", "0:30 am", "9/25"]
)
def test_impossible_dates_are_not_read(text):
    for date_format in ("", "%d.%m.%Y", "%H:%M"):
        assert read_date(text, date_format) is None


@pytest.mark.parametrize(
    ("date_format", "message"),
    [("%d.%m", "a year or an hour"), ("%x", "%x is unknown"), ("%d %d %Y", "field once")],
)
def test_a_format_that_is_none_is_told(date_format, message):
    with pytest.raises(InputError, match=message):
        date_rules(date_format)
