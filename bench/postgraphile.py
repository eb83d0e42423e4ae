"""The operations in PostGraphile's own schema, with aliases for the names in the responses."""

OLDEST_FIRST = "orderBy: [CREATED_AT_ASC, ROW_ID_ASC]"

NESTED = f"""
query Nested($first: Int!) {{
  customers: allCustomers(first: $first, {OLDEST_FIRST}, condition: {{testClockId: null}}) {{ nodes {{
    id: rowId name email currency createdAt version
    subscriptions: planSubscriptionsByCustomerId(first: 10, {OLDEST_FIRST}) {{ nodes {{
      id: rowId status quantity currentPeriodStart currentPeriodEnd nextBillingAt
      plan: planByPlanId {{ id: rowId code name amountCents currency interval }}
      invoices: invoicesBySubscriptionIdAndCustomerId(first: 12, {OLDEST_FIRST}) {{ nodes {{
        id: rowId number status amountCents periodStart periodEnd
      }} }}
    }} }}
  }} }}
}}
"""
ONE = f"""
query One($id: UUID!) {{
  customer: customerByRowId(rowId: $id) {{
    id: rowId name email
    subscriptions: planSubscriptionsByCustomerId(first: 20, {OLDEST_FIRST}) {{ nodes {{
      id: rowId status
      plan: planByPlanId {{ id: rowId name }}
      invoices: invoicesBySubscriptionIdAndCustomerId(first: 20, {OLDEST_FIRST}) {{ nodes {{
        id: rowId number status amountCents
      }} }}
    }} }}
  }}
}}
"""
FLAT = f"""
query Flat($first: Int!) {{
  invoices: allInvoices(first: $first, {OLDEST_FIRST}, condition: {{testClockId: null}}) {{
    nodes {{ id: rowId number status amountCents periodStart periodEnd }}
  }}
}}
"""
PAGE = f"""
query Page($first: Int!) {{
  invoices: allInvoices(first: $first, {OLDEST_FIRST}, condition: {{testClockId: null}}) {{
    totalCount
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    edges {{ cursor node {{ id: rowId number status amountCents dueAt }} }}
  }}
}}
"""
DEEP = f"""
query Deep($first: Int!) {{
  customers: allCustomers(first: $first, {OLDEST_FIRST}, condition: {{testClockId: null}}) {{ nodes {{
    id: rowId name
    subscriptions: planSubscriptionsByCustomerId(first: 10, {OLDEST_FIRST}) {{ nodes {{
      id: rowId status
      invoices: invoicesBySubscriptionIdAndCustomerId(first: 12, {OLDEST_FIRST}) {{ nodes {{
        id: rowId number amountCents
        lines: invoiceLinesByInvoiceIdAndCustomerId(orderBy: [POSITION_ASC]) {{ nodes {{
          id: rowId description quantity unitAmountCents amountCents
        }} }}
        payments: allocationsByInvoiceIdAndCustomerId({OLDEST_FIRST}, condition: {{kind: "PAYMENT"}}) {{ nodes {{
          payment: paymentByPaymentIdAndCustomerId {{ id: rowId amountCents method receivedAt }}
        }} }}
      }} }}
    }} }}
  }} }}
}}
"""
SUBSCRIBE = """
mutation Subscribe($customer: UUID!, $plan: UUID!) {
  createSubscription: benchCreateSubscription(input: {customerId: $customer, planId: $plan}) {
    invoice: result {
      id: rowId number status amountCents periodStart periodEnd
      subscription: planSubscriptionBySubscriptionIdAndCustomerId { id: rowId status currentPeriodEnd }
      lines: invoiceLinesByInvoiceIdAndCustomerId(orderBy: [POSITION_ASC]) { nodes {
        id: rowId description quantity unitAmountCents amountCents
      } }
    }
  }
}
"""

DOCUMENTS = {"nested": NESTED, "one": ONE, "flat": FLAT, "page": PAGE, "deep": DEEP, "subscribe": SUBSCRIBE}
"""Documents by name of the operation."""
