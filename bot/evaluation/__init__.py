"""How well messages are understood: figures, tables, plots."""
