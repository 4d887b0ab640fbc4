"""The ranker: probabilities of a click, a cart and a purchase when a user is shown a product."""
