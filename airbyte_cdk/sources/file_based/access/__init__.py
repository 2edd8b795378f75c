"""How bytes and names come from a storage: list below a prefix, open at an offset, read ranges; with retries."""
