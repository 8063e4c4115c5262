"""RCL: networks pre-trained on noisy images by their residuals, and what few labels make of them."""
