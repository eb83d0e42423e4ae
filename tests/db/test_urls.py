"""Database URLs with several hosts."""

import pytest

from db.backup.programs import libpq_environment
from db.driver.urls import DatabaseUrlError, Place, asyncpg_url, driver_url, expects_writes, places_of, target_of

TWO = [Place("a", 1), Place("b", 2)]


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("postgresql://ada:s3c,ret@a/billing", []),
        ("postgresql://ada:a,b/c@a/billing", []),
        ("postgresql://ada:1,b/c@a/billing", []),
        ("postgresql://ada@/billing?host=/run/postgresql", []),
        ("postgresql://ada@/billing?host=a:5433", []),
        ("postgresql://ada:secret@a:1,b:2/billing", TWO),
        ("postgresql://a:1,b:2/billing?sslmode=require", TWO),
        ("postgresql://ada@/billing?host=a:1&host=b:2", TWO),
        ("postgresql://ada@/billing?host=a,b&port=1,2", TWO),
        ("postgresql://ada@a,b:2/billing?port=1", TWO),
        ("postgresql://ada@c:9/billing?host=a:1,b:2", TWO),
        ("postgresql://ada@:1/billing?host=a&host=b:2", TWO),
        ("postgres://a,b", [Place("a", 5432), Place("b", 5432)]),
        ("postgresql://[::1],[fe80::1]:2/billing", [Place("::1", 5432), Place("fe80::1", 2)]),
        ("postgresql:///billing?host=/run/a&host=/run/b", [Place("/run/a", 5432), Place("/run/b", 5432)]),
    ],
)
def test_the_hosts_of_a_url(url: str, places: list[Place]) -> None:
    parsed = asyncpg_url(url)

    assert list(places_of(parsed)) == places
    assert asyncpg_url(parsed.render_as_string(hide_password=False)) == parsed
    assert target_of(parsed) == ("read-write" if places else None)
    if places:
        assert "host" not in driver_url(url).query


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://a,b:x/billing", "A host in DATABASE_URL is not of the form"),
        ("postgresql://a:0,b/billing", "A host in DATABASE_URL is not of the form"),
        ("postgresql://a,,b/billing", "A host in DATABASE_URL is not of the form"),
        ("postgresql://..,b/billing", "A host in DATABASE_URL is not of the form"),
        ("postgresql://..:1/billing", "A host in DATABASE_URL is not of the form"),
        (f"postgresql://{'a' * 64}/billing", "A host in DATABASE_URL is not of the form"),
        ("postgresql://a/billing?port=1,2", "names 1 hosts and 2 ports"),
        ("postgresql:///billing?port=1,2", "names 0 hosts and 2 ports"),
        ("postgresql://[::1,b/billing", "A host in DATABASE_URL is not of the form"),
        ("postgresql://%2Frun%2Fpg,b/billing", "A host in DATABASE_URL is not of the form"),
        ("postgresql://a,b/billing?host=c,d", "names its hosts twice"),
        ("postgresql://a,b/billing?pgbouncer=on", "must have one host"),
        ("postgresql://a/billing?pgbouncer=on&target_session_attrs=any", "must have one host"),
        ("postgresql:///billing?host=a,b,c&port=1,2", "names 3 hosts and 2 ports"),
        (f"postgresql://{','.join('abcdefghijk')}/billing", "names 11 hosts; at most 10"),
        ("postgresql://a,b/billing?target_session_attrs=master", "target_session_attrs in DATABASE_URL must be one of"),
    ],
)
def test_hosts_that_make_no_sense_are_refused(url: str, reason: str) -> None:
    with pytest.raises(DatabaseUrlError, match=reason):
        asyncpg_url(url)


def test_who_asks_for_a_standby_expects_no_writes() -> None:
    assert expects_writes("postgresql://a/billing")
    assert expects_writes("postgresql://a,b/billing?target_session_attrs=primary")
    assert not expects_writes("postgresql://a,b/billing?target_session_attrs=prefer-standby")


def test_a_password_keeps_its_commas() -> None:
    assert asyncpg_url("postgresql://ada:1,b/c@a/billing").password == "1,b/c"


def test_pg_dump_connects_to_the_port_of_a_host_option() -> None:
    environment = libpq_environment("postgresql://ada@/billing?host=a:5433")

    assert (environment["PGHOST"], environment["PGPORT"]) == ("a", "5433")


def test_pg_dump_connects_to_the_same_hosts() -> None:
    environment = libpq_environment("postgresql://ada@a:1,b/billing")

    assert {name: environment[name] for name in ("PGHOST", "PGPORT", "PGTARGETSESSIONATTRS")} == {
        "PGHOST": "a,b",
        "PGPORT": "1,5432",
        "PGTARGETSESSIONATTRS": "read-write",
    }
