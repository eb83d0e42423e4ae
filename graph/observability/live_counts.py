"""Counts of the live streams of a process, for its metrics."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class LiveCounts:
    """`Metrics.look` reads the numbers. There may be thousands of messages a second, so they are plain."""

    streams: int = 0
    """Open streams that have caught up with the feed: they get events as they appear."""
    messages: int = 0
    """Results that streams took."""
    too_slow: int = 0
    """Streams that ended because their client did not read."""
    on_result: list[Callable[[float], None]] = field(default_factory=list)
    """Called with the age of an event, in seconds, when its result for a channel is ready."""
