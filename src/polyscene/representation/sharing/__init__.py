"""How scenarios and tasks share one network: a file per form, each written once for training and for answers."""
