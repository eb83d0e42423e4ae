"""Measures searches for customers, and filters by metadata, among a million customers."""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.database import BenchDatabase, bench_database
from bench.machine import machine_facts
from bench.measuring import processors
from bench.processes import confined
from bench.report import save
from bench.servers import kind_of, running
from bench.strain import LIST_MS, TIMES, asked

CUSTOMERS, PORTION = 1_000_000, 100_000

IN_MOST = ("in 60 %", "in all")
"""Searches that are not measured by NAME and EMAIL: these sort all matches, which takes longer than a list may."""

NAMES = """
    CREATE TABLE parts AS SELECT
      '{anna,bernd,carla,david,emma,felix,greta,hans,ines,jonas,maria,noah,olivia,paul,quentin,rosa,stefan,tina}'::text[]
        AS first,
      '{schm,mull,web,mey,wagn,beck,hoff,kell,rich,klein,wolf,schr,neum,zimm,brau,krug,hart,lang,lehm,koen}'::text[]
        AS start,
      '{e,i,a,o,u,ie,ei,au,er,el,en,il,ar,or,un,am}'::text[] AS middle,
      '{idt,mann,son,feld,berg,stein,bach,hof,ke,sen,ski,ton,ley,ford,wood,ert,ich,ling,sch,tz}'::text[] AS rest,
      '{GmbH,Ltd.,Inc.,SARL,Software,Bakery,Consulting,"& Sons"}'::text[] AS forms,
      '{yahoo.com,outlook.com,web.de,gmx.net,hotmail.com,icloud.com}'::text[] AS domains
"""

ADD = """
    INSERT INTO customers (id, name, email, email_key, external_id, currency, invoice_prefix, last_invoice_number,
      metadata, archived_at, version, created_at, updated_at)
    SELECT gen_random_uuid(), name, email, email, CASE WHEN n % 3 = 0 THEN 'cus_' || substr(hash, 3, 14) END, 'EUR',
      upper(substr(hash, 8, 12)), n % 37,
      jsonb_build_object('tier', CASE WHEN n % 100 = 7 THEN 'gold' ELSE 'basic' END, 'ref', 'r-' || n),
      CASE WHEN n % 50 = 3 THEN at END, 1, at, at
    FROM (
      SELECT *, first || '.' || last || n || '@' || CASE WHEN d % 10 < 6 THEN 'gmail.com'
          WHEN d % 10 < 8 THEN domains[1 + d / 10 % 6] ELSE last || '.com' END AS email,
        CASE WHEN n % 5 = 0 THEN initcap(last) || ' ' || forms[1 + a % 8]
          ELSE initcap(first) || ' ' || initcap(last) END AS name,
        timestamptz '2016-01-01' + n * interval '5 minutes' AS at
      FROM (
        SELECT n, hash, a, d, forms, domains, parts.first[1 + a % 18] AS first,
          start[1 + b % 20] || middle[1 + b / 20 % 16] || parts.rest[1 + c % 20] || middle[1 + c / 20 % 16]
            || parts.rest[1 + d / 100 % 20] AS last
        FROM (
          SELECT n, md5('c' || n) AS hash, abs(hashint4(n::int) / 2) AS a, abs(hashint4(n::int + 2000000) / 2) AS b,
            abs(hashint4(n::int + 4000000) / 2) AS c, abs(hashint4(n::int + 6000000) / 2) AS d
          FROM generate_series($1::bigint, $2::bigint) AS n OFFSET 0
        ) AS numbers, parts OFFSET 0
      ) AS named OFFSET 0
    ) AS added
"""


def searches(database: BenchDatabase) -> Iterator[tuple[str, str]]:
    """Yields the names of searches, and their arguments."""
    [[name, email, external_id, prefix]] = database.run(
        "SELECT name, email, external_id, invoice_prefix FROM customers WHERE external_id IS NOT NULL"
        " AND last_invoice_number > 9 ORDER BY created_at OFFSET 100000 LIMIT 1"
    )
    texts = {
        "in 60 %": "gmail",
        "in all": ".com",
        "in some": "hartie",
        "a first name": "quentin",
        "a name": name,
        "an e-mail address": email,
        "an external id": external_id,
        "an invoice prefix": prefix,
        "an invoice number": f"{prefix}-0009",
        "the end of an invoice number": f"{prefix[-4:]}-00",
        "punctuation": "& s",
        "absent": "qqxqq",
        "absent, of frequent parts": "gmail.comanna",
        "absent name with a frequent domain": "nobody.here@gmail.com",
        "one letter": "q",
        "one rare letter": "y",
        "two letters": "an",
        "two rare letters": "yx",
    }
    for said, text in texts.items():
        yield said, f'query: "{text}"'
    for said, pair in {"99 %": ("tier", "basic"), "1 %": ("tier", "gold"), "one": ("ref", "r-77")}.items():
        yield f"metadata of {said}", f'filter: {{metadata: [{{key: "{pair[0]}", value: "{pair[1]}"}}]}}'
    yield "metadata of none", 'filter: {metadata: [{key: "tier", value: "none"}]}'


def search(name: str) -> None:
    """Measures each search in each order, on the first and the last page, and its count up to 10 000."""
    server_processors, other_processors = processors()
    with tempfile.TemporaryDirectory(prefix="billing-bench-") as temporary, confined(other_processors):
        folder = Path(temporary)
        with bench_database(folder) as database:
            database.billing("migrate")
            began = time.monotonic()
            # The index is created afterwards, which is four times as fast.
            [[index]] = database.run("SELECT pg_get_indexdef('ix_customers_search'::regclass)")
            database.run("DROP INDEX ix_customers_search", NAMES)
            for first in range(0, CUSTOMERS, PORTION):
                database.run(ADD, arguments=[first, first + PORTION - 1])
            database.run(index)
            database.tidy()
            print(f"{CUSTOMERS} customers in {time.monotonic() - began:.0f} s", flush=True)
            times: dict[str, float] = {}
            with running([kind_of("ours")], database, folder, server_processors) as [server]:
                with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=server.headers) as client:
                    for said, arguments in searches(database):
                        for case, query in queries(arguments, sorts=said not in IN_MOST):
                            times[f"{said}, {case}"] = statistics.median(asked(client, query) for _ in range(TIMES))
                facts = machine_facts(database, server_processors, other_processors)
    slowest = sorted(times, key=lambda each: -times[each])
    for each in slowest[:10]:
        print(f"{times[each]:8.1f} ms  {each}")
    print(f"{len(times)} lists, median {statistics.median(times.values()):.1f} ms")
    print(save(f"{name}-search", facts, milliseconds={each: round(times[each], 1) for each in slowest}))
    pages = [each for each in slowest if not each.endswith("count")]
    if times[pages[0]] > LIST_MS:
        sys.exit(f"A list takes longer than {LIST_MS} ms.")


def queries(arguments: str, *, sorts: bool) -> Iterator[tuple[str, str]]:
    """Yields the lists in each order. Without `sorts`, only in the order in which a search sorts no matches."""
    for order in ("CREATED_AT", "NAME", "EMAIL") if sorts else ("CREATED_AT",):
        for page in ("first", "last"):
            asks = f"{arguments}, {page}: 20, orderBy: {{field: {order}}}"
            yield f"{page} by {order}", f"{{ customers({asks}) {{ nodes {{ id name email }} }} }}"
    yield "count", f"{{ customers({arguments}) {{ count {{ value }} }} }}"
