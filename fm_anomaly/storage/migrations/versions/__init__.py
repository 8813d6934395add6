"""The steps from each version of the tables to the next; none may change once it is released."""
