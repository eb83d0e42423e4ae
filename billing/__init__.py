"""What is allowed and what is owed. No GraphQL, no HTTP."""
