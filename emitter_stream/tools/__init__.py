"""Python functions as tools: their schemas, their arguments, who runs them."""
