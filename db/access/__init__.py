"""Access to the database: sessions, reads, batched writes and compiled statements, all limited by a scope."""
