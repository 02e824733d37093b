"""The serverless environment beside the store: the AWS APIs, the control plane, the dispatcher and the hosts."""
