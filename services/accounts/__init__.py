"""A customer's account: opened, read and written."""
