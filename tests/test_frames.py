import gzip
import json
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from kerasnn import InputError
from kerasnn.datasets import (
    ColumnHints,
    as_table,
    checked_table,
    infer_schema,
    table_chunks,
)
from kerasnn.datasets.cells.factorized import factorize


def rows_of(table):
    return [list(row) for row in table.astype(object).where(table.notna(), None).to_numpy()]


@pytest.mark.parametrize(
    "source",
    [
        pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]}, index=[7, 7]),
        {"a": [1.0, 2.0], "b": ["x", None]},
        {"a": np.array([1, 2]), "b": pd.Series(["x", None], index=[3, 4])},
        np.array([(1, "x"), (2, None)], dtype=[("a", float), ("b", object)]),
        [{"a": 1, "b": "x"}, {"a": 2}],
    ],
    ids=lambda source: type(source).__name__,
)
def test_a_source_with_names_is_the_same_table(source):
    table = as_table(source)
    assert list(table.columns) == ["a", "b"]
    assert list(table.index) == [0, 1]
    assert rows_of(table) == [[1, "x"], [2, None]]


@pytest.mark.parametrize(
    "source",
    [
        np.array([[1, "x"], [2, None]], dtype=object),
        [[1, "x"], [2, None]],
        [(1, "x"), np.array([2, None])],
    ],
    ids=lambda source: type(source).__name__,
)
def test_a_source_without_names_gets_them(source):
    table = as_table(source)
    assert list(table.columns) == ["x0", "x1"]
    assert rows_of(table) == [[1, "x"], [2, None]]
    assert table["x0"].dtype == np.int64


def test_names_become_text():
    assert list(as_table(pd.DataFrame([[1, 2]])).columns) == ["0", "1"]


def test_the_table_is_ones_own():
    source = pd.DataFrame({"a": [1.0, 2.0]})
    table = as_table(source)
    table.loc[0, "a"] = 5
    assert source["a"].tolist() == [1.0, 2.0]


def test_cells_of_a_list_keep_their_types():
    assert as_table({"a": [1, "x"]})["a"].tolist() == [1, "x"]
    assert as_table([[True, 1], ["x", 2.5]])["x0"].tolist() == [True, "x"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]),
            "the table has 2 columns named 'a'; each needs a name of its own",
        ),
        (
            {1: [1], "1": [2]},
            "the table has 2 columns named '1'; each needs a name of its own",
        ),
        (
            {"a": [1], "b": [1, 2]},
            "the columns of a dict must have the same number of rows; got 'a': 1, 'b': 2",
        ),
        ({"a": 3}, "each column of a dict must be [rows]; 'a' is 3"),
        (
            {"a": np.zeros((2, 3))},
            "each column of a dict must be [rows]; 'a' has 2 dimensions",
        ),
        (
            np.zeros(3),
            "an array must be [rows, columns]; got 1 dimension, array.shape=(3,)",
        ),
        (
            np.zeros((2, 3, 4)),
            "an array must be [rows, columns]; got 3 dimensions, array.shape=(2, 3, 4)",
        ),
        ([[1, 2], 3], "a list must hold rows, each a list of cells; row 1 is 3"),
        (
            [[1, 2], [3]],
            "the rows of a list must have the same number of cells; row 0 has 2 and row 1"
            " has 1",
        ),
        (
            3,
            "a table is a path, a pandas, polars or Arrow table, a dict of columns, an"
            " array [rows, columns] or a list of rows; got int",
        ),
        (
            "rows.xlsx",
            "rows.xlsx: there is no such file",
        ),
    ],
)
def test_what_is_no_table_is_told(source, message):
    with pytest.raises(InputError) as caught:
        as_table(source)
    assert str(caught.value) == message


CSV = "n,code,text,m\n1,007,x,\n 2.5 ,01,?,3\n-3e1,7,NA,\n"


def check_csv_table(table):
    assert list(table.columns) == ["n", "code", "text", "m"]
    assert [str(dtype) for dtype in table.dtypes] == [
        "float64",
        "object",
        "object",
        "float64",
    ]
    assert rows_of(table) == [
        [1.0, "007", "x", None],
        [2.5, "01", None, 3.0],
        [-30.0, "7", None, None],
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_is_read_whatever_its_delimiter(tmp_path, delimiter):
    file = tmp_path / "rows.csv"
    file.write_text(CSV.replace(",", delimiter))
    check_csv_table(as_table(file))
    check_csv_table(as_table(str(file)))


def test_a_csv_may_be_gzipped(tmp_path):
    file = tmp_path / "rows.csv.gz"
    file.write_bytes(gzip.compress(CSV.encode()))
    check_csv_table(as_table(file))


def test_quotes_marks_blank_lines_and_line_ends_of_a_csv(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes(
        b'\xef\xbb\xbf, "a" ,b\r\n1,"x, y","two\nlines"\r\n\r\n2,"""q""",z\r\n'
    )
    file.write_bytes(file.read_bytes().replace(b' "a" ', b'"a"'))
    table = as_table(file)
    assert list(table.columns) == ["Unnamed: 0", "a", "b"]
    assert rows_of(table) == [[1.0, "x, y", "two\nlines"], [2.0, '"q"', "z"]]


def test_long_whole_numbers_of_a_csv_stay_text(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("key\n12345678901234567\n12345678901234568\n")
    assert as_table(file)["key"].tolist() == ["12345678901234567", "12345678901234568"]


def test_a_csv_and_its_dataframe_are_the_same(tmp_path):
    frame = pd.DataFrame(
        {
            "whole": [3, None, 1, 2],
            "part": [0.1, 1 / 3, None, 1e-9],
            "text": ["x", "y", None, "y"],
            "flag": [True, False, True, True],
            "day": pd.to_datetime(["2020-01-01", None, "2021-05-06", "2022-01-01"]),
        }
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for hints in (None, ColumnHints(categorical=["whole"])):
        schema = infer_schema(frame, hints=hints)
        from_file = infer_schema(tmp_path / "rows.csv", hints=hints)
        assert [(c.name, c.kind, c.levels, c.low, c.first) for c in from_file.columns] == [
            (c.name, c.kind, c.levels, c.low, c.first) for c in schema.columns
        ]
        pd.testing.assert_frame_equal(
            checked_table(tmp_path / "rows.csv", schema), checked_table(frame, schema)
        )


RAGGED = (
    ". Put the line right, with quotes around a cell that contains the separator; or give"
    " sep= if the separator is not ','"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; it needs a header line with names of columns"),
        ("\n\n", "is empty; it needs a header line with names of columns"),
        ("a,b\n\n", "has a header line but no rows"),
        ("a,b\n1,2\n3\n", f"line 3 has 1 value where the header has 2 values{RAGGED}"),
        (
            'a,b\n"1\n1",2\n\n1,2,3\n',
            f"line 5 has 3 values where the header has 2 values{RAGGED}",
        ),
        (
            'a,b\n1,"2\n',
            "line 2: a quote opens a cell that never ends; is a quote missing?",
        ),
        (b"a,b\n1,\0\n", "line 2 holds a NUL byte: it is not a text file"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_csv_that_cannot_be_used_is_told_where(tmp_path, content, message, zipped):
    file = tmp_path / ("rows.csv.gz" if zipped else "rows.csv")
    content = content if isinstance(content, bytes) else content.encode()
    file.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError) as caught:
        as_table(file)
    assert str(caught.value) == f"{file}: {message}"


def test_a_broken_gzip_file_is_told(tmp_path):
    file = tmp_path / "rows.csv.gz"
    file.write_bytes(gzip.compress(CSV.encode(), mtime=0)[:-9])
    message = (
        "is not a whole compressed file: Compressed file ended before the end-of-stream"
        " marker was reached"
    )
    with pytest.raises(InputError) as caught:
        as_table(file)
    assert str(caught.value) == f"{file}: {message}"


def test_a_file_that_is_not_there_is_told(tmp_path):
    for name in ("none.csv", "none.csv.gz"):
        with pytest.raises(InputError) as caught:
            as_table(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: there is no such file"
    with pytest.raises(InputError) as caught:
        as_table(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: the folder holds no table; ")


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_chunks_of_a_csv_are_its_rows(tmp_path, rows):
    file = tmp_path / "rows.csv"
    file.write_text(CSV)
    chunks = list(table_chunks(file, rows))
    assert [len(chunk) for chunk in chunks] == {1: [1] * 3, 2: [2, 1]}.get(rows, [3])
    schema = infer_schema(file, hints=ColumnHints(numeric=["m"]))
    together = pd.concat([checked_table(c, schema) for c in chunks], ignore_index=True)
    pd.testing.assert_frame_equal(together, checked_table(file, schema))


def test_chunks_are_of_one_row_or_more(tmp_path):
    with pytest.raises(InputError) as caught:
        next(table_chunks(tmp_path / "rows.csv", 0))
    assert str(caught.value) == "rows must be a whole number of at least 1; got 0"


def frame_of_all_kinds():
    return pd.DataFrame(
        {
            "whole": pd.Series([1, None, 2], dtype="Int64"),
            "part": [0.5, None, 2],
            "text": pd.Series(["x", None, "y"], dtype=object),
            "flag": pd.Series([True, None, False], dtype="boolean"),
            "time": pd.to_datetime(["2020-01-01T05:06:07", None, "2021-01-01T00:00:00"]),
            "level": pd.Series(["q", None, "p"], dtype="category"),
        }
    )


def test_polars_and_arrow_tables_are_the_same(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="an extra")
    frame = frame_of_all_kinds()
    table = arrow.Table.from_pandas(frame)
    schema = infer_schema(frame)
    assert infer_schema(table) == schema
    pd.testing.assert_frame_equal(
        checked_table(table, schema), checked_table(frame, schema)
    )
    polars = pytest.importorskip("polars", reason="an extra")
    for other in (polars.from_arrow(table), polars.from_arrow(table).lazy()):
        assert infer_schema(other) == schema
        pd.testing.assert_frame_equal(
            checked_table(other, schema), checked_table(frame, schema)
        )


def test_any_object_with_an_arrow_stream_is_a_table():
    arrow = pytest.importorskip("pyarrow", reason="an extra")

    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            return arrow.table({"a": [1, 2]}).__arrow_c_stream__(requested_schema)

    assert as_table(Stream())["a"].tolist() == [1, 2]


def test_parquet_files_and_folders_are_the_same(tmp_path):
    pytest.importorskip("pyarrow", reason="an extra")
    frame = frame_of_all_kinds()
    schema = infer_schema(frame)
    for name in ("a.parquet", "b.parquet"):
        frame.to_parquet(tmp_path / name)
    assert infer_schema(tmp_path / "a.parquet") == schema
    both = checked_table(pd.concat([frame, frame]), schema)
    pd.testing.assert_frame_equal(checked_table(tmp_path, schema), both)
    chunks = list(table_chunks(tmp_path, 2))
    assert [len(chunk) for chunk in chunks] == [2, 1, 2, 1]
    together = pd.concat([checked_table(c, schema) for c in chunks], ignore_index=True)
    pd.testing.assert_frame_equal(together, both)


def test_a_parquet_file_that_cannot_be_used_is_told(tmp_path):
    pytest.importorskip("pyarrow", reason="an extra")
    (tmp_path / "broken.parquet").write_text("abc")
    with pytest.raises(InputError) as caught:
        as_table(tmp_path / "broken.parquet")
    assert str(caught.value) == (
        f"{tmp_path / 'broken.parquet'}: is not a Parquet file: Parquet file size is 3"
        " bytes, smaller than the minimum file footer (8 bytes)"
    )
    with pytest.raises(InputError) as caught:
        as_table(tmp_path / "none.parquet")
    assert str(caught.value) == f"{tmp_path / 'none.parquet'}: there is no such file"


@pytest.mark.parametrize("source", ["parquet", "feather", "polars", "json", "records"])
def test_long_whole_numbers_beside_missing_ones_keep_their_digits(tmp_path, source):
    ids = [None, 2**60 + 1, 2**60 + 3]
    arrow = pa.table({"id": pa.array(ids, pa.int64())})
    path = tmp_path / f"a.{source}"
    if source == "parquet":
        pa.parquet.write_table(arrow, path)
    elif source == "feather":
        pa.feather.write_feather(arrow, path)
    elif source == "json":
        path.write_text(json.dumps([{"id": i} for i in ids]))
    made = {"records": [{"id": i} for i in ids]}
    if source == "polars":
        polars = pytest.importorskip("polars", reason="an extra")
        made = {"polars": polars.from_arrow(arrow)}
    column = as_table(made.get(source, path))["id"]
    assert column.isna().tolist() == [True, False, False]
    assert [int(value) for value in column[1:]] == ids[1:]


def test_bytes_and_shapes_that_are_no_cells_are_told():
    with pytest.raises(InputError, match=r"column 'q' holds b'.xe9', bytes that are not"):
        factorize(pd.Series([b"\xe9", b"t"], name="q"))
    with pytest.raises(InputError, match="got a single column, Series"):
        as_table(pd.Series([1.0, 2.0]))
    with pytest.raises(InputError, match="'v' has 2 dimensions"):
        as_table(np.zeros(3, dtype=[("a", float), ("v", float, (2,))]))


def test_structs_of_polars_are_cells():
    polars = pytest.importorskip("polars", reason="an extra")
    cells = [{"u": 1}, {"u": 2}]
    assert as_table(polars.DataFrame({"s": cells}))["s"].tolist() == cells


def test_uuids_are_their_text():
    column = factorize([uuid.UUID(int=5), None, uuid.UUID(int=5)])
    assert column.values == ["00000000-0000-0000-0000-000000000005"]
