"""Webhooks: the endpoints, and the deliveries of the event feed to them."""

STOP_SECONDS = 3
"""Time for attempts in progress on shutdown, in seconds."""
