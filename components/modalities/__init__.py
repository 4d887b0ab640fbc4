"""Vectors of products beside those of their texts: pictures by a pretrained encoder, and what the shop has computed."""
