"""How cluttered objects are, and what that does to a detector."""
