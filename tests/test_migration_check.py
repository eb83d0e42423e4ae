"""`scripts/check-migrations` accepts statements that do not disturb a busy server and rejects those that block it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from db.migrations import head_revision
from tests.support import PATIENCE_SECONDS

ROOT = Path(__file__).parents[1]

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade():
    {statement}
"""


def checked(folder: Path, statement: str) -> subprocess.CompletedProcess[str]:
    """Runs the check on the project's migrations and one more that executes `statement`."""
    shutil.copy(ROOT / "alembic.ini", folder)
    versions = shutil.copytree(ROOT / "alembic", folder / "alembic") / "versions"
    (versions / "0101.py").write_text(REVISION.format(head=head_revision(), statement=statement))
    command = [sys.executable, str(ROOT / "scripts" / "check-migrations"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        (
            "require-concurrent-index-creation",
            'op.create_index("ix_customers_tax_id", "customers", ["tax_id"])',
        ),
        (
            "adding-required-field",
            'op.add_column("customers", sa.Column("segment", sa.Text(), nullable=False))',
        ),
        (
            "changing-column-type",
            'op.alter_column("customers", "net_days", type_=sa.BigInteger())',
        ),
        (
            "adding-not-nullable-field",
            'op.alter_column("customers", "tax_id", nullable=False)',
        ),
        (
            "constraint-missing-not-valid",
            'op.create_check_constraint("ck_customers_tax_id", "customers", "tax_id <> upper(name)")',
        ),
        ("ban-drop-column", 'op.drop_column("customers", "tax_id")'),
        ("renaming-column", 'op.alter_column("customers", "tax_id", new_column_name="vat_id")'),
    ],
)
def test_a_migration_that_would_stop_a_server_is_refused(tmp_path: Path, rule: str, statement: str) -> None:
    done = checked(tmp_path, statement)

    assert done.returncode == 1
    assert rule in done.stderr
    assert "revision 0101 would block a server under load" in done.stderr


@pytest.mark.parametrize(
    "statement",
    [
        'op.add_column("customers", sa.Column("segment", sa.Text(), nullable=True))',
        'op.create_table("segments", sa.Column("name", sa.Text(), primary_key=True))',
        """with op.get_context().autocommit_block():
        op.create_index(
            "ix_customers_tax_id", "customers", ["tax_id"], if_not_exists=True, postgresql_concurrently=True
        )""",
    ],
)
def test_a_migration_that_nobody_notices_passes(tmp_path: Path, statement: str) -> None:
    done = checked(tmp_path, statement)

    assert (done.returncode, done.stderr) == (0, "")
