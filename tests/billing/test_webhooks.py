"""Rules of webhooks: signatures, the schedule of attempts, the pace of an endpoint, and the URLs that are allowed."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from billing.enums import EventType, ObjectType, WebhookDeliveryStatus
from billing.errors import WebhookUrlInvalid
from billing.event_fields import fields_of
from billing.limits import MAX_WEBHOOK_BYTES
from billing.webhook_urls import is_public, valid_webhook_url
from billing.webhooks import (
    ATTEMPTS,
    FAILURES_TO_BRAKE,
    JITTER,
    LONGEST_BRAKE,
    LONGEST_RETRY_AFTER,
    Answer,
    Attempted,
    FeedEvent,
    Pace,
    after_attempt,
    headers_of,
    message_of,
    pace_after,
    retry_after,
    secret_text,
    signature,
)

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
MESSAGE = UUID("019b0000-0000-7000-8000-000000000001")


def test_w01_the_published_vector() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)

    signed = signature([KEY], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert secret_text(KEY) == SECRET


def verified(headers: dict[str, str], body: str, secret: str = SECRET) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_w02_what_the_published_library_accepts() -> None:
    now = datetime.now(UTC)
    body = '{"type":"TEST"}'
    headers = headers_of([KEY], MESSAGE, now, body)

    assert verified(headers, body)
    for missing in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert not verified({name: value for name, value in headers.items() if name != missing}, body)
    assert not verified(headers, body + " ")
    for seconds in (-301, 301):
        assert not verified(headers_of([KEY], MESSAGE, now + timedelta(seconds=seconds), body), body)


def test_w08_both_signatures_while_a_secret_is_rotated() -> None:
    body, old = "{}", b"o" * 32
    headers = headers_of([KEY, old], MESSAGE, datetime.now(UTC), body)

    assert len(headers["webhook-signature"].split(" ")) == 2
    assert verified(headers, body)
    assert verified(headers, body, secret_text(old))
    assert not verified(headers, body, secret_text(b"x" * 32))


def test_w11_the_signature_is_of_the_instant() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=2)))

    assert headers_of([KEY], MESSAGE, there, "{}") == headers_of([KEY], MESSAGE, NOW, "{}")


def waits(jitter: float) -> list[timedelta]:
    """Returns the waits between the attempts of a delivery that always fails."""
    found = []
    for attempts in range(1, ATTEMPTS + 1):
        after = after_attempt(Answer(status=500), attempts, now=NOW, jitter=jitter)
        if after.next_attempt_at is None:
            assert (after.status, attempts) == (WebhookDeliveryStatus.FAILED, ATTEMPTS)
            break
        found.append(after.next_attempt_at - NOW)
    return found


def test_w03_the_waits_between_attempts() -> None:
    seconds = [5, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24))]

    assert waits(0) == [timedelta(seconds=each) for each in seconds]
    assert sum(waits(0), timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


@given(st.floats(0, 1))
def test_jitter_only_extends_a_wait(jitter: float) -> None:
    for plain, extended in zip(waits(0), waits(jitter), strict=True):
        assert plain <= extended <= plain * (1 + JITTER)


@pytest.mark.parametrize(
    ("answer", "status", "wait"),
    [
        (Answer(status=200), WebhookDeliveryStatus.SUCCEEDED, None),
        (Answer(status=204), WebhookDeliveryStatus.SUCCEEDED, None),
        (Answer(status=301), WebhookDeliveryStatus.PENDING, 5),
        (Answer(status=410), WebhookDeliveryStatus.PENDING, 5),
        (Answer(status=429, retry_after=timedelta(minutes=2)), WebhookDeliveryStatus.PENDING, 120),
        (Answer(status=429, retry_after=timedelta(seconds=1)), WebhookDeliveryStatus.PENDING, 5),
        (Answer(status=500, retry_after=timedelta(minutes=2)), WebhookDeliveryStatus.PENDING, 5),
        (Answer(status=502), WebhookDeliveryStatus.PENDING, 5),
        (Answer(error="The endpoint did not respond within 15 seconds."), WebhookDeliveryStatus.PENDING, 5),
    ],
    ids=lambda value: str(value.status or "timeout") if isinstance(value, Answer) else "",
)
def test_w05_what_follows_from_a_response(answer: Answer, status: WebhookDeliveryStatus, wait: int | None) -> None:
    after = after_attempt(answer, 1, now=NOW, jitter=0)

    assert after == Attempted(status, None if wait is None else NOW + timedelta(seconds=wait))
    assert answer.is_gone == (answer.status == 410)


def test_an_endpoint_is_braked_after_failures_until_it_succeeds() -> None:
    pace = Pace()
    for _ in range(FAILURES_TO_BRAKE - 1):
        pace = pace_after(pace, Answer(status=500), NOW)
    assert not pace.is_braked
    assert pace.paused_until is None

    pauses = []
    for _ in range(6):
        pace = pace_after(Pace(pace.failures), Answer(status=500), NOW)
        assert pace.is_braked
        assert pace.paused_until is not None
        pauses.append((pace.paused_until - NOW).total_seconds())

    assert pauses == [1, 2, 4, 8, LONGEST_BRAKE.total_seconds(), LONGEST_BRAKE.total_seconds()]
    assert pace_after(pace, Answer(status=200), NOW) == Pace()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_endpoint_that_is_overloaded_is_braked_at_once(status: int) -> None:
    pace = pace_after(Pace(), Answer(status=status, retry_after=timedelta(minutes=3)), NOW)

    assert pace.is_braked
    wait = timedelta(minutes=3) if status in (429, 503) else timedelta(seconds=1)
    assert pace.paused_until == NOW + wait


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((None, None), ("", None), ("soon", None), ("-1", None), ("0", 0), (" 7 ", 7), ("99999999999999999", 86400)),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0),
        ("Sat, 31 Jan 2226 12:00:30 GMT", 86400),
        ("²", None),
    ],
)
def test_retry_after(value: str | None, seconds: int | None) -> None:
    found = retry_after(value, NOW)

    assert found == (None if seconds is None else timedelta(seconds=seconds))
    assert found is None or found <= LONGEST_RETRY_AFTER


def test_the_largest_message_fits() -> None:
    event = FeedEvent(
        id=MESSAGE,
        type=max(EventType, key=len),
        object_type=max(ObjectType, key=len),
        object_id=MESSAGE,
        version=2**31 - 1,
        customer_id=None,
        actor="x" * 255,
        changes=[f"a_column_with_a_long_name_{number}" for number in range(100)],
        occurred_at=NOW,
        recorded_at=NOW,
        xid=1,
        position=1,
        on_test_clock=True,
    )

    assert len(message_of(event).encode()) < MAX_WEBHOOK_BYTES


def test_changes_have_the_names_of_fields() -> None:
    assert fields_of(["amount_due_cents", "pending_quantity", "pending_plan_id", "plan_id"]) == [
        *("amountDueCents", "pendingChange", "plan"),
    ]


PRIVATE = (
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1"),
    *("192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "192.0.0.9", "192.0.0.192", "192.88.99.1", "168.63.129.16", "3fff::1"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *("100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0"),
    *("fec0::1", "ff02::1", "::ffff:0:127.0.0.1"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "//example.com/", "/hooks", "https://", "https:///hooks", "ftp://example.com/"),
        *("http://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)"),
        *("https://user@example.com/", "https://user:secret@example.com/", "https://example.com/#part"),
        *("https://example.com:0/", "https://example.com:99999/", "https://example.com:port/"),
        *("https://example.com/a b", "https://example.com/\n/", "https://exa\x00mple.com/", "https://bücher.example/"),
        *("https://example.com\\@127.0.0.1/", "https://127.0.0.1\\.example.com/"),
        *("https://[2606:4700::1111]127.0.0.1/", "https://127.0.0.1[2606:4700::1111]/", "https://a[2606:4700::1111]/"),
        *("https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/", "https://0x7f.1/"),
        *("https://127.0.0.1./", "https://1.2.3.4.5/", "https://0/", "https://[::1/", "https://[::1]x/"),
        *("https://-/", "https://exa mple.com/", "https://exam%70le.com/", "https://.example.com/", "https://a..b/"),
        *(f"https://[{address}]/" for address in PRIVATE if ":" in address and "%" not in address),
        *(f"https://{address}/" for address in PRIVATE if ":" not in address),
        "https://[fe80::1%25eth0]/",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_urls_that_are_rejected(url: str) -> None:
    with pytest.raises(WebhookUrlInvalid):
        valid_webhook_url(url, private_targets=False)


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.com", "https://example.com/hooks?key=1", "https://example.com:8443/", "https://1.1.1.1/"),
        *(
            "https://[2606:4700::1111]/",
            "https://xn--bcher-kva.example/",
            "https://a-b_c.example./x",
            "HTTPS://EXAMPLE.com/",
        ),
    ],
)
def test_urls_that_are_accepted(url: str) -> None:
    assert valid_webhook_url(f"  {url} ", private_targets=False) == url


def test_private_targets_are_a_choice() -> None:
    for url in ("http://localhost:3000/hooks", "http://127.0.0.1/", "https://10.0.0.1/", "http://[::1]:8080/"):
        assert valid_webhook_url(url, private_targets=True) == url
    for url in ("ftp://localhost/", "http://2130706433/", "http://user@localhost/"):
        with pytest.raises(WebhookUrlInvalid):
            valid_webhook_url(url, private_targets=True)
