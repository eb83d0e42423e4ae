"""What is stored: tables, batched reads, sessions, the embedded PostgreSQL."""
