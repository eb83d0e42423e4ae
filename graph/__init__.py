"""The API: the GraphQL schema and its HTTP server. `graph.server.app` assembles the server."""
