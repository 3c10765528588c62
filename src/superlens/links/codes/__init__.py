"""How published systems spell parts as text. A code of one's own is one class (`base.Code`), named by its dotted path."""
