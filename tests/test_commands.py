"""Every `kerasnn` command of the pages is one that the command line takes.

The commands are parsed, with all their options, and not run: most train for minutes, or
serve. The tests of each command run it.
"""

import re
import shlex
from pathlib import Path

import click
import pytest

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


def commands(text):
    """The arguments of each `kerasnn` command in the fenced blocks of a page."""
    for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
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


PARSED = [
    pytest.param(arguments, id=f"{page.name}: {' '.join(arguments)}"[:90])
    for page in sorted(PAGES)
    for arguments in commands(page.read_text())
]


def parse(arguments):
    """Parse as the command line does, without running anything."""
    with cli.make_context("kerasnn", list(arguments)) as group:
        name, command, rest = cli.resolve_command(
            group, [*group._protected_args, *group.args]
        )
        command.make_context(name, rest, parent=group)


@pytest.fixture(autouse=True)
def any_file(monkeypatch):
    """Files of the pages do not exist here."""
    for kind in (click.Path, SourceType):
        monkeypatch.setattr(kind, "convert", lambda kind, value, *more: Path(value))


@pytest.mark.parametrize("arguments", PARSED)
def test_a_command_of_the_pages_can_be_given(arguments):
    if arguments in (["--help"], ["--version"]):
        return
    parse(arguments)


def test_a_wrong_option_is_found():
    assert len(PARSED) > 25
    assert list(
        commands("```text\n$ A=1 kerasnn predict a b --x 'c d' | head  # e\n```")
    ) == [["predict", "a", "b", "--x", "c d"]]
    with pytest.raises(click.UsageError, match="--no-such"):
        parse(["predict", "model", "rows.csv", "--no-such"])
