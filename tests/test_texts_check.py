"""`scripts/check-texts` finds docstrings and schema descriptions that start with a word which hides their subject."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PYTHON = (
    '"""Module."""\n\n\ndef amount() -> int:\n    """{text}"""\n    return LIMIT\n\n\nLIMIT = 1\n"""{constant}"""\n'
)
SCHEMA = 'type Query {{\n  """{text}"""\n  amount(\n    """{argument}"""\n    of: Int\n  ): Int\n}}\n'


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "check-texts"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", ["Returns the amount.", "The amount, in cents.", "True if it is due.", "Whatsoever."])
def test_a_text_that_starts_with_its_subject_or_verb_passes(tmp_path: Path, text: str) -> None:
    module, schema = tmp_path / "a.py", tmp_path / "a.graphql"
    module.write_text(PYTHON.format(text=text, constant="Maximum amount."))
    schema.write_text(SCHEMA.format(text=text, argument="The customer."))

    assert (checked(module).returncode, checked(schema).returncode) == (0, 0)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.py", PYTHON.format(text="What is due.", constant="Maximum amount."), 5),
        ("a.py", PYTHON.format(text="Returns it.", constant="So long a request waits."), 10),
        ("a.graphql", SCHEMA.format(text="Whether it is due.", argument="The customer."), 2),
        ("a.graphql", SCHEMA.format(text="The amount.", argument="`who` pays."), 4),
    ],
)
def test_a_text_that_hides_its_subject_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, line: int
) -> None:
    (tmp_path / name).write_text(content)

    done = checked(tmp_path / name)

    assert done.returncode == 1
    assert f"{name}:{line}: " in done.stderr
    assert "or So: 1." in done.stderr
