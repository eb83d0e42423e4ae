"""Operations on webhook endpoints. Each raises `Refused`. Nothing is delivered during a walk."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.walk.model.shared import Delivery, WebhookEndpoint, refuse
from tests.walk.model.world import World


def create_endpoint(world: World, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    refuse(**wrong(vars(endpoint)))
    world.endpoints.append(endpoint)
    return endpoint


def update_endpoint(endpoint: WebhookEndpoint, values: Mapping[str, Any]) -> None:
    refuse(**wrong(values), WEBHOOK_ENDPOINT_NOT_FOUND=endpoint.deleted)
    if any(getattr(endpoint, name) != value for name, value in values.items()):
        vars(endpoint).update(values, version=endpoint.version + 1)


def wrong(values: Mapping[str, Any]) -> dict[str, bool]:
    """Returns the reasons to refuse these values of an endpoint."""
    return {
        "WEBHOOK_URL_INVALID": not values.get("url", "https://1.1.1.1").startswith("https://1.1.1.1"),
        "INVALID_INPUT": len(values.get("description") or "") > 255
        or any(type_.startswith("WEBHOOK_ENDPOINT_") for type_ in values.get("event_types", ())),
    }


def rotate_secret(world: World, endpoint: WebhookEndpoint) -> None:
    refuse(WEBHOOK_ENDPOINT_NOT_FOUND=endpoint.deleted)
    endpoint.old_secret_until = world.now + timedelta(hours=24)
    endpoint.version += 1


def enable_endpoint(endpoint: WebhookEndpoint, *, skips: bool) -> None:
    """Enables an endpoint. `skips`: it continues at another place in the feed, which ends a replay."""
    refuse(
        WEBHOOK_ENDPOINT_NOT_FOUND=endpoint.deleted,
        WEBHOOK_ENDPOINT_ENABLED=not endpoint.deleted and endpoint.disabled_at is None,
    )
    endpoint.disabled_at = None
    endpoint.version += 1
    if skips:
        endpoint.replays = False


def disable_endpoint(world: World, endpoint: WebhookEndpoint) -> None:
    refuse(WEBHOOK_ENDPOINT_NOT_FOUND=endpoint.deleted, WEBHOOK_ENDPOINT_DISABLED=endpoint.disabled_at)
    endpoint.disabled_at = world.now
    endpoint.version += 1


def delete_endpoint(endpoint: WebhookEndpoint) -> None:
    refuse(WEBHOOK_ENDPOINT_NOT_FOUND=endpoint.deleted)
    endpoint.deleted = True


def send_test(endpoint: WebhookEndpoint) -> Delivery:
    refuse(WEBHOOK_ENDPOINT_NOT_FOUND=endpoint.deleted, WEBHOOK_ENDPOINT_DISABLED=endpoint.disabled_at)
    return Delivery()


def replay_range(endpoint: WebhookEndpoint, *, is_empty: bool) -> None:
    refuse(
        INVALID_INPUT=is_empty,
        WEBHOOK_ENDPOINT_NOT_FOUND=endpoint.deleted,
        WEBHOOK_REPLAY_RUNNING=not endpoint.deleted and endpoint.replays,
    )
    endpoint.replays = True


def replay_deliveries(endpoint: WebhookEndpoint, deliveries: int, *, is_unknown: bool) -> None:
    refuse(
        INVALID_INPUT=deliveries == 0,
        WEBHOOK_ENDPOINT_NOT_FOUND=endpoint.deleted,
        WEBHOOK_DELIVERY_NOT_FOUND=not endpoint.deleted and is_unknown,
    )
