"""Finding chunks: by their words, as each database can, and by their meaning, if there are embeddings."""
