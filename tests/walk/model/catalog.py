"""Operations on customers, plans, test clocks and keys. Each raises `Refused`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from tests.walk.model.passing import arrive
from tests.walk.model.shared import Clock, Key, Plan, refuse
from tests.walk.model.subscriptions import opened
from tests.walk.model.taxes import are_too_many, wrong_rates
from tests.walk.model.world import Customer, World

FAR = timedelta(days=366 * 100)


def create_customer(
    world: World, *, name: str, email: str, external_id: str | None, net_days: int | None, clock: Clock | None
) -> Customer:
    customer = Customer(name, email, clock, world.now, external_id=external_id, net_days=net_days)
    customer.sellers = world.sellers
    at = world.time_of(customer)
    customer.updated_at = at
    free(world, customer, name, email, external_id, net_days)
    customer.note("CUSTOMER_CREATED", customer, at)
    world.customers.append(customer)
    return customer


def free(
    world: World,
    customer: Customer,
    name: str | None,
    email: str,
    external_id: str | None,
    net_days: int | None,
    po_number: str | None = None,
    invoice_memo: str | None = None,
    *,
    has_bad_taxes: bool = False,
    other: Mapping[str, bool] = MappingProxyType({}),
) -> None:
    """Refuses values of a customer that are wrong or taken, or for `other` reasons."""
    others = [other for other in world.customers if other is not customer]
    refuse(
        EMAIL_INVALID="@" not in email,
        EMAIL_TAKEN=not customer.archived and is_taken(world, customer, email),
        EXTERNAL_ID_TAKEN=external_id and any(other.external_id == external_id for other in others),
        INVALID_INPUT=not (name or "").strip()
        or (net_days is not None and not 0 <= net_days <= 365)
        or is_bad_po_number(po_number)
        or is_bad_memo(invoice_memo)
        or has_bad_taxes,
        **other,
    )


def is_taken(world: World, customer: Customer, email: str) -> bool:
    """Returns True if another customer who is not archived, in the same time, has the address."""
    return any(
        other.email.casefold() == email.casefold()
        for other in world.customers
        if other is not customer and other.clock is customer.clock and not other.archived
    )


def is_bad_po_number(text: str | None) -> bool:
    return text is not None and (len(text) > 140 or not text.isprintable())


def is_bad_memo(text: str | None) -> bool:
    return text is not None and (len(text) > 2000 or not text.replace("\n", "").isprintable())


def update_customer(world: World, customer: Customer, values: dict[str, Any], *, stale: bool = False) -> None:
    """Updates the fields in `values`, which are named as in the model. `stale`: another version was expected."""
    refuse(VERSION_CONFLICT=stale)
    values = with_taxes(customer, values)
    at = max(world.time_of(customer), customer.updated_at)
    checked = ("name", "email", "external_id", "net_days", "po_number", "invoice_memo")
    new = {name: values.get(name, getattr(customer, name)) for name in checked}
    status, reason = (values.get(name, getattr(customer, name)) for name in ("tax_status", "exemption_reason"))
    rates = values.get("tax_rates", ())
    has_bad_taxes = (status == "EXEMPT") != (reason is not None) or are_too_many(rates)
    free(world, customer, **new, has_bad_taxes=has_bad_taxes, other=wrong_rates([rates], customer.tax_rates))
    if any(getattr(customer, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(customer, name, value)
        customer.note("CUSTOMER_UPDATED", customer, at)


def with_taxes(customer: Customer, values: dict[str, Any]) -> dict[str, Any]:
    """Adds what follows from an update: a reason ends with its status, and a known tax id stays verified."""
    found = dict(values)
    if values.get("tax_status", "EXEMPT") != "EXEMPT":
        found.setdefault("exemption_reason", None)
    if "tax_ids" in values:
        verified = {(country, number): at for country, number, at in customer.tax_ids}
        found["tax_ids"] = tuple((*each, verified.get(each)) for each in values["tax_ids"])
    return found


def archive_customer(world: World, customer: Customer) -> None:
    at = max(opened(world, customer), customer.updated_at)
    refuse(CUSTOMER_ARCHIVED=customer.archived, CUSTOMER_HAS_LIVE_SUBSCRIPTION=customer.live)
    customer.archived = True
    customer.note("CUSTOMER_ARCHIVED", customer, at)
    number = world.customers.index(customer)
    for key in world.keys:
        if key.customer == number and key.revoked_at is None:
            key.revoked_at = world.now


def unarchive_customer(world: World, customer: Customer) -> None:
    at = max(world.time_of(customer), customer.updated_at)
    refuse(CUSTOMER_NOT_ARCHIVED=not customer.archived)
    refuse(EMAIL_TAKEN=is_taken(world, customer, customer.email))
    customer.archived = False
    customer.note("CUSTOMER_UNARCHIVED", customer, at)


MOST = {"DAY": 3660, "WEEK": 520, "MONTH": 120, "YEAR": 10}


def create_plan(world: World, plan: Plan) -> Plan:
    refuse(
        PLAN_CODE_TAKEN=any(other.code == plan.code for other in world.plans),
        AMOUNT_NEGATIVE=plan.amount < 0,
        CURRENCY_UNKNOWN=plan.currency == "XXX",
        INVALID_INPUT=(
            not plan.name.strip()
            or not 1 <= plan.count <= MOST[plan.unit]
            or not 0 <= plan.trial_days <= 730
            or (plan.net_days is not None and not 0 <= plan.net_days <= 365)
            or are_too_many(plan.tax_rates)
        ),
        **wrong_rates([plan.tax_rates]),
    )
    world.plans.append(plan)
    return plan


def update_plan(plan: Plan, values: dict[str, Any]) -> None:
    refuse(
        INVALID_INPUT=(
            ("name" in values and not (values["name"] or "").strip())
            or not 0 <= (values.get("trial_days") or 0) <= 730
            or not 0 <= (values.get("net_days") or 0) <= 365
            or are_too_many(values.get("tax_rates", ()))
        ),
        **wrong_rates([values.get("tax_rates", ())], plan.tax_rates),
    )
    if any(getattr(plan, name) != value for name, value in values.items()):
        vars(plan).update(values, version=plan.version + 1)


def archive_plan(plan: Plan, *, archived: bool) -> None:
    refuse(**{"PLAN_ARCHIVED" if archived else "PLAN_NOT_ARCHIVED": plan.archived == archived})
    plan.archived = archived
    plan.version += 1


def create_clock(world: World, frozen_at: datetime | None) -> Clock:
    refuse(INVALID_INPUT=frozen_at and abs(frozen_at - world.now) > FAR)
    clock = Clock(frozen_at or world.now)
    world.clocks.append(clock)
    return clock


def send_clock(world: World, clock: Clock, to: datetime) -> None:
    """Starts to advance a test clock. Does nothing if it is already advancing to that instant."""
    if clock.target == to:
        return
    refuse(TEST_CLOCK_ADVANCING=clock.target is not None)
    refuse(TEST_CLOCK_BACKWARDS=to <= clock.frozen_at, INVALID_INPUT=abs(to - world.now) > FAR)
    clock.target = to


def advance_clock(world: World, clock: Clock, to: datetime) -> None:
    send_clock(world, clock, to)
    arrive(world, clock)


def create_key(world: World, name: str, scope: str) -> Key:
    refuse(INVALID_INPUT=not name.strip() or scope == "CUSTOMER")
    key = Key(scope, name=name)
    world.keys.append(key)
    return key


def revoke_key(world: World, key: Key) -> None:
    refuse(API_KEY_REVOKED=key.revoked_at is not None)
    key.revoked_at = world.now


def create_session(
    world: World, customer: int, seconds: int, permissions: frozenset[str], plans: frozenset[str]
) -> Key:
    refuse(INVALID_INPUT=not 60 <= seconds <= 3600, CUSTOMER_ARCHIVED=world.customers[customer].archived)
    key = Key(
        "CUSTOMER",
        customer=customer,
        permissions=permissions,
        plans=plans,
        expires_at=world.now + timedelta(seconds=seconds),
    )
    world.keys.append(key)
    return key
