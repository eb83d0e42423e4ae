"""Invariants of taxes."""

from db.queries.invariants.rule import Invariant


def groups(table: str, column: str) -> str:
    """Returns the SQL that selects the taxes of lines by group, for the document that `column` names."""
    return f"""
        SELECT l.{column} AS id, l.customer_id, each ->> 'kind' AS kind, each ->> 'category' AS category,
               trim_scale((each ->> 'percent')::numeric) AS percent,
               CASE each ->> 'kind' WHEN 'SALES' THEN each ->> 'rate_id' END AS rate_id,
               sum((each ->> 'taxable_cents')::bigint) AS taxable, sum((each ->> 'amount_cents')::bigint) AS tax
        FROM {table} AS l
        CROSS JOIN LATERAL jsonb_array_elements(l.tax -> 'amounts') AS each
        WHERE l.tax IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5, 6
    """


def groups_add_up(name: str, documents: str, table: str, lines: str, column: str) -> Invariant:
    """Returns the invariant that the tax groups of documents are the sums of those of their lines."""
    kind = documents.removesuffix("s")
    return Invariant(
        "I4",
        name,
        f"tax groups of {documents}",
        f"""
        SELECT CASE
            WHEN named.tax IS NULL THEN
                format('{kind} %s: the lines have %s %s %% of %s, which the {kind} does not', lines.id, lines.kind,
                       lines.percent, lines.tax)
            WHEN lines.tax IS DISTINCT FROM named.tax OR lines.taxable IS DISTINCT FROM named.taxable THEN
                format('{kind} %s: %s %s %% of %s on %s, with lines of %s on %s', named.id, named.kind, named.percent,
                       named.tax, named.taxable, coalesce(lines.tax, 0), coalesce(lines.taxable, 0))
        END AS wrong
        FROM (
            SELECT d.id, d.customer_id, each ->> 'kind' AS kind, each ->> 'category' AS category,
                   trim_scale((each ->> 'percent')::numeric) AS percent,
                   CASE each ->> 'kind' WHEN 'SALES' THEN each ->> 'rate_id' END AS rate_id,
                   (each ->> 'taxable_cents')::bigint AS taxable, (each ->> 'amount_cents')::bigint AS tax
            FROM {table} AS d
            CROSS JOIN LATERAL jsonb_array_elements(d.taxes) AS each
            WHERE d.taxes IS NOT NULL
        ) AS named
        FULL JOIN ({groups(lines, column)}) AS lines ON lines.id = named.id AND lines.customer_id = named.customer_id
            AND lines.kind = named.kind AND lines.percent = named.percent
            AND coalesce(lines.category, '') = coalesce(named.category, '')
            AND coalesce(lines.rate_id, '') = coalesce(named.rate_id, '')
        """,
    )


TAX_GROUPS = groups_add_up(
    "the taxes of an invoice are those of its lines", "invoices", "invoices", "invoice_lines", "invoice_id"
)
CREDITED_TAX_GROUPS = groups_add_up(
    "the taxes of a credit note are those of its lines",
    "credit notes",
    "credit_notes",
    "credit_note_lines",
    "credit_note_id",
)
