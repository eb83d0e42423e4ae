"""Demo data: plausible customers with months of invoices, the same on every run."""
