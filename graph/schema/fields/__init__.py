"""What fields are declared with."""
