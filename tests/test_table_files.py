"""Folders of files are one table: of one kind, with like columns, each problem named."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasnn.datasets import as_table, table_chunks, table_files
from kerasnn.errors import InputError


def error_of(path, rows=10):
    with pytest.raises(InputError) as raised:
        list(table_chunks(path, rows))
    return str(raised.value)


def written(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def parquet(path, **columns):
    pytest.importorskip("pyarrow", reason="an extra")
    pd.DataFrame(columns).to_parquet(path)


def test_a_folder_of_csv_files_is_one_table_in_the_order_of_the_first(tmp_path):
    folder = written(tmp_path / "rows", b="t,n\nx,3\n,4\n", a="n,t\n1,u\n2,v\n")
    (folder / "c.tsv.gz").write_bytes(gzip.compress(b"n\tt\n5\tw\n"))
    for passed_over in ("_SUCCESS", ".a.csv.crc", "_old.csv"):
        (folder / passed_over).write_text("nothing")
    table = as_table(folder)
    assert table["t"].dtype == object
    assert table.to_dict("list") == {
        "n": [1.0, 2.0, 3.0, 4.0, 5.0],
        "t": ["u", "v", "x", None, "w"],
    }
    assert [len(chunk) for chunk in table_chunks(folder, 1)] == [1] * 5
    assert [path.name for path in table_files(folder)] == ["a.csv", "b.csv", "c.tsv.gz"]
    assert [*table_files(str(folder / "a.csv"))] == [folder / "a.csv"]


def test_what_does_not_belong_into_a_folder_is_told(tmp_path):
    folder = written(tmp_path / "rows", a="n\n1\n")
    (folder / "b.parquet").touch()
    assert error_of(folder) == (
        f"{folder}: the folder holds both CSV and Parquet files, a.csv and b.parquet; the"
        " files of a table are of one kind"
    )
    (folder / "b.parquet").rename(folder / "b.md")
    error = error_of(folder)
    assert error.startswith(f"{folder / 'b.md'}: is of an unknown kind; a table is text (")
    assert error.endswith("(names that begin with _ are ignored)")
    (folder / "b.md").unlink()
    (folder / "more").mkdir()
    assert error_of(folder) == (
        f"{folder / 'more'}: is a folder; the files of a table must be in one folder, or in"
        " folders named key=value, such as year=2026"
    )
    assert error_of(tmp_path / "none") == (
        f"{tmp_path / 'none'}: there is no such file or folder"
    )


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ("n\n3\n", "has no column 't', which {first} has"),
        ("n,t,more\n3,y,1\n", "has a column 'more', which {first} does not have"),
    ],
    ids=["fewer", "more"],
)
def test_csv_files_with_other_columns_are_told(tmp_path, second, problem):
    folder = written(tmp_path / "rows", a="n,t\n1,x\n", b=second)
    first = folder / "a.csv"
    assert error_of(folder) == (
        f"{folder / 'b.csv'}: {problem.format(first=first)}; the files of a table have the"
        " same columns"
    )


def test_a_parquet_column_that_is_text_in_one_file_and_numbers_in_another_is_told(tmp_path):
    parquet(tmp_path / "a.parquet", n=[1, 2], x=[1.5, 2.5])
    parquet(tmp_path / "b.parquet", x=[1, 2], n=["1", "2"])
    assert error_of(tmp_path) == (
        f"{tmp_path / 'b.parquet'}: column 'n' is of type large_string, and int64 in"
        f" {tmp_path / 'a.parquet'}; the files of a table have the same columns"
    )


def test_other_columns_are_told_before_the_first_rows(tmp_path):
    folder = written(tmp_path / "rows", a="n\n1\n", b="n\n2\n", c="m\n3\n")
    with pytest.raises(InputError, match=r"c\.csv: has no column 'n'"):
        next(table_chunks(folder, 1))


def test_whole_numbers_and_others_may_follow_each_other_in_parquet(tmp_path):
    parquet(tmp_path / "a.parquet", n=[1, 2], t=["a", "b"])
    parquet(tmp_path / "b.parquet", t=["c", None], n=[1.5, 2.5])
    parquet(tmp_path / "c.parquet", t=[None, None], n=[3, 4])
    table = as_table(tmp_path)
    assert list(table.columns) == ["n", "t"]
    assert table["n"].tolist() == [1, 2, 1.5, 2.5, 3, 4]
    assert table["t"].isna().tolist() == [False, False, False, True, True, True]


def test_a_file_that_vanished_between_two_passes_is_named(tmp_path):
    folder = written(tmp_path / "rows", a="n\n1\n", b="n\n2\n")
    files = table_files(folder)
    assert len(list(table_chunks(files, 10))) == 2
    (folder / "b.csv").unlink()
    assert error_of(files) == f"{folder / 'b.csv'}: there is no such file"


def test_a_parquet_file_damaged_in_its_middle_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    parquet(path, n=np.arange(50_000) * 0.1)
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36  # the head of the first page
    path.write_bytes(content)
    assert error_of(path).startswith(f"{path}: is not a Parquet file: ")


def test_the_file_is_closed_when_nobody_reads_on(tmp_path):
    folder = written(tmp_path / "rows", a="n\n1\n2\n3\n")
    chunks = table_chunks(folder, 1)
    next(chunks)
    assert [f for f in open_files() if f.startswith(str(folder))]
    chunks.close()
    assert not [f for f in open_files() if f.startswith(str(folder))]


def open_files():
    links = Path("/proc/self/fd").iterdir()
    return [str(link.resolve()) for link in links if link.exists()]


@pytest.mark.slow
def test_one_huge_row_group_is_not_read_at_once(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="an extra")
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=400_000) for i in range(40)}  # 128 MB
    arrow.parquet.write_table(
        arrow.table(columns), tmp_path / "rows.parquet", row_group_size=400_000
    )
    code = (
        "import resource, sys, pandas, pyarrow.parquet\n"
        "from kerasnn.datasets import table_chunks\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = sum(len(chunk) for chunk in table_chunks(sys.argv[1], 5_000))\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(rows, (after - before) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "rows.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 400_000
    assert megabytes < 100
