"""What other people bought."""
