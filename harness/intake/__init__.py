"""A user's own file of prompts and answers, made into a domain."""
