import numpy as np
import pytest
from sklearn.datasets import load_digits

from kerasnn import InputError, datasets


def test_iris_is_the_uci_edition(iris):
    x, y = iris
    assert x.shape == (150, 2)
    assert y.shape == (150, 1)
    assert y[:50].tolist() == [[-1.0]] * 50
    assert y[50:].tolist() == [[1.0]] * 100
    np.testing.assert_array_equal(x[37], [4.9, 3.1])  # scikit-learn's has 4.9, 3.6


def test_digits_are_split_as_in_the_lesson():
    (x_train, y_train), (x_test, y_test) = datasets.digits(scaled=False)
    assert (x_train.shape, x_test.shape) == ((1437, 64), (360, 64))
    assert (x_train.dtype, y_train.dtype) == (np.float32, np.int32)
    assert (x_train.min(), x_train.max()) == (0.0, 16.0)
    together = np.sort(np.concatenate([x_train, x_test]).sum(axis=1))
    np.testing.assert_array_equal(together, np.sort(load_digits().data.sum(axis=1)))
    assert np.bincount(np.concatenate([y_train, y_test])).sum() == 1797


def test_digits_scaled_and_one_hot_are_the_same_rows():
    (raw, labels), _ = datasets.digits(scaled=False)
    (scaled, one_hot), _ = datasets.digits(scaled=True, one_hot=True)
    np.testing.assert_array_equal(scaled * 16, raw)
    assert one_hot.shape == (1437, 10)
    np.testing.assert_array_equal(one_hot.argmax(axis=1), labels)
    np.testing.assert_array_equal(one_hot.sum(axis=1), np.ones(1437))


def test_digits_columns_are_those_of_scikit_learn():
    assert list(datasets.DIGITS_COLUMNS) == load_digits().feature_names


def test_a_csv_gives_the_columns_asked_for_in_their_order(tmp_path):
    file = tmp_path / "rows.csv"
    # A byte order mark, quotes, a blank line, a column more, Windows line ends.
    file.write_bytes(b'\xef\xbb\xbfX1,name,"X0"\r\n2,"a, b",1\r\n\r\n4.5,c,-3e1\r\n')
    table = datasets.read_numbers(file, ["X0", "X1"])
    assert list(table.columns) == ["X0", "X1"]
    assert table.to_numpy().tolist() == [[1.0, 2.0], [-30.0, 4.5]]


RAGGED = (
    ". Put the line right, with quotes around a cell that contains the separator; or give"
    " sep= if the separator is not ','"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; it needs a header line with names of columns"),
        ("X0,X1\n", "has a header line but no rows"),
        (
            "X0,Y\n1,2\n",
            "has no column 'X1'. It has X0, Y; needed: X0, X1",
        ),
        ("a,b\n1,2\n", "has no column 'X0'. It has a, b; needed: X0, X1"),
        (
            "X0,X01\n1,2\n",
            "has no column 'X1'; did you mean 'X01'? It has X0, X01; needed: X0, X1",
        ),
        ("X0,X1,X0\n1,2,3\n", "has 2 columns named 'X0'; each needs a name of its own"),
        ("X0,X1\n1,2\n3\n", f"line 3 has 1 value where the header has 2 values{RAGGED}"),
        (
            "X0,X1\n1,2,3\n4,5\n",
            f"line 2 has 3 values where the header has 2 values{RAGGED}",
        ),
        (
            "X0,X1\n1,2\n3,x\n",
            "row 2 (line 3), column 'X1': 'x' is not a number",
        ),
        ("X0,X1\n\n1,\n", "row 1 (line 3), column 'X1': the value is missing"),
        (
            "X0,X1\nnan,2\n",
            "row 1 (line 2), column 'X0': 'nan' is not a number",
        ),
        (
            "X0,X1\n1,inf\n",
            "row 1 (line 2), column 'X1': 'inf' is not finite in float64",
        ),
        (
            'X0,X1\n1,"2\n',
            "line 2: a quote opens a cell that never ends; is a quote missing?",
        ),
        (b"X0,X1\n\xff,2\n", "row 1 (line 2), column 'X0': '\u00ff' is not a number"),
    ],
)
def test_a_csv_that_cannot_be_used_is_told_where(tmp_path, content, message):
    file = tmp_path / "rows.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        datasets.read_numbers(file, ["X0", "X1"])
    assert str(caught.value) == f"{file}: {message}"


def test_a_number_too_large_for_the_type_is_told(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("X0\n1e300\n")
    assert datasets.read_numbers(file, ["X0"]).to_numpy() == [[1e300]]
    with pytest.raises(InputError) as caught:
        datasets.read_numbers(file, ["X0"], dtype="float32")
    assert str(caught.value) == (
        f"{file}: row 1 (line 2), column 'X0': '1e300' is not finite in float32"
    )


def test_a_file_that_is_not_there_or_is_a_folder_is_told(tmp_path):
    with pytest.raises(InputError) as caught:
        datasets.read_numbers(tmp_path / "none.csv", ["X0"])
    assert str(caught.value) == f"{tmp_path / 'none.csv'}: there is no such file"
    with pytest.raises(InputError) as caught:
        datasets.read_numbers(tmp_path, ["X0"])
    assert str(caught.value) == f"{tmp_path}: is a folder, where a file is needed"


def test_many_columns_are_named_in_short(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    with pytest.raises(InputError) as caught:
        datasets.read_numbers(file, datasets.DIGITS_COLUMNS)
    assert str(caught.value) == (
        f"{file}: has no column 'pixel_0_0'. It has a; needed: pixel_0_0, pixel_0_1,"
        " pixel_0_2, pixel_0_3, pixel_0_4, ..., pixel_7_7 (64 columns)"
    )
