"""The server's settings, read from the environment."""

import os
from collections.abc import Mapping
from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from billing.rate_limits import RateLimit
from cli.errors import CommandError
from graph.limits import Limits
from graph.settings import Settings

LOCAL = "_BILLING_LOCAL"
"""Tells the worker processes whether the server is a developer's own."""

SWITCH = {"on": True, "1": True, "true": True, "yes": True, "off": False, "0": False, "false": False, "no": False}

Group = TypeVar("Group", Limits, RateLimit)


def is_local(host: str, *, embedded: bool) -> bool:
    """Whether only this machine's people reach the server, and only their own data: then it needs no API key."""
    return embedded and is_loopback(host)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that the variables `BILLING_…` name. Raises `CommandError` for one that cannot be."""
    local = environment.get(LOCAL) == "1"
    documents = environment.get("BILLING_TRUSTED_DOCUMENTS")
    settings = Settings(
        requires_key=switch(environment, "BILLING_AUTH", default=not local),
        suggestions=switch(environment, "BILLING_SUGGESTIONS", default=local),
        limits=numbers(environment, "BILLING_MAX_", Limits()),
        rate_limit=numbers(environment, "BILLING_RATE_", RateLimit()),
        trusted_documents=Path(documents) if documents else None,
        trusted_only=switch(environment, "BILLING_TRUSTED_ONLY", default=False),
        cors_origins=tuple(origin_of(part) for part in environment.get("BILLING_CORS_ORIGINS", "").split()),
        plans=switch(environment, "BILLING_PLANS", default=True),
        hosts=frozenset(environment.get("BILLING_HOSTS", "").lower().split()),
    )
    if settings.trusted_only and settings.trusted_documents is None:
        raise CommandError("BILLING_TRUSTED_ONLY needs the documents: name their file in BILLING_TRUSTED_DOCUMENTS.")
    return settings


def switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    said = environment.get(name, "")
    if not said:
        return default
    if said.lower() not in SWITCH:
        raise CommandError(f"{name} must be on or off, not {said!r}.")
    return SWITCH[said.lower()]


def numbers(environment: Mapping[str, str], prefix: str, defaults: Group) -> Group:
    """A group of settings, each a number above 0 under a name of its own, such as `BILLING_MAX_DEPTH`."""
    found: dict[str, Any] = {}
    for field in fields(defaults):
        name = f"{prefix}{field.name.upper()}"
        said = environment.get(name)
        if not said:
            continue
        kind = type(getattr(defaults, field.name))
        try:
            number = kind(said)
        except ValueError:
            number = kind(0)
        if not 0 < number < 2**31:
            raise CommandError(
                f"{name} must be {'a whole number' if kind is int else 'a number'} above 0, not {said!r}."
            )
        found[field.name] = number
    return type(defaults)(**{**{field.name: getattr(defaults, field.name) for field in fields(defaults)}, **found})


def origin_of(said: str) -> str:
    """An origin, such as `https://app.example.com`. Raises `CommandError` for what is none."""
    scheme, found, host = said.partition("://")
    if scheme not in ("http", "https") or not found or not host or "/" in host or "*" in host:
        raise CommandError(f"BILLING_CORS_ORIGINS must be origins such as https://app.example.com, not {said!r}.")
    return said
