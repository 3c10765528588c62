"""The commands of `superlens`: one file each. Heavy imports stand inside the functions, so that `--help` is quick."""
