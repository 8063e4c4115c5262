"""CoNo: noise learnt from clean images only."""
