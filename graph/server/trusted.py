"""Trusted documents: clients send the hash of a document whose text the server has.

The file is in the format of graphql-codegen's `persistedDocuments`: a JSON object that maps hashes to documents.
"""

import json
from collections.abc import Mapping
from pathlib import Path


class TrustedDocumentsError(ValueError):
    """The file of trusted documents is invalid. The message is one line for the person who configured it."""


def read_trusted(path: Path) -> Mapping[str, str]:
    """Returns the documents by hash. Raises `TrustedDocumentsError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrustedDocumentsError(f"The trusted documents cannot be read from {path}: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise TrustedDocumentsError(f"{path} must be a JSON object that maps hashes to documents.")
    return found
