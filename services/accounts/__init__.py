"""Opening, reading and writing a customer's account."""
