"""`docs/clients.md` shows what the tests run, to the letter."""

import json
import re
import textwrap

from graph.error_codes import ErrorCode
from tests.clients.node import HERE, PROJECT

TEXT = PROJECT.joinpath("docs", "clients.md").read_text(encoding="utf-8")

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block of code: its language, and what is in it."""

LINK = re.compile(r"\]\(\.\./(tests/clients/[^)]+\.\w+)\)")
"""A link to a source: its path."""


def test_each_block_of_code_is_a_part_of_the_source_that_was_named_last() -> None:
    blocks = [found for found in BLOCK.finditer(TEXT) if found[1] != "console"]

    assert len(blocks) == 17
    for block in blocks:
        source = LINK.findall(TEXT[: block.start()])[-1]
        whole = PROJECT.joinpath(source).read_text(encoding="utf-8")
        part = block[2]
        assert f"\n{part}" in f"\n{whole}", f"{source} has no such lines:\n{textwrap.indent(part, '  ')}"
        if part.startswith(("{", "[tool")):
            assert part == whole, f"{source} has more lines."


def test_the_packages_to_install_are_those_of_the_tests() -> None:
    npm = re.findall(r"^\$ npm install (?:--save-dev )?(.+)$", TEXT, re.MULTILINE)
    pip = re.findall(r"^\$ pip install (.+)$", TEXT, re.MULTILINE)
    locked = json.loads(HERE.joinpath("package.json").read_text(encoding="utf-8"))["devDependencies"]

    assert set(" ".join(npm).split()) <= locked.keys()
    assert pip == HERE.joinpath("python", "requirements.in").read_text(encoding="utf-8").split()


def test_the_codes_of_errors_are_those_that_the_server_sends() -> None:
    rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", TEXT, re.MULTILINE)

    assert re.findall(r"\w+", " ".join(rows)) == list(ErrorCode)
