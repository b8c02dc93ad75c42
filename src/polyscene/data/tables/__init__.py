"""Files and databases as tables: formats, opening, columns, filters, times."""
