"""Files: how they are read and checked, whoever wrote them."""
