"""What is said: the GraphQL schema and the HTTP around it. `graph.server.app` puts it together."""
