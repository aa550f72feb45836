"""What is kept of a domain's items across runs, seeds and salts: roles, looks at gate, openings of test."""
