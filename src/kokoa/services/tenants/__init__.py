"""tenants owns who is who: tenants and their environments, secrets and domains; partners' accounts, their access
keys, what an environment's owner has granted them, and the subgraphs that they publish."""
