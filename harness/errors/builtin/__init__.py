"""The built-in classifiers, one small module a family; `docs/classifiers.md` has a card for each."""
