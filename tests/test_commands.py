"""Every `kerasnn` command of the pages is one that the command line takes, and runs.

They run in one folder, page after page, on a small table that has the columns of all of
them. One network is trained, shortly; the commands that train read their table with all
their options, and stop where the training would begin. A command that is not run stands
in a block behind a comment that says why: `<!-- not run: it serves until stopped -->`.
"""

import re
import shlex
import shutil
import sys
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest

from kerasnn import lessons, tables, tuning
from kerasnn.cli import main
from kerasnn.cli.app import cli
from kerasnn.cli.options import SourceType

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "saved_models" / "README.md",
    *(ROOT / "docs").glob("*.md"),
]
PAGES += [*(ROOT / "docs" / "lessons" / "en").glob("*.md"), ROOT / "CONTRIBUTING.md"]
ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "2>", "<"}
BLOCK = re.compile(r"(?:<!-- not run: (.*?) -->\s*)?^```(\w*)\n(.*?)```", re.DOTALL | re.M)
SHORT = [
    *("--epochs", "2", "--members", "2", "--folds", "2", "--hidden-units", "8"),
    *("--driver", "graph", "--no-trees", "--no-importance"),
]


class TrainingBeginsError(Exception):
    """Stands for a training that is not run."""


def commands(text):
    """Of each `kerasnn` command of a page why it is not run, or "", and its arguments."""
    for why, language, block in BLOCK.findall(text):
        for arguments in list(of_block(language, block)):
            yield why, arguments


def of_block(language, block):
    """The arguments of each `kerasnn` command in a block."""
    open_line = ""
    for line in re.sub(r"\\\n\s*", "", block).splitlines():
        prompt = re.match(r"\s*\$ ", line)
        if not (prompt or open_line or language in ("sh", "bash")):
            continue
        open_line += f"{line[prompt.end() :] if prompt else line}\n"
        try:
            words = list(lexer(open_line))
        except ValueError:  # a quotation goes on in the next line
            continue
        open_line = ""
        yield from of_words(words)


def lexer(line):
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    words.commenters, words.whitespace_split = "#", True
    return words


def of_words(words):
    """The arguments of each `kerasnn` command in a line of a shell."""
    found = None
    for before, word in zip(["&&", *words], words, strict=False):
        if word in ENDS:
            found = None
        elif word == "kerasnn" and (before in {*ENDS, "-m"} or "=" in before):
            found = []
            yield found
        elif found is not None:
            found.append(word)


ALL = [
    (page.name, why, arguments)
    for page in sorted(PAGES)
    for why, arguments in commands(page.read_text())
]
RUN = [
    pytest.param(arguments, id=f"{name}: {' '.join(arguments)}"[:90])
    for name, why, arguments in ALL
    if not why
]
NOT_RUN = [
    pytest.param(why, arguments, id=f"{name}: {' '.join(arguments)}")
    for name, why, arguments in ALL
    if why
]


def every_column(n=120):
    """[n, 17] the columns of all tables of the pages."""
    rng = np.random.default_rng(0)
    words = ["alive", "class", "who", "adult_male", "embark_town", "alone", "city"]
    classes = ["survived", "income", "by", "relapse"]
    return pd.DataFrame(
        {name: rng.normal(size=n).round(2) for name in ("age", "load", "price", "rent")}
        | {name: rng.choice(["a", "b", "c"], n) for name in words}
        | {name: rng.choice(["no", "yes"], n) for name in classes}
        | {"patient": np.arange(n) % 12, "date": pd.date_range("2024-01-01", periods=n)}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the commands name, and a network under the names of all of them."""
    folder, rows = tmp_path_factory.mktemp("commands"), every_column()
    (folder / "rows").mkdir()
    for name in ("commute", "demand", "earlier", "later", "rents", "titanic", "visits"):
        rows.to_csv(folder / f"{name}.csv", index=False)
    rows.to_csv(folder / "rows" / "1.csv", index=False)
    for name in ("adult", "more", "new", "people"):
        rows[["age", "city", "income"]].to_csv(folder / f"{name}.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train = ["train", "adult.csv", "--target", "income"]
        assert exit_code([*train, *SHORT], patch) == 0
    for name in ("commute", "rents", "shop", "titanic"):
        shutil.copytree(folder / "saved_models" / "adult", folder / "saved_models" / name)
    return folder


def exit_code(arguments, monkeypatch):
    """Run a command as the shell does, until it ends or a training begins."""
    monkeypatch.setattr(sys, "argv", ["kerasnn", *arguments])
    try:
        main()
    except TrainingBeginsError:
        return 0
    except SystemExit as end:
        return end.code or 0
    return 0


def parse(arguments):
    """Parse as the command line does, without running anything."""
    with cli.make_context("kerasnn", list(arguments)) as group:
        name, command, rest = cli.resolve_command(
            group, [*group._protected_args, *group.args]
        )
        command.make_context(name, rest, parent=group)


@pytest.mark.slow_cases
@pytest.mark.parametrize("arguments", RUN)
def test_a_command_of_the_pages_runs(arguments, folder, monkeypatch, capfd):
    def stop(*_, **__):
        raise TrainingBeginsError

    monkeypatch.chdir(folder)
    for room, name in ((tables, "fit"), (tuning, "tune"), (lessons, "train")):
        monkeypatch.setattr(room, name, stop)
    assert exit_code(arguments, monkeypatch) == 0


@pytest.mark.parametrize(("why", "arguments"), NOT_RUN)
def test_a_command_that_is_not_run_is_parsed_and_has_a_reason(why, arguments, monkeypatch):
    for kind in (click.Path, SourceType):  # its files do not exist here
        monkeypatch.setattr(kind, "convert", lambda kind, value, *more: Path(value))
    parse(arguments)
    assert len(why.split()) > 4


def test_a_wrong_option_and_a_mark_are_found():
    assert len(RUN) > 25
    page = "```text\n$ A=1 kerasnn predict a b --x 'c d' | head  # e\n```"
    assert list(commands(page)) == [("", ["predict", "a", "b", "--x", "c d"])]
    ((why, _),) = commands(f"It serves: <!-- not run: it waits -->\n\n{page}")
    assert why == "it waits"
    with pytest.raises(click.UsageError, match="--no-such"):
        parse(["predict", "model", "rows.csv", "--no-such"])
