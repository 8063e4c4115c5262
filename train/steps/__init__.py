"""Steps of training, and what several systems share around them."""
