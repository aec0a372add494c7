"""What must hold of a whole node as it runs, whatever is done with it."""
