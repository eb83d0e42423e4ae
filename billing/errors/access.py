"""Errors about test clocks, customer sessions, API keys and idempotency keys."""

from billing.errors.base import BillingError


class TestClockNotFound(BillingError):
    code = "TEST_CLOCK_NOT_FOUND"
    description = "There is no test clock with this id."
    field = ("test_clock_id",)


class TestClockAdvancing(BillingError):
    code = "TEST_CLOCK_ADVANCING"
    description = "The test clock is advancing. Its customers cannot be changed until it is READY."


class TestClockBackwards(BillingError):
    code = "TEST_CLOCK_BACKWARDS"
    description = "The new time of a test clock must be later than its current time."
    field = ("to",)


class CreditNotAllowed(BillingError):
    code = "CREDIT_NOT_ALLOWED"
    description = "The change would credit more than it charges, which a customer session may not do."


class DatabaseNotEmpty(BillingError):
    code = "DATABASE_NOT_EMPTY"
    description = "The database already has customers, plans, a seller, tax rates or coupons."


class ApiKeyNotFound(BillingError):
    code = "API_KEY_NOT_FOUND"
    description = (
        "There is no API key or customer session with this id, or revoking it requires an API key with scope ADMIN."
    )
    field = ("api_key_id",)


class ApiKeyRevoked(BillingError):
    code = "API_KEY_REVOKED"
    description = "The API key has already been revoked."
    field = ("api_key_id",)


class IdempotencyKeyReused(BillingError):
    code = "IDEMPOTENCY_KEY_REUSED"
    description = "The idempotency key was already used with a different input. Nothing was done."
    field = ("idempotency_key",)
