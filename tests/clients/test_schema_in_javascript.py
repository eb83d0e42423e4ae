"""Tests that JavaScript and TypeScript tools accept `schema.graphql`."""

import json
import re
from pathlib import Path

import pytest

from tests.clients.node import HERE, PROJECT, Workspace

SDL = PROJECT.joinpath("schema.graphql").read_text(encoding="utf-8")

ROOTS = {"query": "Query", "mutation": "Mutation", "subscription": "EventStream"}


def read_in_javascript(workspace: Workspace, sdl: str) -> object:
    read = workspace.run("node", "read_schema.mjs", stdin=sdl)
    assert read.returncode == 0, read.stderr
    return json.loads(read.stdout)


def compiler_errors(workspace: Workspace, tsconfig: str) -> list[str]:
    """Returns TypeScript's errors for a configuration, in order, such as `uses.ts:7 TS2322`."""
    tsc = workspace.run("node_modules/.bin/tsc", "--project", tsconfig, "--strict", "--noEmit", "--pretty", "false")
    errors = [
        f"{file}:{line} {code}"
        for file, line, code in re.findall(r"^(?:(\S+)\((\d+),\d+\): )?error (TS\d+):", tsc.stdout, re.MULTILINE)
    ]
    assert (tsc.returncode == 0) == (not errors), tsc.stdout + tsc.stderr
    return errors


def test_the_schema_is_valid_and_a_subscription_is_no_root(workspace: Workspace) -> None:
    assert read_in_javascript(workspace, SDL) == {
        "problems": [],
        "roots": ROOTS,
        "Subscription": "GraphQLObjectType implements Node",
    }


def test_without_its_schema_block_the_schema_has_a_wrong_root_and_nobody_says_so(workspace: Workspace) -> None:
    headless, blocks = re.subn(r'\A"""[^"]*"""\nschema \{[^}]*\}\n', "", SDL)
    assert blocks == 1

    assert read_in_javascript(workspace, headless) == {
        "problems": [],
        "roots": {**ROOTS, "subscription": "Subscription"},
        "Subscription": "GraphQLObjectType implements Node",
    }


@pytest.mark.usefixtures("generated")
def test_the_generated_types_serve_a_frontend(workspace: Workspace) -> None:
    assert compiler_errors(workspace, "tsconfig.json") == []


@pytest.mark.usefixtures("generated")
def test_the_generated_types_refuse_misuse(workspace: Workspace) -> None:
    lines = HERE.joinpath("misuses.ts").read_text(encoding="utf-8").splitlines()
    named = [(at, re.search(r"// (TS\d+): ", line)) for at, line in enumerate(lines, start=1)]
    expected = [f"misuses.ts:{at} {code[1]}" for at, code in named if code]

    assert len(expected) == 10
    assert compiler_errors(workspace, "tsconfig.misuses.json") == expected


def test_inputs_and_enums_carry_the_descriptions_of_the_schema(generated: Path) -> None:
    types = generated.joinpath("graphql.ts").read_text(encoding="utf-8")

    assert "  /** The customer to bill. Must not be archived. */\n  customerId: " in types
    assert "  /** It is finalized and owed. */\n  | 'OPEN'\n" in types
    assert "  /** The customer already has a live subscription; only one is allowed. */\n" in types
