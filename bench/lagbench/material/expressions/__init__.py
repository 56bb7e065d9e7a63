"""Random nested expressions for `listops`: drawn level by level, and their exact distribution."""
