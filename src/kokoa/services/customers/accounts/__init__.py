"""Who somebody is: registering, signing in and out, sessions, and what e-mails prove."""
