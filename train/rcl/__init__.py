"""RCL: networks learnt from noisy images by their residuals, and what few labels make of them."""
