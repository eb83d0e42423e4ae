"""What is said: the GraphQL schema and the HTTP around it. `graph.app` puts it together."""
