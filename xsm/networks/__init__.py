"""Networks, each one pure function of parameters and inputs; their weights and cards."""
