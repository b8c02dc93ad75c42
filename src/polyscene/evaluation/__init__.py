"""Judges that know no model: metrics, slices, significance, results and reports."""
