"""Text tables: Arrow's reader and the strict one mean the same; what is odd is told."""

import bz2
import csv
import gzip
import io
import lzma
import os
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.datasets import ReadOptions, as_table, read_table, table_chunks
from kerasnn.datasets.cells.parsing import plain_numbers
from kerasnn.datasets.files import packed
from kerasnn.datasets.files.plain_columns import column_numbers
from kerasnn.datasets.files.text import csv_reader, text_blocks
from kerasnn.datasets.files.text.csv_reader import open_text
from kerasnn.errors import InputError

CELLS = st.sampled_from(
    [
        *("007", "1e5", "inf", "-0.5", "+1", ".5", "1.", "9007199254740993", "1e400"),
        *("", " ", "NA", " NA ", "?", "-", "x", " y ", "\u00e4\u00f6", "\u2003z"),
        *('a"b', '"', '""', 'say ""x""', "a,b", ";", "two\nlines", "cr\rlf\r\n", "\t"),
        *("nan", "1,5", "\x1cNA", "\u00a0", "0", "-"),
    ]
)


def error_of(path, **options):
    with pytest.raises(InputError) as raised:
        read_table(path, ReadOptions(**options))
    return str(raised.value).removeprefix(f"{path}: ")


def cells_of(table):
    return table.astype(object).where(table.notna(), None).to_numpy().tolist()


def codes_of(path, **options):
    return [notice.code for notice in read_table(path, ReadOptions(**options)).notices]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=12
        )
    ),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 60),
)
def test_both_readers_mean_the_same(tmp_path_factory, rows, quoting, sep, end, size):
    path = tmp_path_factory.getbasetemp() / "same.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=sep, quoting=quoting, lineterminator=end)
        writer.writerow([f"name{i}" for i in range(len(rows[0]))])
        writer.writerows(rows)
    options = ReadOptions(sep=sep, header=True)
    found = []
    for strict in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_blocks, "_FIRST_BYTES", size)
            patch.setattr(text_blocks, "_BLOCK_BYTES", size)
            patch.setattr(csv_reader, "_HEAD_LINES", 1)
            patch.setattr(csv_reader, "_HEAD_BYTES", 1)
            if strict:
                patch.setattr(csv_reader.TextTable, "_is_regular", False)
            try:
                with open_text(path, options) as table:
                    parts = [part.to_pylist() for part in table.tables()]
                found.append([row for part in parts for row in part])
            except InputError as error:
                found.append(str(error))
    assert found[0] == found[1]


NUMBERS = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers(-(10**18), 10**18).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.sampled_from(["007", "-00", "0", "-0.5", "00.5", "+1", "1.", ".5", "0e1", "01e1"]),
    st.text(alphabet="0123456789.-+eE xn\u0661", max_size=6),
    st.none(),
)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.lists(NUMBERS, max_size=40), st.booleans())
def test_columns_of_arrow_are_numbers_by_the_law(texts, sliced):
    array = pa.array(texts, pa.large_string())
    array = pa.concat_arrays([pa.array(["x"], pa.large_string()), array])[1:]
    column = pa.chunked_array([array])
    series = pa.table({"a": column}).to_pandas(types_mapper=lambda _: csv_reader.TEXT_DTYPE)
    law = plain_numbers(texts)
    found = column_numbers(series["a"])
    assert (found is None) == (law is None)
    if law is not None:
        np.testing.assert_array_equal(found, law)
        assert (np.signbit(found) == np.signbit(law)).all()


TABLE = "area,town,sold\n44.2,K\u00f6ln,no\n157,Bonn,yes\n,Trier,no\n"
ROWS = [[44.2, "K\u00f6ln", "no"], [157.0, "Bonn", "yes"], [None, "Trier", "no"]]


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", []),
        ("utf-8-sig", []),
        ("cp1252", ["encoding"]),
        ("latin-1", ["encoding"]),
        ("utf-16", ["encoding"]),
        ("utf-16-le", ["encoding"]),
        ("utf-16-be", ["encoding"]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_encodings_are_found_and_told(tmp_path, encoding, told, end):
    path = tmp_path / "a.csv"
    path.write_bytes((TABLE[:-1].replace("\n", end) + "\n").encode(encoding))
    assert cells_of(as_table(path)) == ROWS
    assert codes_of(path) == told
    assert codes_of(path, encoding=encoding) == []


@pytest.mark.parametrize(
    ("encoding", "town"),
    [
        ("cp1251", "\u0421\u0430\u043d\u043a\u0442-\u041f\u0435\u0442\u0435\u0440\u0431"),
        ("gb18030", "\u5317\u4eac\u5e02\u671d\u9633\u533a"),
        ("cp932", "\u6771\u4eac\u90fd\u65b0\u5bbf\u533a\u306e\u753a"),
    ],
)
def test_other_alphabets_are_guessed(tmp_path, encoding, town):
    path = tmp_path / "a.csv"
    path.write_text(f"n,town\n1,{town}\n2,{town}\n3,Bonn\n", encoding=encoding)
    assert as_table(path)["town"][0] == town


def test_single_bytes_that_are_not_utf8_are_read_as_cp1252(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("n,t\n1,\u00e4\u00f6\u00fc\u00e9\n2,".encode() + b"\xe4\n")
    assert as_table(path)["t"].tolist() == ["\u00e4\u00f6\u00fc\u00e9", "\u00e4"]
    assert codes_of(path) == ["encoding"]


def test_a_late_byte_that_is_not_utf8_names_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr("kerasnn.datasets.files.text.encodings.MAX_SCANNED_BYTES", 2**20)
    path = tmp_path / "a.csv"
    path.write_bytes(b"n,t\n" + b"1,some text here\n" * 200_000 + b"2,\xe4\n")
    assert error_of(path).startswith("line 200002 is not UTF-8 text: ")
    assert "encoding='cp1252'" in error_of(path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"Area (m2; rounded; gross; net)",rooms\n44.2,1\n157,2\n', 2),
        ("Area, in square metres, of it\trooms\n44.2\t1\n157\t2\n", 2),
        ("a;b;c\n44,2;1,5;x\n1,2;3,4;y\n", 3),
        ("44,2;1,5;x\n1,2;3,4;y\n1,2;3,4;x\n", 3),
        ("time,value\n2020-01-01 10:00:00,5\n2020-01-01 11:00:00,6\n", 2),
        ("x y z\n1,5 2,5 3,5\n4,5 5,5 6,5\n", 3),
        ("x  y   z\n 1  2   3\n 4 -5   6\n", 3),
        ("x\ty z\n1\t2\n3\t4\n", 2),
        ("name\nJohn Smith\nMary Jones\n", 1),
        ("text\nred, green and blue\nno more\nor, perhaps\n", 1),
        ('a, b, c\n1, "x, y", 2\n3, "z", 4\n', 3),
        ("a|b\n1,2|x;y\n3,4|z;w\n", 2),
        ("a,b,c\n1,2,3,\n4,5,6,\n", 3),
        ("0\nDigit 2\nDigit 7\n", 1),
        ("a b c\nr1 1 2 x\nr2 3 4 y\n", 4),
        ("date,price\nJan 1 2000,1394.46\nFeb 1 2000,1366.42\n", 2),
        ('"","x"\n"1","a\tb\tc"\n"2","d\te\tf"\n', 2),
    ],
)
def test_the_separator_is_that_of_the_whole_head(tmp_path, text, names):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert len(as_table(path).columns) == names


def test_quotes_may_have_no_meaning(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('size\ttext\n1\t"half a quote\n2\t5" pipe\n3\tnone\n')
    assert as_table(path)["text"].tolist() == ['"half a quote', '5" pipe', "none"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# exported\n# units: m, s\na,b\n1,x\n2,y\n", ["comment-lines"]),
        ("% exported\n\na,b\n1,x\n2,y\n", ["comment-lines"]),
        ("// exported\na,b\n1,x\n2,y\n", ["comment-lines"]),
        ("Sales of the year\n\na,b\n1,x\n2,y\n", ["title-lines"]),
        ("#a,b\n1,x\n2,y\n", []),
        ("# made by hand\n# a,b\n1,x\n2,y\n", []),
        ("# made by hand\na,b\n1,x\n# now the rest\n2,y\n", ["comment-lines"] * 2),
        ("a,b\n1,x\n,\n\n2,y\n,\n", ["empty-rows"]),
        ("a,b\n1,x,,\n2,y\n", ["empty-cells"]),
        ("a,b,,\n1,x\n2,y\n", []),
        ("@relation r\n@attribute a numeric\n@attribute 'b' {x,y}\n@data\n1,x\n2,y\n", []),
    ],
)
def test_what_is_not_a_row_is_left_out_and_told(tmp_path, text, told):
    path = tmp_path / "a.csv"
    path.write_text(text)
    table = as_table(path)
    assert list(table.columns) == ["a", "b"]
    assert cells_of(table) == [[1, "x"], [2, "y"]]
    assert codes_of(path) == told


def test_a_title_with_the_separators_of_the_table_is_left_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Sales 2020,,,\n,,,\nyear,a,b,c\n2019,1,x,2\n2020,2,y,3\n")
    assert list(as_table(path).columns) == ["year", "a", "b", "c"]
    assert codes_of(path) == ["title-lines"]


def test_a_title_of_several_cells_is_left_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Rockets,,x.html,,,,\na,b,c,d,e,f,g\n1,x,2,y,3,z,4\n2,y,1,x,4,z,3\n")
    assert list(as_table(path).columns) == list("abcdefg")


def test_strict_refuses_lines_of_empty_cells_and_equal_names(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,x\n,\n2,y\n")
    assert error_of(path, strict=True) == "line 3 has only empty cells"
    path.write_text("a,b,a\n1,x,2\n")
    assert error_of(path, strict=True) == (
        "has 2 columns named 'a'; each needs a name of its own"
    )


def test_equal_names_become_different_as_in_pandas(tmp_path):
    path = tmp_path / "a.csv"
    text = "a,b,a,a,a.1,\n1,2,3,4,5,6\n"
    path.write_text(text)
    names = [str(name) for name in pd.read_csv(io.StringIO(text)).columns]
    assert list(as_table(path).columns) == names
    (notice,) = read_table(path).notices
    assert notice.code == "duplicate-names"
    assert notice.message.startswith("two columns are named 'a': the second is called")


@pytest.mark.parametrize(
    "text",
    [
        "44.2,1,Bonn,no\n157.0,4,Trier,yes\n36.9,1,Bonn,no\n",
        "p,x,s,n\ne,x,s,y\np,x,y,n\ne,s,s,y\n",
        "5.1;3.5;a\n4.9;3.0;a\n",
        "2020-01-01,3,a\n2020-01-02,4,b\n",
        "1 2 3.5\n4 5 6\n7 8 9\n",
    ],
)
def test_no_header_is_seen_and_told(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    read = read_table(path)
    n_columns = len(read.table.columns)
    assert list(read.table.columns) == [f"x{i}" for i in range(n_columns)]
    assert len(read.table) == text.count("\n")
    (notice,) = read.notices
    assert notice.is_warning
    assert "header=True" in notice.message
    assert "names=" in notice.message


@pytest.mark.parametrize(
    "text",
    [
        "country,2000,2001,2002\nA,1.5,2.5,3.5\nB,2.5,3.5,1.5\n",
        "name,2020\na,17\nb,18\n",
        "name,town\nAnn,Rome\nBob,Bonn\n",
        "a,b\n1,2\n",
        ",a,b\n0,1,2\n1,3,4\n",
        ",16.5,16.75,17\n64,0,1,3\n65,5,7,7\n66,1,2,8\n",
        "1,2,3\n5,5,6\n7,8,8\n",
    ],
)
def test_a_header_is_seen(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    read = read_table(path)
    first = text.split("\n", 1)[0].split(",")
    assert list(read.table.columns) == [name or "Unnamed: 0" for name in first]
    assert read.notices == ()


def test_the_needed_names_decide_where_the_header_is(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,1\ny,2\nz,3\n")
    assert list(read_table(path, needed=["x", "1"]).table.columns) == ["x", "1"]
    assert list(read_table(path, needed=["x0", "x1"]).table.columns) == ["x0", "x1"]
    read = read_table(path, needed=["1"])
    assert list(read.table.columns) == ["x", "1"]
    assert [(n.code, n.is_warning) for n in read.notices] == [("no-header", True)]


def test_the_user_decides(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1;2\n3;n.d.\n")
    read = read_table(path, ReadOptions(header=True, na=["n.d."]))
    assert list(read.table.columns) == ["1", "2"]
    assert cells_of(read.table) == [[3, None]]
    assert list(read_table(path, ReadOptions(header=False)).table.columns) == ["x0", "x1"]
    assert list(as_table(path).columns) == ["x0", "x1"]
    named = read_table(path, ReadOptions(names=["a", "b"]))
    assert (list(named.table.columns), len(named.table)) == (["a", "b"], 2)
    assert cells_of(read_table(path, ReadOptions(sep=",", header=False)).table) == [
        ["1;2"],
        ["3;n.d."],
    ]
    assert "names= gives 1" in error_of(path, names=["a"])


@pytest.mark.parametrize(
    "settings",
    [
        *({"sep": ",,"}, {"sep": '"'}, {"encoding": "utf-99"}, {"encoding": "hex"}),
        *({"decimal": ";"}, {"thousands": ",."}),
    ],
)
def test_settings_that_are_none_are_told(settings):
    (name,) = settings
    with pytest.raises(InputError, match=f"{name}="):
        ReadOptions(**settings)


def zipped(content, *names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return stream.getvalue()


PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped(content, "rows.csv", "__MACOSX/rows.csv"),
}


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("name", ["a.csv.{}", "a.CSV", "a.data", "a.parquet.csv", "a"])
def test_packed_files_are_read_whatever_their_name(tmp_path, kind, name):
    path = tmp_path / name.format(kind)
    path.write_bytes(PACKERS[kind](TABLE.encode()))
    assert cells_of(as_table(path)) == ROWS


def test_an_archive_of_two_files_is_told(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(TABLE, "a.csv", "b.csv"))
    assert error_of(path) == (
        "the archive holds 2 files: a.csv, b.csv; one table is one file. Unpack it and give"
        " the file"
    )


@pytest.mark.slow_cases
@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_is_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(packed, "FREE_BYTES", 1_000_000)
    path = tmp_path / f"a.csv.{kind}"
    path.write_bytes(PACKERS[kind](b"a,b\n" + b"1,2\n" * 3_000_000))
    assert error_of(path).startswith("unpacks to more than 200 times its size")


def test_long_lines_and_cells_are_refused(tmp_path, monkeypatch):
    for module in (text_blocks, csv_reader):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 300_000)
        monkeypatch.setattr(module, "MAX_CELL_BYTES", 200_000)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n" + "x" * 8_000_000 + ",1\n")
    assert error_of(path).startswith("line 3 is longer than 300,000 bytes")
    path.write_text("a,b\n1,2\n" + '3,"' + "x\n" * 200_000 + '"\n')
    error = error_of(path)
    assert error.startswith("the row that begins in line 3 is longer than 300,000 bytes")


def test_a_long_cell_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3," + "x" * 16_000_001 + "\n")
    assert error_of(path).startswith("line 3: a cell is longer than 16,000,000 bytes")


def test_too_many_columns_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{i}" for i in range(20_001)) + "\n" + "1," * 20_000 + "1\n")
    assert error_of(path) == "has 20,001 columns; the maximum is 20,000"


def test_an_encoding_that_is_not_the_files_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3,\u00e4\n")
    assert error_of(path, encoding="ascii").startswith("line 3 is not ascii text: ")
    assert error_of(path, encoding="utf-16").startswith("line 1 is not utf-16 text: ")


def test_devices_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "zero.csv"):
        error = error_of(tmp_path / name)
        assert error.startswith("is not a regular file but a device or a pipe")


@pytest.mark.parametrize("change", ["longer", "shorter", "gone"])
def test_a_file_that_changes_while_it_is_read_is_told(tmp_path, change):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,2\n" * 50_000)
    chunks = table_chunks(path, 100)
    next(chunks)
    if change == "gone":
        path.unlink()
    else:
        path.write_text("a,b\n" + "1,2\n" * (60_000 if change == "longer" else 30_000))
    with pytest.raises(InputError, match=r"was changed while|there is no such file"):
        list(chunks)


def test_a_wide_table_is_read_by_blocks_of_any_size(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 40)).round(3)).add_prefix("c")
    frame["text"] = rng.choice(["a, b", 'q"q', "two\nlines", None], 300)
    frame.to_csv(tmp_path / "a.csv", index=False)
    whole = as_table(tmp_path / "a.csv")
    monkeypatch.setattr(text_blocks, "_BLOCK_BYTES", 1000)
    monkeypatch.setattr(text_blocks, "_FIRST_BYTES", 1000)
    monkeypatch.setattr(csv_reader, "_HEAD_BYTES", 1000)
    pd.testing.assert_frame_equal(as_table(tmp_path / "a.csv"), whole)
    expected = frame.astype({"text": object}).where(frame.notna(), None)
    assert cells_of(whole) == cells_of(expected)


def test_a_note_below_the_table_is_left_out_and_said(tmp_path):
    rows = "".join(f"{i},{i * 2},b\n" for i in range(5000))
    file = tmp_path / "rows.csv"
    file.write_text(f"a,b,c\n{rows}\nSource: land registry\n")
    read = read_table(file)
    assert len(read.table) == 5000
    assert [notice.code for notice in read.notices] == ["notes"]
    with pytest.raises(InputError, match="line 5003 has 1 value where the header has 3"):
        read_table(file, ReadOptions(strict=True))
    file.write_text(f"a,b,c\n1,2,3\nin between\n{rows}")
    with pytest.raises(InputError, match="line 3 has 1 value"):
        read_table(file)


def test_a_short_line_below_an_empty_one_is_a_note(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n1,2,x\n3,4,y\n\nSource: ministry, 2020\n")
    read = read_table(path)
    assert read.table["a"].tolist() == [1, 3]
    assert [notice.code for notice in read.notices] == ["notes"]
    path.write_text("a,b,c\n1,2,x\n\n3,4\n5,6,z\n")
    with pytest.raises(InputError, match="line 4 has 2 values"):
        read_table(path)


@pytest.mark.parametrize(
    "text",
    [
        " a  | b \n----+---\n 1  | x\n 2  | y\n",
        "a,b\n---,--\n1,x\n2,y\n",
        "| a | b |\n|:---|---:|\n| 1 | x |\n| 2 | y |\n",
    ],
)
def test_a_line_of_dashes_below_the_names_is_no_row(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    read = read_table(path)
    assert read.table["a"].tolist() == [1, 2]
    assert "ruler-line" in [notice.code for notice in read.notices]


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["Mazda,4,100", "Fiat,6,120"], "'Mazda', 'Fiat'"),
        (["1,4,100", "2,6,120"], "'1', '2'"),
        ([f"{n * 7 % 31},4,{n}" for n in range(1, 25)], "'7', '14', '21'"),
    ],
)
def test_names_of_rows_that_have_no_header_are_said(tmp_path, lines, names):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["cyl,hp", *lines]) + "\n")
    read = read_table(path, None, ("cyl", "hp"))
    assert list(read.table.columns) == ["Unnamed: 0", "cyl", "hp"]
    (notice,) = read.notices
    assert notice.code == "row-names"
    assert f"the first cells ({names}) were taken for names of rows" in notice.message


@pytest.mark.parametrize("sep", [" ", "\t", ";"])
def test_numbers_are_names_of_rows_where_no_comma_separates(tmp_path, sep):
    path = tmp_path / "filtered.txt"  # R keeps the numbers of the rows that are left
    lines = ["mpg cyl", "3 21.5 4", "8 18.1 6", "12 15 8"]
    path.write_text("\n".join(lines).replace(" ", sep) + "\n")
    read = read_table(path)
    assert read.table["mpg"].tolist() == [21.5, 18.1, 15]
    assert [notice.code for notice in read.notices] == ["row-names"]


@pytest.mark.parametrize("lines", [["13,33,5,7"], ["4,manual,1,7"], ["a,3,5,7", "a,4,6,7"]])
def test_lines_with_a_cell_too_many_are_no_names_of_rows(tmp_path, lines):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["price,rooms,km", *lines]) + "\n")
    with pytest.raises(InputError, match="has 3 names in its header line, and 4 cells in"):
        read_table(path, None, ("price", "rooms", "km"))
