"""What is remembered: records and the journal."""
