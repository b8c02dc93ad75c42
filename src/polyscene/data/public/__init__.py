"""Public data sets as they are published, one file each, and the plain tables they become."""
