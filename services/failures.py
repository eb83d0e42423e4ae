"""The log of periodic work that fails and is tried again later."""

import logging

from db.driver.errors import is_unavailable

logger = logging.getLogger("billing.runs")


def log_failure(work: str, error: Exception) -> None:
    """Logs that work failed: as a warning if the database is unavailable, otherwise with the traceback."""
    if is_unavailable(error):
        logger.warning("%s must wait for the database: %s", work, error)
    else:
        logger.error("%s failed", work, exc_info=error)
