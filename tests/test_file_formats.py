"""Tables in JSON, workbooks and Arrow files, and folders: known by their content."""

import gzip
import io
import json
import sys
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from kerasnn.datasets import (
    ReadOptions,
    as_table,
    column_names,
    read_table,
    table_chunks,
    table_files,
)
from kerasnn.datasets.files import packed
from kerasnn.errors import InputError

ROWS = [{"n": 1, "t": "x", "f": True}, {"n": 2.5, "t": None, "f": False}]
FRAME = pd.DataFrame(ROWS)


def error_of(path, **options):
    with pytest.raises(InputError) as raised:
        read_table(path, ReadOptions(**options))
    return str(raised.value).removeprefix(f"{path}: ")


def rows_of(table):
    return table.astype(object).where(table.notna(), None).to_dict("records")


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps({"data": ROWS, "total": 2}),
        "\n".join(map(json.dumps, ROWS)) + "\n\n",
        json.dumps({"n": [1, 2.5], "t": ["x", None], "f": [True, False]}),
        FRAME.to_json(),
        FRAME.to_json(orient="split"),
        FRAME.to_json(orient="index").replace('"0"', '"a"').replace('"1"', '"b"'),
        json.dumps([["n", "t", "f"], [1, "x", True], [2.5, None, False]]),
    ],
    ids=["records", "data", "lines", "columns", "frame", "split", "index", "rows"],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.JSON.gz", "a"])
def test_json_of_any_form_is_a_table(tmp_path, content, name):
    path = tmp_path / name
    packer = gzip.compress if name.endswith("gz") else bytes
    path.write_bytes(packer(content.encode()))
    assert rows_of(as_table(path)) == ROWS
    assert column_names(table_files(path)) == ["n", "t", "f"]
    assert [len(chunk) for chunk in table_chunks(path, 1)] == [1, 1]


def test_objects_in_json_become_columns_and_lists_text(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"a": {"b": 1, "c": {"d": "x"}}, "e": [1, "\u00e4"]}, {"f": 2}]')
    assert rows_of(as_table(path)) == [
        {"a.b": 1, "a.c.d": "x", "e": '[1, "\u00e4"]', "f": None},
        {"a.b": None, "a.c.d": None, "e": None, "f": 2},
    ]


def test_a_single_line_of_json_is_a_row(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1.5, "b": {"c": "x"}, "d": ["y"]}\n')
    assert rows_of(as_table(path)) == [{"a": 1.5, "b.c": "x", "d": '["y"]'}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON: "),
        ('{"a": 1}\n{"a": ', "line 2 is not JSON: "),
        ("{}", "holds no table; a table in JSON is a list of records"),
        ("[1, 2]", "holds no table; "),
        ('{"a": [1], "b": [1, 2]}', "its columns have different numbers of rows; "),
        ("[" * 100_000, "is nested too deeply; "),
    ],
)
def test_json_without_a_table_is_told(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content)
    assert error_of(path).startswith(message)


def test_json_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("kerasnn.datasets.files.json_reader.MAX_JSON_BYTES", 10)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS))
    assert error_of(path).startswith("is larger than 10 bytes, which is the limit for JSON")


@pytest.mark.parametrize("compression", ["uncompressed", "lz4"])
def test_arrow_files_and_streams_are_tables(tmp_path, compression):
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    feather.write_feather(table, tmp_path / "a.feather", compression=compression)
    with pa.ipc.new_stream(tmp_path / "b.arrow", table.schema) as stream:
        stream.write_table(table)
    (tmp_path / "c.csv").write_bytes(gzip.compress((tmp_path / "a.feather").read_bytes()))
    for name in ("a.feather", "b.arrow", "c.csv"):
        assert rows_of(as_table(tmp_path / name)) == ROWS
        assert [len(chunk) for chunk in table_chunks(tmp_path / name, 1)] == [1, 1]


def test_missing_texts_of_the_user_are_missing_in_typed_files(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": ["x", " n.d."], "b": [1, 2]}).to_parquet(path)
    read = read_table(path, ReadOptions(na="n.d."))
    assert read.table["a"].isna().tolist() == [False, True]


SHEET = """<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<sheetData>{}</sheetData></worksheet>"""


def workbook(**sheets):
    """The bytes of an .xlsx file; cells are text, numbers, or None."""
    main = "http://schemas.openxmlformats.org"
    kinds = f"{main}/officeDocument/2006/relationships"
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>'
        for i, name in enumerate(names, 1)
    )
    links = "".join(
        f'<Relationship Id="r{i}" Type="{kinds}/worksheet" Target="worksheets/{i}.xml"/>'
        for i in range(1, len(names) + 1)
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        types = f'<Types xmlns="{main}/package/2006/content-types"/>'
        archive.writestr("[Content_Types].xml", types)
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{main}/package/2006/relationships"><Relationship'
            f' Id="r1" Type="{kinds}/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}/spreadsheetml/2006/main" xmlns:r="{kinds}">'
            f"<sheets>{listed}</sheets></workbook>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{main}/package/2006/relationships">{links}'
            "</Relationships>",
        )
        for i, rows in enumerate(sheets.values(), 1):
            archive.writestr(f"xl/worksheets/{i}.xml", SHEET.format(sheet_rows(rows)))
    return stream.getvalue()


def sheet_rows(rows):
    def cell(column, row, value):
        place = f"{chr(65 + column)}{row}"
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
        return "" if value is None else f'<c r="{place}"><v>{value}</v></c>'

    return "".join(
        f'<row r="{i}">{"".join(cell(k, i, v) for k, v in enumerate(row))}</row>'
        for i, row in enumerate(rows, 1)
    )


CELLS = [["Sales", None, None], [None] * 3, ["n", "t", "n"], [1, "x", 3], [2.5, None, 4]]


@pytest.mark.parametrize("name", ["a.xlsx", "a.XLSX", "a.xls", "a.csv", "a"])
def test_a_workbook_is_a_table_below_its_title(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(workbook(First=CELLS))
    read = read_table(path)
    assert rows_of(read.table) == [
        {"n": 1, "t": "x", "n.1": 3},
        {"n": 2.5, "t": None, "n.1": 4},
    ]
    assert [notice.code for notice in read.notices] == ["title-lines", "duplicate-names"]
    assert column_names(table_files(path)) == ["n", "t", "n.1"]


def test_a_sheet_is_chosen_by_name_or_number(tmp_path):
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook(Empty=[], First=[["a"], [1]], Second=[["b"], [2], [3]]))
    read = read_table(path)
    assert list(read.table.columns) == ["a"]
    (notice,) = read.notices
    assert notice.message.startswith("the sheet 'First' is read; the others are Second")
    for sheet in ("Second", 2):
        assert list(read_table(path, ReadOptions(sheet=sheet)).table.columns) == ["b"]
    assert list(read_table(path, needed=["b"]).table.columns) == ["b"]
    assert error_of(path, sheet="Third") == (
        "there is no sheet 'Third'; the workbook has Empty, First, Second"
    )
    assert error_of(path, sheet="Empty").startswith("sheet 'Empty': is empty")


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("kerasnn.datasets.files.workbook_reader.MAX_WHOLE_BYTES", 2_000)
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook(First=[["a"], *[[1]] * 1000]))
    assert "the bound for a workbook is 1,000" in error_of(path)


def test_a_damaged_workbook_is_told(tmp_path):
    path = tmp_path / "a.xlsx"
    content = workbook(First=CELLS)
    path.write_bytes(content[:-30])
    assert error_of(path).startswith("is not a whole compressed file: ")
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    assert error_of(path).startswith("is not a workbook that can be read: ")


def test_without_calamine_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook(First=CELLS))
    assert error_of(path) == ("workbooks need python-calamine: pip install python-calamine")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>\n<html>", "is a page of HTML or XML, not a table"),
        (b"%PDF-1.7", "is a PDF document; a table is text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
    ],
)
def test_what_is_no_table_whatever_its_name_is_told(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert error_of(path).startswith(message)


def test_bytes_of_an_unknown_kind_are_told(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x00\x01\x02" * 100)
    assert error_of(path).startswith("is of an unknown kind; a table is text (")
    assert error_of(tmp_path / "none.bin") == "there is no such file"


def written(folder, **files):
    for place, text in files.items():
        path = folder / place.replace("__", "/").replace("_is_", "=")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".csv").write_text(text)
    return folder


def test_keys_of_folders_become_columns(tmp_path):
    folder = written(
        tmp_path / "rows",
        year_is_2025__month_is_1__a="n,t\n1,x\n",
        year_is_2025__month_is_2__a="n,t\n2,y\n",
        year_is_2026__month_is_1__a="n,t\n3,z\n",
    )
    table = as_table(folder)
    assert list(table.columns) == ["n", "t", "year", "month"]
    assert table["year"].tolist() == [2025, 2025, 2026]
    assert table["month"].tolist() == [1, 2, 1]
    files = table_files(folder)
    assert column_names(files) == list(table.columns)
    assert files.name(files[0]) == "year=2025/month=1/a.csv"
    one = as_table(folder / "year=2026")
    assert list(one.columns) == ["n", "t", "month"]


def test_keys_of_parquet_folders_are_numbers_text_or_missing(tmp_path):
    for key in ("kind=a%20b", "kind=__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / key).mkdir()
        pd.DataFrame({"n": [1, 2]}).to_parquet(tmp_path / key / "part.parquet")
    table = as_table(tmp_path)
    assert table["kind"].where(table["kind"].notna(), None).tolist() == [
        *(None, None),
        *("a b", "a b"),
    ]


def test_folders_of_other_keys_are_told(tmp_path):
    folder = written(tmp_path / "rows", a_is_1__x="n\n1\n", b_is_1__x="n\n1\n")
    with pytest.raises(InputError, match="has other key=value folders than"):
        as_table(folder)


def test_notices_of_many_files_are_told_once(tmp_path):
    folder = written(tmp_path / "rows", a="# one\nn\n1\n", b="# one\nn\n2\n", c="n\n3\n")
    (notice,) = read_table(folder).notices
    assert notice.message == (
        "a.csv: 1 comment line left out, the first '# one' (and so in 1 more file)"
    )


def test_files_without_names_take_those_of_the_first(tmp_path):
    folder = written(tmp_path / "rows", a="n,t\n1,x\n2,y\n", b="t,n\ny,3\n")
    assert as_table(folder)["n"].tolist() == [1, 2, 3]


@pytest.fixture
def standard_input(monkeypatch):
    def given(content):
        packed.standard_input.cache_clear()
        stream = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", stream)

    yield given
    packed.standard_input.cache_clear()


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_is_read_once_and_used_often(standard_input, name):
    standard_input(b"n,t\n1,x\n")
    assert as_table(name).to_dict("list") == {"n": [1.0], "t": ["x"]}
    assert column_names(table_files(name)) == ["n", "t"]


def test_standard_input_is_bounded(standard_input, monkeypatch):
    monkeypatch.setattr(packed, "MAX_INPUT_BYTES", 5)
    standard_input(b"n,t\n1,x\n")
    with pytest.raises(InputError, match="standard input: has more than 5 bytes"):
        as_table("-")


def test_the_whole_of_a_packed_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MAX_WHOLE_BYTES", 100)
    path = tmp_path / "a.parquet.gz"
    FRAME.to_parquet(tmp_path / "a.parquet")
    path.write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert error_of(path).startswith("unpacks to more than 100 bytes")
