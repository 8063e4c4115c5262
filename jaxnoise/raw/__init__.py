"""Raw images: Bayer mosaics and the steps between linear raw and sRGB."""
