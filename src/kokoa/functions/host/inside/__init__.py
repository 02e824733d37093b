"""Files that run *inside* a sandbox, in /var/runtime: standard library only, never imported by Kokoa itself."""
