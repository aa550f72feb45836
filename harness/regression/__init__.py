"""Regression gates and comparisons: answers from anywhere, what must hold of them, and what it says."""
