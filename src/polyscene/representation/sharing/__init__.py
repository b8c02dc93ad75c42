"""How scenarios and tasks share a network: a file per form, written once for training and for answers."""
