"""The wire protocols of AWS services, one a module; each fills the seam of `protocols.protocol`."""
