"""What is known about a customer at an instant."""
