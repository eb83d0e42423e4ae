"""Trusted documents: a client names one by its hash, and the server has the text.

The file is what graphql-codegen writes with `persistedDocuments`: a JSON object of texts by their hash.
"""

import json
from collections.abc import Mapping
from pathlib import Path


class TrustedDocumentsError(ValueError):
    """The file of trusted documents cannot be used. The message is one line for the person who set it."""


def read_trusted(path: Path) -> Mapping[str, str]:
    """The texts by their hash. Raises `TrustedDocumentsError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrustedDocumentsError(f"The trusted documents cannot be read from {path}: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise TrustedDocumentsError(f"{path} must be a JSON object that maps hashes to documents.")
    return found
