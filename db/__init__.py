"""Storage: tables, queries, connections, backups, and the embedded PostgreSQL."""
