"""Comparison of objects that do not belong to one customer."""

from datetime import datetime

from tests.walk.client import Client
from tests.walk.formats import View, differences, instant
from tests.walk.model.shared import Clock, Coupon, Key, Plan, Registration, Seller, Shared, TaxRate, WebhookEndpoint

PLAN = """query ($id: ID!) { plan(id: $id) {
    code name description amountCents currency interval intervalCount trialDays netDays archivedAt version
    taxBehavior taxRates { id }
} }"""
CLOCK = "query ($id: ID!) { testClock(id: $id) { status frozenAt targetAt } }"
SELLER = """{ seller { id legalName homeCountry phone
    registrations { country region validFrom rates { id } } } }"""
TAX_RATE = "query ($id: ID!) { taxRate(id: $id) { name kind category percent archivedAt version } }"
COUPON = """query ($id: ID!) { coupon(id: $id) {
    code name percentOff amountOffCents currency duration periods maxRedemptions expiresAt archivedAt version
    plans { code }
} }"""
ENDPOINT = """query ($id: ID!) { webhookEndpoint(id: $id) {
    url description eventTypes testClocks status disabledReason disabledAt previousSecretExpiresAt version
} }"""
KEYS = "{ apiKeys { id name scope revokedAt } }"


def thing_differs(client: Client, thing: Shared) -> list[str]:
    """Describes how the API and the model disagree on an object that does not belong to a customer."""
    if thing.id is None:
        return []
    found, wanted = compared(client, thing)
    return list(differences(found, wanted, type(thing).__name__))


def compared(client: Client, thing: Shared) -> tuple[View | None, View | None]:
    """Returns an object as the API shows it, and as the model has it."""
    match thing:
        case Plan():
            found, wanted = with_archived(client.query(PLAN, id=thing.id)["plan"]), plan_view(thing)
        case Clock():
            found, wanted = client.query(CLOCK, id=thing.id)["testClock"], clock_view(thing)
        case Seller():
            found, wanted = client.query(SELLER)["seller"], seller_view(thing)
        case TaxRate():
            found, wanted = with_archived(client.query(TAX_RATE, id=thing.id)["taxRate"]), tax_rate_view(thing)
        case Coupon():
            found, wanted = with_archived(client.query(COUPON, id=thing.id)["coupon"]), coupon_view(thing)
            found = {**found, "plans": sorted(plan["code"] for plan in found["plans"])}
        case WebhookEndpoint():
            return client.query(ENDPOINT, id=thing.id)["webhookEndpoint"], endpoint_view(thing)
        case Key():
            wanted = {"id": thing.id, "name": thing.name, "scope": thing.scope, "revokedAt": instant(thing.revoked_at)}
            return next((row for row in client.query(KEYS)["apiKeys"] if row["id"] == thing.id), None), wanted
    return found, wanted


def clock_view(clock: Clock) -> View:
    return {
        "status": "ADVANCING" if clock.target else "READY",
        "frozenAt": instant(clock.frozen_at),
        "targetAt": instant(clock.target),
    }


def tax_rate_view(rate: TaxRate) -> View:
    return {
        "name": rate.name,
        "kind": rate.kind,
        "category": rate.category,
        "percent": rate.percent,
        "archivedAt": rate.archived,
        "version": rate.version,
    }


def with_archived(found: View) -> View:
    """Returns an object with True or False for the time when it was archived."""
    return {**found, "archivedAt": found["archivedAt"] is not None}


def plan_view(plan: Plan) -> View:
    return {
        "code": plan.code,
        "name": plan.name,
        "description": plan.description,
        "amountCents": plan.amount,
        "currency": plan.currency,
        "interval": plan.unit,
        "intervalCount": plan.count,
        "trialDays": plan.trial_days,
        "netDays": plan.net_days,
        "archivedAt": plan.archived,
        "version": plan.version,
        "taxBehavior": "INCLUSIVE" if plan.inclusive else "EXCLUSIVE",
        "taxRates": [{"id": rate.id} for rate in plan.tax_rates],
    }


def coupon_view(coupon: Coupon) -> View:
    return {
        "code": coupon.code,
        "name": coupon.name,
        "percentOff": coupon.percent,
        "amountOffCents": coupon.amount,
        "currency": coupon.currency,
        "duration": coupon.duration,
        "periods": coupon.given_periods,
        "maxRedemptions": coupon.max_redemptions,
        "expiresAt": instant(coupon.expires_at),
        "archivedAt": coupon.archived,
        "version": coupon.version,
        "plans": sorted({plan.code for plan in coupon.plans}),
    }


def endpoint_view(endpoint: WebhookEndpoint) -> View | None:
    if endpoint.deleted:
        return None
    return {
        "url": endpoint.url,
        "description": endpoint.description,
        "eventTypes": sorted(endpoint.event_types),
        "testClocks": endpoint.test_clocks,
        "status": "DISABLED" if endpoint.disabled_at else "ENABLED",
        "disabledReason": "REQUESTED" if endpoint.disabled_at else None,
        "disabledAt": instant(endpoint.disabled_at),
        "previousSecretExpiresAt": instant(endpoint.old_secret_until),
        "version": endpoint.version,
    }


def seller_view(seller: Seller) -> View:
    def place(registration: Registration) -> tuple[str, str, datetime]:
        return registration.country, (registration.region or "").casefold(), registration.valid_from

    return {
        "id": seller.id,
        "legalName": seller.name,
        "homeCountry": seller.country,
        "phone": seller.phone,
        "registrations": [
            {
                "country": each.country,
                "region": each.region,
                "validFrom": instant(each.valid_from),
                "rates": [{"id": rate.id} for rate in each.rates],
            }
            for each in sorted(seller.registrations, key=place)
        ],
    }
