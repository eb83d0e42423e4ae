"""Errors about webhooks."""

from billing.errors.base import BillingError


class WebhookEndpointNotFound(BillingError):
    code = "WEBHOOK_ENDPOINT_NOT_FOUND"
    description = "There is no webhook endpoint with this id."
    field = ("id",)


class WebhookUrlInvalid(BillingError):
    code = "WEBHOOK_URL_INVALID"
    description = "The URL is malformed, is not `https`, or leads to an address that is not public."
    field = ("url",)


class TooManyWebhookEndpoints(BillingError):
    code = "TOO_MANY_WEBHOOK_ENDPOINTS"
    description = "There are too many webhook endpoints. Delete one first."


class WebhookEndpointDisabled(BillingError):
    code = "WEBHOOK_ENDPOINT_DISABLED"
    description = "The webhook endpoint is disabled."
    field = ("id",)


class WebhookEndpointEnabled(BillingError):
    code = "WEBHOOK_ENDPOINT_ENABLED"
    description = "The webhook endpoint is already enabled."
    field = ("id",)


class WebhookDeliveryNotFound(BillingError):
    code = "WEBHOOK_DELIVERY_NOT_FOUND"
    description = "The webhook endpoint has no delivery with this id."
    field = ("delivery_ids",)


class WebhookReplayRunning(BillingError):
    code = "WEBHOOK_REPLAY_RUNNING"
    description = "An earlier replay to this webhook endpoint is still running."
    field = ("endpoint_id",)
