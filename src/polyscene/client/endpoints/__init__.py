"""The endpoints of the service, a class for each kind."""
